//! From JSON text to component values, guided by a [`Shape`], without a tree in between.
//!
//! The shape says what may come next, so a text nested more deeply than its type is refused at its first bracket too
//! many, and the number of values is counted as they are made: a small text cannot become a large value. An error carries
//! the JSON Pointer of the place; it is put together only once there is an error.

mod members;
mod node;
mod scalar;

use std::{cell::RefCell, rc::Rc};

use base64::{
    alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::de::DeserializeSeed;
use wasmtime::component::Val;

use self::{members::Members, node::Node};
use crate::{JsonError, Param, error::Trail, shape::Shape};

/// Bounds on a JSON text and the values made from it.
#[derive(Clone, Copy, Debug)]
pub struct JsonLimits {
    /// The longest text, in bytes.
    pub max_bytes: usize,
    /// The most values: every number, text, list and object counts as one, and so does every byte of a `list<u8>`. A value
    /// takes [`JsonLimits::VALUE_BYTES`] of memory.
    pub max_values: usize,
}

impl Default for JsonLimits {
    /// 8 MiB of text, two million values (80 MiB).
    fn default() -> Self {
        Self { max_bytes: 8 << 20, max_values: 2 << 20 }
    }
}

impl JsonLimits {
    /// What a value takes in memory, besides the text it may hold.
    pub const VALUE_BYTES: usize = size_of::<Val>();

    /// The most memory, in bytes, that the values of a text of `length` bytes can take. Base64 is the densest: four
    /// characters become three values.
    pub fn most_memory(&self, length: usize) -> usize {
        length.min(self.max_bytes).min(self.max_values).saturating_mul(Self::VALUE_BYTES)
    }
}

/// Standard alphabet; padding may be left out.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The integers that every JSON reader keeps exactly: ±(2^53 - 1).
pub(crate) const SAFE_INTEGER: i128 = (1 << 53) - 1;

/// Reads one value of `shape` from a JSON text.
pub fn decode(shape: &Shape, json: &[u8], limits: &JsonLimits) -> Result<Val, JsonError> {
    run(json, limits, |context| Node { shape, context })
}

/// Reads an object with one member a parameter, in any order, into values in the parameters' order.
pub(crate) fn decode_members(params: &[Param], json: &[u8], limits: &JsonLimits) -> Result<Vec<Val>, JsonError> {
    run(json, limits, |context| Members { params, context })
}

fn run<'a, T: DeserializeSeed<'a>>(
    json: &'a [u8],
    limits: &JsonLimits,
    seed: impl FnOnce(Context) -> T,
) -> Result<T::Value, JsonError> {
    if json.len() > limits.max_bytes {
        return Err(JsonError::new(format!("the JSON is longer than {} bytes", limits.max_bytes)));
    }
    let context = Context(Rc::new(Shared {
        trail: RefCell::default(),
        left: std::cell::Cell::new(limits.max_values),
        limit: limits.max_values,
    }));
    let mut text = serde_json::Deserializer::from_slice(json);
    let value = seed(context.clone()).deserialize(&mut text).and_then(|value| text.end().map(|()| value));
    value.map_err(|error| {
        let mut message = error.to_string();
        if error.is_data() {
            // The pointer says where; serde_json's line and column would say it twice.
            if let Some(end) = message.rfind(" at line ") {
                message.truncate(end);
            }
        } else {
            message = format!("not JSON: {message}");
        }
        JsonError { pointer: context.0.trail.borrow().pointer(), message }
    })
}

#[derive(Clone)]
struct Context(Rc<Shared>);

struct Shared {
    trail: RefCell<Trail>,
    left: std::cell::Cell<usize>,
    limit: usize,
}

impl Context {
    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        self.count_many(1)
    }

    fn count_many<E: serde::de::Error>(&self, values: usize) -> Result<(), E> {
        match self.0.left.get().checked_sub(values) {
            Some(left) => {
                self.0.left.set(left);
                Ok(())
            }
            None => Err(E::custom(format!("more than {} values", self.0.limit))),
        }
    }

    /// Notes where an error passed on its way up.
    fn at<T, E>(&self, segment: impl ToString, result: Result<T, E>) -> Result<T, E> {
        if result.is_err() {
            self.0.trail.borrow_mut().push(segment);
        }
        result
    }
}
