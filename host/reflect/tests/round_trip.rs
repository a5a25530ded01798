//! JSON and component values: what goes out comes back, for every type but resources, and fits its own schema.

use std::sync::Arc;

use jackfield_reflect::{Case, Field, JsonLimits, Names, Record, Shape, TypeName, Variant, decode, encode, schema};
use proptest::{collection::vec, prelude::*};
use wasmtime::component::Val;

fn name(prefix: &str, id: u32) -> TypeName {
    TypeName { interface: "test:shapes/shapes@0.1.0".into(), name: format!("{prefix}{id}"), docs: String::new() }
}

/// Shapes up to four levels deep. Names are numbered so that two types of one schema never share one.
fn shape() -> impl Strategy<Value = Shape> {
    use Shape::*;
    let leaf = prop_oneof![
        Just(Bool),
        Just(U8),
        Just(U16),
        Just(U32),
        Just(U64),
        Just(S8),
        Just(S16),
        Just(S32),
        Just(S64),
        Just(F32),
        Just(F64),
        Just(Char),
        Just(String),
        Just(Bytes),
        (any::<u32>(), 1..5usize).prop_map(|(id, n)| Enum(Arc::new(names("e", id, n)))),
        (any::<u32>(), 1..9usize).prop_map(|(id, n)| Flags(Arc::new(names("f", id, n)))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let part = inner.clone().prop_map(Arc::new);
        prop_oneof![
            inner.clone().prop_map(|item| match item {
                // `list<u8>` is another shape.
                U8 => Bytes,
                item => List(Arc::new(item)),
            }),
            (part.clone(), 1..4usize).prop_map(|(item, n)| FixedList(item, n)),
            part.clone().prop_map(|value| Map(Arc::new(String), value)),
            part.clone().prop_map(|value| Map(Arc::new(U32), value)),
            vec(inner.clone(), 1..4).prop_map(|items| Tuple(items.into())),
            part.clone().prop_map(Option),
            part.clone().prop_map(|inner| Option(Arc::new(Option(inner)))),
            (proptest::option::of(part.clone()), proptest::option::of(part)).prop_map(|(ok, err)| Result(ok, err)),
            (any::<u32>(), vec(inner.clone(), 0..4)).prop_map(|(id, shapes)| {
                let field = |(i, shape)| Field { name: format!("field-{i}"), docs: std::string::String::new(), shape };
                Record(Arc::new(self::Record {
                    name: name("r", id),
                    fields: shapes.into_iter().enumerate().map(field).collect(),
                }))
            }),
            (any::<u32>(), vec(proptest::option::of(inner), 1..4)).prop_map(|(id, shapes)| {
                let case = |(i, shape)| Case { name: format!("case-{i}"), docs: std::string::String::new(), shape };
                Variant(Arc::new(self::Variant {
                    name: name("v", id),
                    cases: shapes.into_iter().enumerate().map(case).collect(),
                }))
            }),
        ]
    })
}

fn names(prefix: &str, id: u32, n: usize) -> Names {
    Names { name: name(prefix, id), members: (0..n).map(|i| (format!("m-{i}"), String::new())).collect() }
}

fn value(shape: &Shape) -> BoxedStrategy<Val> {
    let boxed = |shape: &Option<Arc<Shape>>| match shape {
        Some(shape) => value(shape).prop_map(|v| Some(Box::new(v))).boxed(),
        None => Just(None).boxed(),
    };
    match shape {
        Shape::Bool => any::<bool>().prop_map(Val::Bool).boxed(),
        Shape::U8 => any::<u8>().prop_map(Val::U8).boxed(),
        Shape::U16 => any::<u16>().prop_map(Val::U16).boxed(),
        Shape::U32 => any::<u32>().prop_map(Val::U32).boxed(),
        Shape::U64 => any::<u64>().prop_map(Val::U64).boxed(),
        Shape::S8 => any::<i8>().prop_map(Val::S8).boxed(),
        Shape::S16 => any::<i16>().prop_map(Val::S16).boxed(),
        Shape::S32 => any::<i32>().prop_map(Val::S32).boxed(),
        Shape::S64 => any::<i64>().prop_map(Val::S64).boxed(),
        Shape::F32 => proptest::num::f32::ANY.prop_map(Val::Float32).boxed(),
        Shape::F64 => proptest::num::f64::ANY.prop_map(Val::Float64).boxed(),
        Shape::Char => any::<char>().prop_map(Val::Char).boxed(),
        Shape::String => any::<String>().prop_map(Val::String).boxed(),
        Shape::Bytes => vec(any::<u8>(), 0..40).prop_map(|b| Val::List(b.into_iter().map(Val::U8).collect())).boxed(),
        Shape::List(item) => vec(value(item), 0..4).prop_map(Val::List).boxed(),
        Shape::FixedList(item, n) => vec(value(item), *n).prop_map(Val::FixedLengthList).boxed(),
        Shape::Map(key, item) if matches!(**key, Shape::String) => {
            proptest::collection::btree_map(any::<String>(), value(item), 0..4)
                .prop_map(|map| Val::Map(map.into_iter().map(|(k, v)| (Val::String(k), v)).collect()))
                .boxed()
        }
        Shape::Map(key, item) => vec((value(key), value(item)), 0..4).prop_map(Val::Map).boxed(),
        Shape::Tuple(items) => items.iter().map(value).collect::<Vec<_>>().prop_map(Val::Tuple).boxed(),
        Shape::Option(inner) => proptest::option::of(value(inner)).prop_map(|v| Val::Option(v.map(Box::new))).boxed(),
        Shape::Result(ok, err) => {
            prop_oneof![boxed(ok).prop_map(|v| Val::Result(Ok(v))), boxed(err).prop_map(|v| Val::Result(Err(v)))]
                .boxed()
        }
        Shape::Record(record) => {
            let names: Vec<_> = record.fields.iter().map(|f| f.name.clone()).collect();
            let fields: Vec<_> = record.fields.iter().map(|f| value(&f.shape)).collect();
            fields.prop_map(move |values| Val::Record(names.iter().cloned().zip(values).collect())).boxed()
        }
        Shape::Variant(variant) => {
            let cases = variant.cases.iter().map(|case| {
                let name = case.name.clone();
                boxed(&case.shape.clone().map(Arc::new)).prop_map(move |v| Val::Variant(name.clone(), v)).boxed()
            });
            proptest::strategy::Union::new(cases).boxed()
        }
        Shape::Enum(names) => {
            let names: Vec<_> = names.members.iter().map(|(n, _)| n.clone()).collect();
            proptest::sample::select(names).prop_map(Val::Enum).boxed()
        }
        Shape::Flags(names) => {
            let names: Vec<_> = names.members.iter().map(|(n, _)| n.clone()).collect();
            let most = names.len();
            proptest::sample::subsequence(names, 0..=most).prop_map(Val::Flags).boxed()
        }
        Shape::Handle(_) => unreachable!("no test makes one"),
    }
}

