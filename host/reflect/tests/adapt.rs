//! Two forms of an operation: whether one can be called by who speaks the other, and what then becomes of values.

mod common;

use std::sync::Arc;

use common::{shape, value};
use jackfield_reflect::{
    Adapter, Case, Direction, Field, JsonLimits, Names, Operation, Record, Shape, TranslateError, Translation, Tuple,
    Variant, adapt, decode, operations, read_wit,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn operation(version: &str, body: &str) -> Operation {
    let text = format!(
        "package test:root@0.1.0;
         package jackfield:types@0.1.0 {{
           interface types {{ record error {{ message: string }} record write-options {{ idempotency-key: option<string> }} }}
         }}
         package acme:dns@{version} {{
           interface dns {{ use jackfield:types/types@0.1.0.{{error, write-options}}; {body} }}
         }}"
    );
    let packages = read_wit(&text).unwrap();
    operations(packages.iter().find(|p| p.id.name == "dns").unwrap()).unwrap().remove(0)
}

/// How a plugin with the one form is called by who speaks the other.
fn between(have: &str, wanted: &str) -> Result<Adapter, String> {
    adapt(&operation("0.1.0", have), &operation("0.2.0", wanted)).map_err(|mismatch| mismatch.to_string())
}

fn translated(translation: &Translation, value: &Value) -> Result<Value, String> {
    let text = translation.apply(value.to_string().as_bytes()).map_err(|error| error.to_string())?;
    Ok(serde_json::from_slice(&text).unwrap())
}

const OLD: &str = "
    enum kind { a, aaaa }
    record entry { name: string, ttl: u32 }
    lookup: func(name: string, kind: kind) -> result<list<entry>, error>;";
const NEW: &str = "
    enum kind { a, aaaa, svcb }
    record entry { name: string, ttl: u64, note: option<string> }
    lookup: func(name: string, kind: kind, limit: option<u32>, exact: bool) -> result<list<entry>, error>;";

#[test]
fn who_speaks_the_newer_form_calls_a_plugin_of_the_older_one() {
    let adapter = between(OLD, NEW).unwrap();
    let request = |value| translated(&adapter.request, &value);
    let old = json!({"name": "x", "kind": "a"});
    assert_eq!(request(old.clone()).unwrap(), old);
    // Given, and saying what is so without it.
    assert_eq!(request(json!({"name": "x", "limit": null, "kind": "a", "exact": false})).unwrap(), old);
    let error = request(json!({"name": "x", "kind": "a", "limit": 5})).unwrap_err();
    assert_eq!(error, "at `/limit`: `limit` is given, and there is nothing like it where this goes");
    let error = request(json!({"name": "x", "kind": "svcb"})).unwrap_err();
    assert_eq!(error, "at `/kind`: `kind` has no `svcb` where this goes, only `a`, `aaaa`");
    assert!(adapter.answer.is_none(), "what an option is missing is left out");
}

#[test]
fn who_speaks_the_older_form_calls_a_plugin_of_the_newer_one() {
    let error = between(NEW, OLD).unwrap_err();
    assert_eq!(error, "at `/*/ttl` of the answer: acme:dns@0.1.0 has `u64`, acme:dns@0.2.0 has `u32`");
    let adapter = between(&NEW.replace("ttl: u64", "ttl: u32"), OLD).unwrap();
    assert!(adapter.request.is_none());
    let answer = json!([{"name": "x", "ttl": 5, "note": "n"}, {"name": "y", "ttl": 6}]);
    let expected = json!([{"name": "x", "ttl": 5}, {"name": "y", "ttl": 6}]);
    assert_eq!(translated(&adapter.answer, &answer).unwrap(), expected);
}

#[test]
fn a_case_that_the_caller_has_no_word_for_is_refused_and_the_others_are_not() {
    let form = |cases: &str| format!("variant value {{ {cases} }} get: func() -> result<list<value>, error>;");
    let adapter = between(&form("text(string), gone, number(u8)"), &form("text(string), gone")).unwrap();
    let known = json!([{"text": "x"}, {"gone": null}]);
    assert_eq!(translated(&adapter.answer, &known).unwrap(), known);
    let error = translated(&adapter.answer, &json!([{"text": "x"}, {"number": 5}])).unwrap_err();
    assert_eq!(error, "at `/1`: `value` has no `number` where this goes, only `gone`, `text`");
    assert!(between(&form("text(string), gone"), &form("text(string), gone, number(u8)")).unwrap().answer.is_none());
    let error = between(&form("text(string)"), &form("text(u8)")).unwrap_err();
    assert_eq!(error, "at `/*/text` of the answer: acme:dns@0.1.0 has `string`, acme:dns@0.2.0 has `u8`");
}

#[test]
fn what_became_optional_must_be_there_where_it_was_not() {
    let form = |ty: &str| format!("get: func(limit: {ty}) -> result<{ty}, error>;");
    let adapter = between(&form("u32"), &form("option<u32>")).unwrap();
    assert_eq!(translated(&adapter.request, &json!({"limit": 5})).unwrap(), json!({"limit": 5}));
    for absent in [json!({}), json!({"limit": null})] {
        let error = translated(&adapter.request, &absent).unwrap_err();
        assert_eq!(error, "at `/limit`: it is not given, and must be there where this goes");
    }
    assert!(adapter.answer.is_none());
    let adapter = between(&form("option<u32>"), &form("u32")).unwrap();
    assert!(translated(&adapter.answer, &Value::Null).is_err());
    assert_eq!(translated(&adapter.answer, &json!(5)).unwrap(), json!(5));
}

#[test]
fn what_is_left_out_means_the_same_where_it_goes_or_is_refused() {
    let form = |ty: &str| format!("record inner {{ x: {ty} }} get: func(a: {ty}, r: inner) -> result<_, error>;");
    for (plain, default) in [("bool", json!(false)), ("list<string>", json!([])), ("list<u32>", json!([]))] {
        let optional = format!("option<{plain}>");
        // Nothing said is neither `false` nor no items: the plugin has no word for it.
        let adapter = between(&form(plain), &form(&optional)).unwrap();
        let given = json!({"a": default, "r": {"x": default}});
        assert_eq!(translated(&adapter.request, &given).unwrap(), given);
        for (request, at) in [
            (json!({"r": {"x": default}}), "/a"),
            (json!({"a": null, "r": {"x": default}}), "/a"),
            (json!({"a": default, "r": {}}), "/r/x"),
            (json!({"a": default, "r": {"x": null}}), "/r/x"),
            (json!({"a": default}), "/r/x"),
        ] {
            let error = translated(&adapter.request, &request).unwrap_err();
            assert_eq!(error, format!("at `{at}`: it is not given, and must be there where this goes"), "{request}");
        }
        // `false` and no items are not nothing said: they are written out.
        let adapter = between(&form(&optional), &form(plain)).unwrap();
        for request in [json!({}), json!({"a": default}), json!({"r": {}}), json!({"a": default, "r": {"x": default}})]
        {
            assert_eq!(translated(&adapter.request, &request).unwrap(), given, "{request}");
        }
    }
}

#[test]
fn what_must_be_given_is_not_left_out_because_it_may_be_where_it_goes() {
    let form = |ty: &str| format!("get: func(limit: {ty}) -> result<_, error>;");
    let adapter = between(&form("option<u32>"), &form("u32")).unwrap();
    assert_eq!(translated(&adapter.request, &json!({"limit": 5})).unwrap(), json!({"limit": 5}));
    let error = adapter.request.apply(b"{}").unwrap_err();
    let TranslateError::Malformed(error) = error else { panic!("{error}") };
    assert_eq!((error.pointer.as_str(), error.message.as_str()), ("/limit", "it must be given"));
}

#[test]
fn an_answer_that_leaves_out_what_its_caller_must_have_is_refused() {
    let form = |ty: &str| format!("record r {{ x: {ty} }} get: func() -> result<r, error>;");
    let adapter = between(&form("option<list<string>>"), &form("list<string>")).unwrap();
    for answer in [json!({}), json!({"x": null})] {
        let error = translated(&adapter.answer, &answer).unwrap_err();
        assert_eq!(error, "at `/x`: it is not given, and must be there where this goes");
    }
}

#[test]
fn what_cannot_be_translated_is_told_with_the_place_and_both_types() {
    let plain = "get: func(name: string) -> result<string, error>;";
    for (have, wanted, told) in [
        (
            plain,
            "get: func(name: string, zone: string) -> result<string, error>;",
            "at `/zone` of the request: acme:dns@0.2.0 has `string`, acme:dns@0.1.0 has no such thing",
        ),
        (
            "get: func(name: string, zone: string) -> result<string, error>;",
            plain,
            "at `/zone` of the request: acme:dns@0.2.0 has no such thing, acme:dns@0.1.0 has `string`",
        ),
        (
            // Renamed is something else.
            "get: func(host: string) -> result<string, error>;",
            plain,
            "at `/name` of the request: acme:dns@0.2.0 has `string`, acme:dns@0.1.0 has no such thing",
        ),
        (
            plain,
            "record more { found: string, complete: bool } get: func(name: string) -> result<more, error>;",
            "the answer: acme:dns@0.1.0 has `string`, acme:dns@0.2.0 has `more`",
        ),
        (
            // That it is `false` nobody said.
            "record more { found: string } get: func(name: string) -> result<more, error>;",
            "record more { found: string, complete: bool } get: func(name: string) -> result<more, error>;",
            "at `/complete` of the answer: acme:dns@0.1.0 has no such thing, acme:dns@0.2.0 has `bool`",
        ),
        (
            plain,
            "get: func(name: string, options: write-options) -> result<string, error>;",
            "the operation: acme:dns@0.2.0 is a write, acme:dns@0.1.0 is a read",
        ),
        (
            "enum e { a } get: func(e: e) -> result<_, error>;",
            "enum e { b } get: func(e: e) -> result<_, error>;",
            "at `/e` of the request: acme:dns@0.2.0 has `e`, acme:dns@0.1.0 has `e`",
        ),
        (
            // The shortest text of a small float is another large one.
            "get: func() -> result<f32, error>;",
            "get: func() -> result<f64, error>;",
            "the answer: acme:dns@0.1.0 has `f32`, acme:dns@0.2.0 has `f64`",
        ),
    ] {
        assert_eq!(between(have, wanted).unwrap_err(), told, "{have} {wanted}");
    }
}

#[test]
fn an_answer_that_nobody_asked_for_is_null_and_one_that_may_be_absent_is_absent() {
    let something = "get: func() -> result<string, error>;";
    let nothing = "get: func() -> result<_, error>;";
    let adapter = between(something, nothing).unwrap();
    assert_eq!(translated(&adapter.answer, &json!("x")).unwrap(), Value::Null);
    assert!(between(nothing, something).is_err());
    assert!(between(nothing, "get: func() -> result<option<string>, error>;").unwrap().answer.is_none());
}

#[test]
fn numbers_and_texts_that_stay_keep_their_bytes() {
    let form = |more: &str| format!("record r {{ a: f64, b: u64, c: string {more} }} f: func() -> result<r, error>;");
    let adapter = between(&form(", d: u8"), &form("")).unwrap();
    let text = r#"{"a":1.50e3,"d":1,"b":"18446744073709551615","c":"\u00e9\n"}"#;
    let expected = r#"{"a":1.50e3,"b":"18446744073709551615","c":"\u00e9\n"}"#;
    assert_eq!(String::from_utf8(adapter.answer.apply(text.as_bytes()).unwrap()).unwrap(), expected);
}

#[test]
fn what_is_not_of_the_callers_own_form_is_the_callers_mistake_and_is_pointed_at() {
    let adapter = between(OLD, NEW).unwrap();
    for (text, pointer, part) in [
        (r#"{"name": "x", "kind": "a", "limt": 1}"#, "/limt", "Did you mean `limit`?"),
        (r#"{"name": "x", "kind": "a", "name": "y"}"#, "/name", "twice"),
        (r#"{"name": "x", "kind": "svcbb"}"#, "/kind", "Did you mean `svcb`?"),
        (r#"{"name": "x", "kind": 5}"#, "/kind", "expected a string"),
        ("[]", "", "expected an object"),
        ("{", "", "EOF"),
        (r#"{"name": "x", "kind": "a"} {}"#, "", "trailing"),
    ] {
        let error = adapter.request.apply(text.as_bytes()).unwrap_err();
        let TranslateError::Malformed(error) = error else { panic!("{text}: {error}") };
        assert!(error.pointer == pointer && error.message.contains(part), "{text}: {error:?}");
    }
}

/// A later form of a type: fields that need not be there, more cases, wider numbers. `choices` says where.
fn evolved(shape: &Shape, choices: &mut impl Iterator<Item = u8>) -> Shape {
    let mut choose = || choices.next().unwrap_or(0) % 3 == 1;
    let part = |shape: &Arc<Shape>, choices: &mut _| Arc::new(evolved(shape, choices));
    let name = |name: &str| format!("{name}-later");
    match shape {
        Shape::U8 if choose() => Shape::U32,
        Shape::S16 if choose() => Shape::S64,
        Shape::List(item) => match evolved(item, choices) {
            // `list<u8>` is another type.
            Shape::U8 => Shape::Bytes,
            item => Shape::List(Arc::new(item)),
        },
        Shape::FixedList(item, n) => Shape::FixedList(part(item, choices), *n),
        Shape::Map(key, value) => Shape::Map(key.clone(), part(value, choices)),
        Shape::Tuple(tuple) => {
            Shape::Tuple(Arc::new(Tuple::new(tuple.items.iter().map(|item| evolved(item, choices)).collect())))
        }
        Shape::Option(inner) if inner.is_nullable() => shape.clone(),
        Shape::Option(inner) => Shape::Option(part(inner, choices)),
        Shape::Record(record) => {
            let (more, optional) = (choose(), choose());
            let mut fields: Vec<Field> = record
                .fields
                .iter()
                .map(|field| Field { shape: evolved(&field.shape, choices), ..field.clone() })
                .collect();
            if let Some(field) = fields.first_mut().filter(|field| optional && !field.shape.is_nullable()) {
                field.shape = Shape::Option(Arc::new(field.shape.clone()));
            }
            if more {
                let (docs, stability) = Default::default();
                let shape = Shape::Option(Arc::new(Shape::String));
                fields.insert(0, Field { name: "field-later".into(), docs, stability, shape });
            }
            Shape::Record(Arc::new(Record::new(record.name.clone(), fields)))
        }
        Shape::Variant(variant) => {
            let more = choose();
            let mut cases: Vec<Case> = variant
                .cases
                .iter()
                .map(|case| Case { shape: case.shape.as_ref().map(|shape| evolved(shape, choices)), ..case.clone() })
                .collect();
            if more {
                cases.insert(0, Case { name: name("case"), docs: String::new(), shape: Some(Shape::U8) });
            }
            Shape::Variant(Arc::new(Variant::new(variant.name.clone(), cases)))
        }
        Shape::Enum(names) | Shape::Flags(names) if choose() => {
            let members = [(name("m"), String::new())].into_iter().chain(names.members.clone()).take(31).collect();
            let later = Arc::new(Names { name: names.name.clone(), members });
            if matches!(shape, Shape::Enum(_)) { Shape::Enum(later) } else { Shape::Flags(later) }
        }
        same => same.clone(),
    }
}

/// Two forms of a type, the older first, with a value of each.
fn versions() -> impl Strategy<Value = (Shape, Value, Shape, Value)> {
    (shape(), proptest::collection::vec(any::<u8>(), 64)).prop_flat_map(|(old, choices)| {
        let new = evolved(&old, &mut choices.into_iter());
        let values = (value(&old), value(&new));
        (Just(old), values.0, Just(new), values.1)
    })
}

fn conforms(shape: &Shape, text: &[u8]) -> Result<(), String> {
    decode(shape, text, &JsonLimits::default())
        .map(drop)
        .map_err(|error| format!("{} is no {}: {error}", String::from_utf8_lossy(text), shape.wit_name()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_value_of_the_older_form_becomes_one_of_the_newer((old, value, new, _) in versions()) {
        for direction in [Direction::Request, Direction::Answer] {
            let translation = Translation::between(&old, &new, direction).unwrap();
            let text = translation.apply(value.to_string().as_bytes()).unwrap();
            conforms(&new, &text).unwrap();
        }
    }

    #[test]
    fn a_value_of_the_newer_form_becomes_one_of_the_older_or_is_refused((old, _, new, value) in versions()) {
        for direction in [Direction::Request, Direction::Answer] {
            let Ok(translation) = Translation::between(&new, &old, direction) else { continue };
            match translation.apply(value.to_string().as_bytes()) {
                Ok(text) => conforms(&old, &text).unwrap(),
                Err(error) => prop_assert!(matches!(error, TranslateError::Untranslatable { .. }), "{value}: {error}"),
            }
        }
    }

    #[test]
    fn what_went_to_the_newer_form_and_came_back_is_what_it_was((old, value, new, _) in versions()) {
        let there = Translation::between(&old, &new, Direction::Answer).unwrap();
        if let Ok(back) = Translation::between(&new, &old, Direction::Answer) {
            let text = back.apply(&there.apply(value.to_string().as_bytes()).unwrap()).unwrap();
            prop_assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn two_types_that_have_nothing_to_do_with_each_other_translate_into_what_fits_or_not_at_all(
        from in shape(), (to, other) in shape().prop_flat_map(|to| { let value = value(&to); (Just(to), value) })
    ) {
        for direction in [Direction::Request, Direction::Answer] {
            let Ok(translation) = Translation::between(&from, &to, direction) else { continue };
            // A value of neither type, of the form of the other one: refused, or something that is read or refused later.
            let _ = translation.apply(other.to_string().as_bytes());
        }
    }

    #[test]
    fn no_text_makes_a_translation_panic((old, _, new, _) in versions(), text in ".{0,64}") {
        for (from, to) in [(&old, &new), (&new, &old)] {
            if let Ok(translation) = Translation::between(from, to, Direction::Request) {
                let _ = translation.apply(text.as_bytes());
            }
        }
    }

    #[test]
    fn a_type_needs_no_translation_to_itself(shape in shape()) {
        for direction in [Direction::Request, Direction::Answer] {
            prop_assert!(Translation::between(&shape, &shape, direction).unwrap().is_none());
        }
    }
}
