//! The bridge between JSON and a guest's memory. An input is what stands between the braces of a WIT interface, a line
//! `---`, and a JSON text: so the shapes are a stranger's as much as the text is.
//!
//! Reading never panics. What is read into a memory is written out of it: as valid JSON, which means the same value again.
//! And whatever else lies in a memory, writing it ends, within its bounds, and leaves no text that is not JSON.

use jackfield_reflect::{
    AnswerLimits, EncodeError, Heap, JsonLimits, Memory, Operation, Shape, TextEncoding, decode, encode, operations,
    read_wit,
};
use serde_json::value::RawValue;

/// Enough to be interesting, few enough to be quick.
const LIMITS: JsonLimits = JsonLimits { max_bytes: 1 << 20, max_image: 1 << 20 };
const NO_LIMITS: AnswerLimits = AnswerLimits { max_bytes: usize::MAX, max_values: usize::MAX };
const ANSWER: AnswerLimits = AnswerLimits { max_bytes: 1 << 16, max_values: 10_000 };

/// Checks a JSON text, and a memory of the same bytes, against the operations of an interface.
pub fn check(input: &[u8]) {
    const RULE: &[u8] = b"\n---\n";
    let Some(at) = input.windows(RULE.len()).position(|window| window == RULE) else { return };
    let Some(types) = crate::text(&input[..at]) else { return };
    let json = &input[at + RULE.len()..];
    let wit = format!("package fuzz:shapes@0.1.0;\ninterface shapes {{\n{types}\n}}\n");
    for package in read_wit(&wit).into_iter().flatten() {
        for operation in operations(&package).into_iter().flatten() {
            pass(&operation, json);
            let shapes = operation.params.iter().map(|param| &param.shape);
            for shape in shapes.chain(&operation.ok).chain(&operation.error) {
                round_trip(shape, json);
                left_behind(shape, json);
            }
        }
    }
}

/// Parameters reach the guest in the flat form that was announced.
fn pass(operation: &Operation, json: &[u8]) {
    if let Ok(image) = operation.decode_params(json, &LIMITS) {
        let Ok(params) = image.place(&mut Heap::default());
        assert_eq!(params.len(), operation.params_layout().size);
        let flat: usize = operation.params.iter().map(|param| param.shape.flat_len()).sum();
        if !operation.params_in_memory() {
            assert_eq!(operation.flatten_params(&params).len(), flat);
        }
    }
}

fn round_trip(shape: &Shape, json: &[u8]) {
    if let Ok(text) = again(shape, json) {
        serde_json::from_slice::<&RawValue>(&text).expect("what is written is JSON");
        let twice = again(shape, &text).unwrap_or_else(|()| panic!("{}", String::from_utf8_lossy(&text)));
        assert_eq!(String::from_utf8_lossy(&twice), String::from_utf8_lossy(&text));
    }
}

/// A text, read into a memory and written again.
fn again(shape: &Shape, json: &[u8]) -> Result<Vec<u8>, ()> {
    let (mut heap, mut text) = (Heap::default(), Vec::new());
    let Ok(value) = decode(shape, json, &LIMITS).map_err(drop)?.place(&mut heap);
    encode(shape, &value, Memory::utf8(&heap.0), &NO_LIMITS, &mut text).expect("what was read can be written");
    Ok(text)
}

/// The bytes as what a guest answers, in each encoding.
fn left_behind(shape: &Shape, bytes: &[u8]) {
    for texts in [TextEncoding::Utf8, TextEncoding::Utf16, TextEncoding::Latin1OrUtf16] {
        let mut text = Vec::new();
        match encode(shape, bytes, Memory { bytes, texts }, &ANSWER, &mut text) {
            Ok(()) => drop(serde_json::from_slice::<&RawValue>(&text).expect("what is written is JSON")),
            Err(EncodeError::Invalid(error)) => assert!(!error.message.is_empty()),
            Err(EncodeError::TooLong { .. } | EncodeError::TooMany { .. }) => {}
        }
        assert!(text.len() <= ANSWER.max_bytes);
    }
    let number = bytes.iter().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    if shape.flat_len() == 1
        && let Some(value) = shape.unflatten(number)
    {
        let _ = encode(shape, &value, Memory::utf8(&[]), &ANSWER, &mut Vec::new());
    }
}