/// Equality that takes any NaN for any other: JSON keeps that a number is none, not which.
fn same(a: &Val, b: &Val) -> bool {
    let option = |a: &Option<Box<Val>>, b: &Option<Box<Val>>| match (a, b) {
        (Some(a), Some(b)) => same(a, b),
        (None, None) => true,
        _ => false,
    };
    let all = |a: &[Val], b: &[Val]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    match (a, b) {
        (Val::Float32(a), Val::Float32(b)) => (a.is_nan() && b.is_nan()) || a.to_bits() == b.to_bits(),
        (Val::Float64(a), Val::Float64(b)) => (a.is_nan() && b.is_nan()) || a.to_bits() == b.to_bits(),
        (Val::List(a), Val::List(b))
        | (Val::Tuple(a), Val::Tuple(b))
        | (Val::FixedLengthList(a), Val::FixedLengthList(b)) => all(a, b),
        (Val::Map(a), Val::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((ak, av), (bk, bv))| same(ak, bk) && same(av, bv))
        }
        (Val::Record(a), Val::Record(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((an, av), (bn, bv))| an == bn && same(av, bv))
        }
        (Val::Variant(an, a), Val::Variant(bn, b)) => an == bn && option(a, b),
        (Val::Option(a), Val::Option(b)) => option(a, b),
        (Val::Result(Ok(a)), Val::Result(Ok(b))) | (Val::Result(Err(a)), Val::Result(Err(b))) => option(a, b),
        (a, b) => a == b,
    }
}

fn json(shape: &Shape, value: &Val) -> Vec<u8> {
    let mut out = Vec::new();
    encode(shape, value, usize::MAX, &mut out).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_value_written_as_json_reads_back_as_itself((shape, value) in shape().prop_flat_map(|s| { let v = value(&s); (Just(s), v) })) {
        let json = json(&shape, &value);
        let back = decode(&shape, &json, &JsonLimits::default());
        let back = back.unwrap_or_else(|e| panic!("{e}\n{}", String::from_utf8_lossy(&json)));
        prop_assert!(same(&value, &back), "{}", String::from_utf8_lossy(&json));
    }

    #[test]
    fn a_value_written_as_json_fits_the_schema_of_its_shape((shape, value) in shape().prop_flat_map(|s| { let v = value(&s); (Just(s), v) })) {
        let mut defs = serde_json::Map::new();
        let mut document = schema(&shape, &mut defs);
        document.as_object_mut().unwrap().insert("$defs".into(), defs.into());
        let validator = jsonschema::draft202012::new(&document).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json(&shape, &value)).unwrap();
        let errors: Vec<_> = validator.iter_errors(&json).map(|e| e.to_string()).collect();
        prop_assert!(errors.is_empty(), "{json}\n{document}\n{errors:?}");
    }

    #[test]
    fn no_text_makes_the_reader_panic(shape in shape(), text in ".{0,64}") {
        let _ = decode(&shape, text.as_bytes(), &JsonLimits::default());
    }

    #[test]
    fn no_json_of_another_form_makes_the_reader_panic(
        (shape, other) in (shape(), shape().prop_flat_map(|s| { let v = value(&s); (Just(s), v) }))
    ) {
        if let Err(error) = decode(&shape, &json(&other.0, &other.1), &JsonLimits::default()) {
            prop_assert!(!error.message.contains(" at line "), "{error}");
        }
    }
}

