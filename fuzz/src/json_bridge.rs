//! The bridge between JSON and component values. An input is what stands between the braces of a WIT interface, a line
//! `---`, and a JSON text: so the shapes are a stranger's as much as the text is.
//!
//! Decoding never panics. What it takes, encoding gives back: as valid JSON, which means the same value again.

use jackfield_reflect::{JsonLimits, Shape, decode, encode, operations, read_wit};
use serde_json::value::RawValue;
use wasmtime::component::Val;

/// Enough to be interesting, few enough to be quick.
const LIMITS: JsonLimits = JsonLimits { max_bytes: 1 << 20, max_values: 20_000 };

/// Checks a JSON text against the operations of an interface.
pub fn check(input: &[u8]) {
    const RULE: &[u8] = b"\n---\n";
    let Some(at) = input.windows(RULE.len()).position(|window| window == RULE) else { return };
    let Some(types) = crate::text(&input[..at]) else { return };
    let json = &input[at + RULE.len()..];
    let wit = format!("package fuzz:shapes@0.1.0;\ninterface shapes {{\n{types}\n}}\n");
    for package in read_wit(&wit).into_iter().flatten() {
        for operation in operations(&package).into_iter().flatten() {
            if let Ok(values) = operation.decode_params(json, &LIMITS) {
                assert_eq!(values.len(), operation.params.len());
                for (param, value) in operation.params.iter().zip(values) {
                    round_trip(&param.shape, value);
                }
            }
            let shapes = operation.params.iter().map(|param| &param.shape);
            for shape in shapes.chain(&operation.ok).chain(&operation.error) {
                if let Ok(value) = decode(shape, json, &LIMITS) {
                    round_trip(shape, value);
                }
            }
        }
    }
}

fn round_trip(shape: &Shape, value: Val) {
    let json = write(shape, &value);
    serde_json::from_slice::<&RawValue>(&json).expect("what is written is JSON");
    let again = decode(shape, &json, &JsonLimits::default());
    let again = again.unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&json)));
    assert_eq!(String::from_utf8_lossy(&write(shape, &again)), String::from_utf8_lossy(&json));
    assert_eq!(sorted(again), sorted(value), "{}", String::from_utf8_lossy(&json));
}

fn write(shape: &Shape, value: &Val) -> Vec<u8> {
    let mut json = Vec::new();
    encode(shape, value, usize::MAX, &mut json).expect("what was read can be written");
    json
}

/// The value with the members of its maps in order: JSON's objects have none.
fn sorted(value: Val) -> Val {
    let all = |values: Vec<Val>| values.into_iter().map(sorted).collect::<Vec<_>>();
    let boxed = |value: Option<Box<Val>>| value.map(|value| Box::new(sorted(*value)));
    match value {
        Val::List(items) => Val::List(all(items)),
        Val::FixedLengthList(items) => Val::FixedLengthList(all(items)),
        Val::Tuple(items) => Val::Tuple(all(items)),
        Val::Record(fields) => Val::Record(fields.into_iter().map(|(name, value)| (name, sorted(value))).collect()),
        Val::Variant(name, payload) => Val::Variant(name, boxed(payload)),
        Val::Option(inner) => Val::Option(boxed(inner)),
        Val::Result(result) => Val::Result(result.map(boxed).map_err(boxed)),
        Val::Map(mut pairs) => {
            pairs.sort_by_cached_key(|(key, _)| match key {
                Val::String(key) => Some(key.clone()),
                _ => None,
            });
            Val::Map(pairs.into_iter().map(|(key, value)| (sorted(key), sorted(value))).collect())
        }
        scalar => scalar,
    }
}
