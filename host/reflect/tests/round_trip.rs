//! JSON and a guest's memory: what goes in comes out, for every type but resources, and fits its own schema.

mod common;

use std::sync::Arc;

use common::{name, names, shape, value};
use jackfield_reflect::{
    AnswerLimits, EncodeError, Field, Heap, JsonError, JsonLimits, Memory, Record, Shape, TextEncoding, Tuple, decode,
    encode, schema,
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

/// A value, and the memory that it refers to.
fn placed(shape: &Shape, text: &str) -> Result<(Vec<u8>, Vec<u8>), JsonError> {
    let mut heap = Heap::default();
    let Ok(value) = decode(shape, text.as_bytes(), &JsonLimits::default())?.place(&mut heap);
    Ok((value, heap.0))
}

const NO_LIMITS: AnswerLimits = AnswerLimits { max_bytes: usize::MAX, max_values: usize::MAX };

fn written(shape: &Shape, (value, memory): &(Vec<u8>, Vec<u8>), limits: &AnswerLimits) -> Result<String, EncodeError> {
    let mut out = Vec::new();
    let done = encode(shape, value, Memory::utf8(memory), limits, &mut out);
    assert!(out.len() <= limits.max_bytes);
    done.map(|()| String::from_utf8(out).unwrap())
}

fn with_value() -> impl Strategy<Value = (Shape, Value)> {
    shape().prop_flat_map(|shape| {
        let value = value(&shape);
        (Just(shape), value)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_into_a_guests_memory_is_written_out_as_it_was((shape, value) in with_value()) {
        let text = written(&shape, &placed(&shape, &value.to_string()).unwrap(), &NO_LIMITS).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn what_is_written_fits_the_schema_of_its_shape((shape, value) in with_value()) {
        let mut defs = serde_json::Map::new();
        let mut document = schema(&shape, &mut defs);
        document.as_object_mut().unwrap().insert("$defs".into(), defs.into());
        let validator = jsonschema::draft202012::new(&document).unwrap();
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        prop_assert!(errors.is_empty(), "{value}\n{document}\n{errors:?}");
    }

    #[test]
    fn no_text_makes_the_reader_panic(shape in shape(), text in ".{0,64}") {
        let _ = placed(&shape, &text);
    }

    #[test]
    fn no_json_of_another_form_makes_the_reader_panic(shape in shape(), (_, other) in with_value()) {
        if let Err(error) = placed(&shape, &other.to_string()) {
            prop_assert!(!error.message.contains(" at line "), "{error}");
        }
    }

    #[test]
    fn nothing_a_guest_leaves_in_its_memory_makes_the_writer_panic_or_write_what_is_no_json(
        shape in shape(), bytes in vec(any::<u8>(), 0..256), few in any::<bool>()
    ) {
        // Small numbers are addresses that exist and cases that are known.
        let bytes: Vec<u8> = bytes.into_iter().map(|b| if few { b % 4 } else { b }).collect();
        let limits = AnswerLimits { max_bytes: 4096, max_values: 1000 };
        if let Ok(text) = written(&shape, &(bytes.clone(), bytes), &limits) {
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_value_in_its_flat_form_is_the_one_in_memory((shape, value) in with_value()) {
        let (bytes, memory) = placed(&shape, &value.to_string()).unwrap();
        if shape.flat_len() == 1 {
            let number = bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
            let back = shape.unflatten(number | (0xAAAA_0000_0000_0000 * u64::from(bytes.len() <= 4))).unwrap();
            let text = written(&shape, &(back.to_vec(), memory), &NO_LIMITS).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }
}

#[test]
fn parts_of_no_size_before_the_one_that_has_are_none_of_its_number() {
    let nothing = Shape::Record(Arc::new(Record::new(name("r", 0), Vec::new())));
    let marks = Shape::Flags(Arc::new(names("f", 0, 3)));
    let pair = Shape::Tuple(Arc::new(Tuple::new(vec![nothing, marks])));
    let (bytes, memory) = placed(&pair, r#"[{},["m-1"]]"#).unwrap();
    assert_eq!((bytes.as_slice(), pair.flat_len()), (&[2_u8][..], 1));
    let back = pair.unflatten(2).unwrap().to_vec();
    assert_eq!(written(&pair, &(back, memory), &NO_LIMITS).unwrap(), r#"[{},["m-1"]]"#);
}

/// What becomes of a text: as it is written again.
fn again(shape: &Shape, text: &str) -> Result<String, String> {
    let placed = placed(shape, text).map_err(|e| e.to_string())?;
    written(shape, &placed, &NO_LIMITS).map_err(|e| e.to_string())
}

#[test]
fn wide_integers_lose_no_digit_in_either_direction() {
    for (shape, text, out) in [
        (Shape::U64, "9007199254740991", "9007199254740991"),
        (Shape::U64, "9007199254740992", "\"9007199254740992\""),
        (Shape::U64, "18446744073709551615", "\"18446744073709551615\""),
        (Shape::U64, "\"18446744073709551615\"", "\"18446744073709551615\""),
        (Shape::S64, "-9223372036854775808", "\"-9223372036854775808\""),
        (Shape::U8, "7.0", "7"),
    ] {
        assert_eq!(again(&shape, text).as_deref(), Ok(out));
    }
    for bad in ["18446744073709551616", "\"+1\"", "1.5"] {
        assert!(again(&Shape::U64, bad).is_err(), "{bad}");
    }
}

#[test]
fn an_option_of_an_option_keeps_its_three_values_apart() {
    let shape = Shape::Option(Arc::new(Shape::Option(Arc::new(Shape::U8))));
    for text in ["null", r#"{"some":null}"#, r#"{"some":5}"#] {
        assert_eq!(again(&shape, text).as_deref(), Ok(text));
    }
}

#[test]
fn an_error_points_at_the_place_and_names_what_was_expected_and_found() {
    let field =
        |name: &str, shape| Field { name: name.into(), docs: String::new(), stability: Default::default(), shape };
    let inner = Record::new(name("inner", 0), vec![field("a/b", Shape::U8)]);
    let items = field("items", Shape::List(Arc::new(Shape::Record(Arc::new(inner)))));
    let outer = Record::new(name("outer", 0), vec![items, field("name", Shape::String)]);
    let shape = Shape::Record(Arc::new(outer));
    let error = |text| again(&shape, text).unwrap_err();
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
fn what_is_left_out_is_none_false_or_no_items() {
    let field =
        |name: &str, shape| Field { name: name.into(), docs: String::new(), stability: Default::default(), shape };
    let list = Shape::List(Arc::new(Shape::U64));
    let inner = Record::new(name("inner", 0), vec![field("flag", Shape::Bool), field("list", list.clone())]);
    let fields = vec![
        field("inner", Shape::Record(Arc::new(inner))),
        field("option", Shape::Option(Arc::new(Shape::String))),
        field("list", list),
    ];
    let shape = Shape::Record(Arc::new(Record::new(name("outer", 0), fields)));
    assert_eq!(again(&shape, "{}").unwrap(), r#"{"inner":{"flag":false,"list":[]},"list":[]}"#);
}

#[test]
fn a_small_text_cannot_become_a_large_image() {
    let wide = Shape::FixedList(Arc::new(Shape::Option(Arc::new(Shape::U64))), 1000);
    let field = Field {
        name: "wide".into(),
        docs: String::new(),
        stability: Default::default(),
        shape: Shape::Option(Arc::new(wide)),
    };
    let shape = Shape::List(Arc::new(Shape::Record(Arc::new(Record::new(name("r", 0), vec![field])))));
    let text = format!("[{}{{}}]", "{},".repeat(1000));
    let error = placed(&shape, &text).unwrap_err();
    assert!(error.message.contains("would take more than 257792 bytes"), "{error}");
    let limits = JsonLimits { max_bytes: 10, ..JsonLimits::default() };
    assert!(decode(&shape, text.as_bytes(), &limits).unwrap_err().message.contains("longer than 10 bytes"));
}

#[test]
fn brackets_without_end_are_refused_at_the_first_that_the_type_does_not_have() {
    let text = "[".repeat(1_000_000);
    let error = again(&Shape::List(Arc::new(Shape::U16)), &text).unwrap_err();
    assert_eq!(error, "at `/0`: expected a whole number from 0 to 65535, found a list");
}

#[test]
fn an_answer_longer_than_its_bound_is_an_error_and_not_a_longer_answer() {
    let shape = Shape::List(Arc::new(Shape::String));
    let many = placed(&shape, &json!(vec!["x".repeat(100); 100]).to_string()).unwrap();
    let bytes = AnswerLimits { max_bytes: 1000, ..NO_LIMITS };
    assert_eq!(written(&shape, &many, &bytes), Err(EncodeError::TooLong { most: 1000 }));
    let values = AnswerLimits { max_values: 50, ..NO_LIMITS };
    assert_eq!(written(&shape, &many, &values), Err(EncodeError::TooMany { most: 50 }));
}

#[test]
fn items_that_share_their_memory_are_counted_each_time() {
    // A list of a thousand lists, all of them the same thousand flags: 9 KB that would be a million values.
    let shape = Shape::List(Arc::new(Shape::List(Arc::new(Shape::Bool))));
    let mut memory = vec![0; 9008];
    for list in memory[8..8008].chunks_exact_mut(8) {
        list[..4].copy_from_slice(&8008_u32.to_le_bytes());
        list[4..].copy_from_slice(&1000_u32.to_le_bytes());
    }
    let value = [8_u32.to_le_bytes(), 1000_u32.to_le_bytes()].concat();
    let limits = AnswerLimits { max_values: 100_000, ..NO_LIMITS };
    assert_eq!(written(&shape, &(value, memory), &limits), Err(EncodeError::TooMany { most: 100_000 }));
}

#[test]
fn an_address_beyond_the_memory_or_between_two_items_is_told_with_its_place() {
    let shape = Shape::List(Arc::new(Shape::U32));
    for (address, count, told) in [
        (8_u32, 3_u32, "it ends beyond the guest's memory"),
        (u32::MAX - 3, 1, "it ends beyond the guest's memory"),
        (0, u32::MAX, "it ends beyond the guest's memory"),
        (2, 1, "it is at an address that is not aligned"),
    ] {
        let value = [address.to_le_bytes(), count.to_le_bytes()].concat();
        let error = written(&shape, &(value, vec![0; 16]), &NO_LIMITS).unwrap_err();
        assert_eq!(error, EncodeError::Invalid(JsonError::new(told)));
    }
}

#[test]
fn texts_are_read_in_each_encoding_a_guest_may_have() {
    let read = |texts, bytes: &[u8], units: u32| {
        let memory = [&[0; 8], bytes].concat();
        let value = [8_u32.to_le_bytes(), units.to_le_bytes()].concat();
        let mut out = Vec::new();
        encode(&Shape::String, &value, Memory { bytes: &memory, texts }, &NO_LIMITS, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let utf16: Vec<u8> = "aß🦀".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(TextEncoding::Utf8, "aß🦀".as_bytes(), 7), "\"aß🦀\"");
    assert_eq!(read(TextEncoding::Utf16, &utf16, 4), "\"aß🦀\"");
    assert_eq!(read(TextEncoding::Latin1OrUtf16, &utf16, 4 | 1 << 31), "\"aß🦀\"");
    assert_eq!(read(TextEncoding::Latin1OrUtf16, &[b'a', 0xDF], 2), "\"aß\"");
}