fn read(shape: &Shape, text: &str) -> Result<Val, String> {
    decode(shape, text.as_bytes(), &JsonLimits::default()).map_err(|e| e.to_string())
}

fn write(shape: &Shape, value: &Val) -> String {
    String::from_utf8(json(shape, value)).unwrap()
}

#[test]
fn wide_integers_lose_no_digit_in_either_direction() {
    assert_eq!(write(&Shape::U64, &Val::U64(9_007_199_254_740_991)), "9007199254740991");
    assert_eq!(write(&Shape::U64, &Val::U64(9_007_199_254_740_992)), "\"9007199254740992\"");
    assert_eq!(write(&Shape::U64, &Val::U64(u64::MAX)), "\"18446744073709551615\"");
    assert_eq!(write(&Shape::S64, &Val::S64(i64::MIN)), "\"-9223372036854775808\"");
    assert_eq!(read(&Shape::U64, "18446744073709551615"), Ok(Val::U64(u64::MAX)));
    assert_eq!(read(&Shape::U64, "\"18446744073709551615\""), Ok(Val::U64(u64::MAX)));
    assert_eq!(read(&Shape::S64, "-9223372036854775808"), Ok(Val::S64(i64::MIN)));
    assert!(read(&Shape::U64, "18446744073709551616").is_err());
    assert!(read(&Shape::U64, "\"+1\"").is_err());
    assert!(read(&Shape::U64, "1.5").is_err());
    assert_eq!(read(&Shape::U8, "7.0"), Ok(Val::U8(7)));
}

#[test]
fn an_option_of_an_option_keeps_its_three_values_apart() {
    let shape = Shape::Option(Arc::new(Shape::Option(Arc::new(Shape::U8))));
    let none = Val::Option(None);
    let some_none = Val::Option(Some(Box::new(Val::Option(None))));
    let some_some = Val::Option(Some(Box::new(Val::Option(Some(Box::new(Val::U8(5)))))));
    for (value, text) in [(none, "null"), (some_none, r#"{"some":null}"#), (some_some, r#"{"some":5}"#)] {
        assert_eq!(write(&shape, &value), text);
        assert_eq!(read(&shape, text), Ok(value));
    }
}

#[test]
fn an_error_points_at_the_place_and_names_what_was_expected_and_found() {
    let field = |name: &str, shape| Field { name: name.into(), docs: String::new(), shape };
    let inner = Record { name: name("inner", 0), fields: vec![field("a/b", Shape::U8)] };
    let outer = Record {
        name: name("outer", 0),
        fields: vec![
            field("items", Shape::List(Arc::new(Shape::Record(Arc::new(inner))))),
            field("name", Shape::String),
        ],
    };
    let shape = Shape::Record(Arc::new(outer));
    let error = |text| read(&shape, text).unwrap_err();
    assert_eq!(
        error(r#"{"name": "x", "items": [{"a/b": 1}, {"a/b": 300}]}"#),
        "at `/items/1/a~1b`: expected a whole number from 0 to 255, found 300"
    );
    assert_eq!(error(r#"{"items": []}"#), "at `/name`: `name` is missing; expected a string");
    assert_eq!(error(r#"{"nmae": "x"}"#), "at `/nmae`: `outer0` has no member of this name. Did you mean `name`?");
    assert_eq!(error(r#"{"name": "x", "name": "y"}"#), "at `/name`: it stands there twice");
    assert!(error("{").starts_with("not JSON: "));
    assert!(error(r#"{"name": "x"} {}"#).starts_with("not JSON: trailing"));
}

#[test]
fn a_small_text_cannot_become_a_large_value() {
    let shape = Shape::List(Arc::new(Shape::List(Arc::new(Shape::Bool))));
    let text = format!("[{}[]]", "[],".repeat(1000));
    let limits = JsonLimits { max_values: 1000, ..JsonLimits::default() };
    let error = decode(&shape, text.as_bytes(), &limits).unwrap_err();
    assert_eq!(error.message, "more than 1000 values");
    let limits = JsonLimits { max_bytes: 10, ..JsonLimits::default() };
    assert!(decode(&shape, text.as_bytes(), &limits).unwrap_err().message.contains("longer than 10 bytes"));
}

#[test]
fn brackets_without_end_are_refused_at_the_first_that_the_type_does_not_have() {
    let text = "[".repeat(1_000_000);
    let error = read(&Shape::List(Arc::new(Shape::U16)), &text).unwrap_err();
    assert_eq!(error, "at `/0`: expected a whole number from 0 to 65535, found a list");
}

#[test]
fn an_answer_longer_than_its_bound_is_an_error_and_not_a_longer_answer() {
    let mut out = Vec::new();
    let value = Val::List(vec![Val::String("x".repeat(100)); 100]);
    let error = encode(&Shape::List(Arc::new(Shape::String)), &value, 1000, &mut out).unwrap_err();
    assert!(error.to_string().contains("longer than 1000 bytes"), "{error}");
    assert!(out.len() <= 1000);
}
