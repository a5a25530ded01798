//! Shapes and their values, for properties.

#![allow(dead_code, unreachable_pub, reason = "a module of several test programs, each of which uses a part")]

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jackfield_reflect::{Case, Field, Names, Record, Shape, Tuple, TypeName, Variant};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
};
use serde_json::{Value, json};

pub fn name(prefix: &str, id: u32) -> TypeName {
    TypeName {
        interface: "test:shapes/shapes@0.1.0".into(),
        name: format!("{prefix}{id}"),
        docs: String::new(),
        stability: Default::default(),
    }
}

/// Shapes up to four levels deep. Names are numbered so that two types of one schema never share one.
pub fn shape() -> impl Strategy<Value = Shape> {
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
            vec(inner.clone(), 1..4).prop_map(|items| Tuple(Arc::new(self::Tuple::new(items)))),
            part.clone().prop_map(Option),
            part.clone().prop_map(|inner| Option(Arc::new(Option(inner)))),
            (proptest::option::of(part.clone()), proptest::option::of(part)).prop_map(|(ok, err)| Result(ok, err)),
            (any::<u32>(), vec(inner.clone(), 0..4)).prop_map(|(id, shapes)| {
                let field = |(i, shape)| Field {
                    name: format!("field-{i}"),
                    docs: std::string::String::new(),
                    stability: Default::default(),
                    shape,
                };
                Record(Arc::new(self::Record::new(name("r", id), shapes.into_iter().enumerate().map(field).collect())))
            }),
            (any::<u32>(), vec(proptest::option::of(inner), 1..4)).prop_map(|(id, shapes)| {
                let case = |(i, shape)| Case { name: format!("case-{i}"), docs: std::string::String::new(), shape };
                Variant(Arc::new(self::Variant::new(name("v", id), shapes.into_iter().enumerate().map(case).collect())))
            }),
        ]
    })
}

pub fn names(prefix: &str, id: u32, n: usize) -> Names {
    Names { name: name(prefix, id), members: (0..n).map(|i| (format!("m-{i}"), String::new())).collect() }
}

/// The JSON that is written for values of a shape.
pub fn value(shape: &Shape) -> BoxedStrategy<Value> {
    let part = |shape: &Option<Arc<Shape>>| match shape {
        Some(shape) => value(shape),
        None => Just(Value::Null).boxed(),
    };
    let tagged = |name: &str, payload: BoxedStrategy<Value>| {
        let name = name.to_owned();
        payload.prop_map(move |payload| json!({ name.as_str(): payload })).boxed()
    };
    match shape {
        Shape::Bool => any::<bool>().prop_map(Value::from).boxed(),
        Shape::U8 => any::<u8>().prop_map(Value::from).boxed(),
        Shape::U16 => any::<u16>().prop_map(Value::from).boxed(),
        Shape::U32 => any::<u32>().prop_map(Value::from).boxed(),
        Shape::S8 => any::<i8>().prop_map(Value::from).boxed(),
        Shape::S16 => any::<i16>().prop_map(Value::from).boxed(),
        Shape::S32 => any::<i32>().prop_map(Value::from).boxed(),
        Shape::U64 => any::<u64>().prop_map(|n| if n < 1 << 53 { json!(n) } else { json!(n.to_string()) }).boxed(),
        Shape::S64 => {
            any::<i64>().prop_map(|n| if n.unsigned_abs() < 1 << 53 { json!(n) } else { json!(n.to_string()) }).boxed()
        }
        // The shortest text that reads back as this `f32`. Where two are as short and as near, like 3124560.2 and
        // 3124560.3, it is the one of the two that JSON's writers choose.
        Shape::F32 => {
            proptest::num::f32::ANY.prop_map(|n| float(n.into(), &serde_json::to_string(&n).unwrap())).boxed()
        }
        Shape::F64 => proptest::num::f64::ANY.prop_map(|n| float(n, &n.to_string())).boxed(),
        Shape::Char => any::<char>().prop_map(|c| json!(c.to_string())).boxed(),
        Shape::String => any::<String>().prop_map(Value::from).boxed(),
        Shape::Bytes => vec(any::<u8>(), 0..40).prop_map(|bytes| json!(STANDARD.encode(bytes))).boxed(),
        Shape::List(item) => vec(value(item), 0..4).prop_map(Value::from).boxed(),
        Shape::FixedList(item, n) => vec(value(item), *n).prop_map(Value::from).boxed(),
        Shape::Map(key, item) if matches!(**key, Shape::String) => {
            btree_map(any::<String>(), value(item), 0..4).prop_map(|map| map.into_iter().collect()).boxed()
        }
        Shape::Map(key, item) => vec((value(key), value(item)), 0..4)
            .prop_map(|pairs| pairs.into_iter().map(|(key, item)| json!([key, item])).collect())
            .boxed(),
        Shape::Tuple(tuple) => tuple.items.iter().map(value).collect::<Vec<_>>().prop_map(Value::from).boxed(),
        Shape::Option(inner) => {
            let some = if inner.is_nullable() { tagged("some", value(inner)) } else { value(inner) };
            prop_oneof![Just(Value::Null), some].boxed()
        }
        Shape::Result(ok, err) => prop_oneof![tagged("ok", part(ok)), tagged("error", part(err))].boxed(),
        Shape::Record(record) => {
            let fields: Vec<_> = record.fields.iter().map(|f| value(&f.shape)).collect();
            let names: Vec<_> =
                record.fields.iter().map(|f| (f.name.clone(), matches!(f.shape, Shape::Option(_)))).collect();
            let object = move |values: Vec<Value>| {
                let members = names.iter().cloned().zip(values);
                members.filter(|((_, option), v)| !(*option && v.is_null())).map(|((n, _), v)| (n, v)).collect()
            };
            fields.prop_map(object).boxed()
        }
        Shape::Variant(variant) => {
            let cases = variant.cases.iter().map(|case| tagged(&case.name, part(&case.shape.clone().map(Arc::new))));
            proptest::strategy::Union::new(cases).boxed()
        }
        Shape::Enum(names) => {
            let names: Vec<_> = names.members.iter().map(|(n, _)| n.clone()).collect();
            proptest::sample::select(names).prop_map(Value::from).boxed()
        }
        Shape::Flags(names) => {
            let names: Vec<_> = names.members.iter().map(|(n, _)| n.clone()).collect();
            let most = names.len();
            proptest::sample::subsequence(names, 0..=most).prop_map(Value::from).boxed()
        }
        Shape::Handle(_) => unreachable!("no test makes one"),
    }
}

fn float(number: f64, text: &str) -> Value {
    match number {
        n if n.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        _ => json!(text.parse::<f64>().unwrap()),
    }
}
