//! From JSON text to a guest's memory, guided by a [`Shape`], without a tree in between.
//!
//! The shape says what may come next, so a text nested more deeply than its type is refused at its first bracket too
//! many, and what the values take is counted as they are made: a small text cannot become a large image. An error carries
//! the JSON Pointer of the place; it is put together only once there is an error.

mod members;
mod node;
mod scalar;

use std::cell::RefCell;

use base64::{
    alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::de::DeserializeSeed as _;
use serde_json::{Deserializer, de::SliceRead};

use self::{members::Members, node::Node};
use crate::{
    JsonError, Param, Shape,
    error::Trail,
    image::{Builder, Image, TooLarge},
    layout::Layout,
};

/// Bounds on a JSON text and the image made from it.
#[derive(Clone, Copy, Debug)]
pub struct JsonLimits {
    /// The longest text, in bytes.
    pub max_bytes: usize,
    /// The largest image, in bytes.
    pub max_image: usize,
}

impl Default for JsonLimits {
    /// 8 MiB of text, 64 MiB of image.
    fn default() -> Self {
        Self { max_bytes: 8 << 20, max_image: 64 << 20 }
    }
}

/// An image may be this large however short its text is: a record of optional fields is `{}`.
const LEAST_IMAGE: usize = 64 << 10;
/// So many bytes of image each byte of text may become. Numbers and texts become about as much as they were; a list of
/// records of which most fields are left out becomes the most.
const IMAGE_BYTES: usize = 64;

impl JsonLimits {
    /// The most memory, in bytes, that the image of a text of `length` bytes can take.
    pub fn most_memory(&self, length: usize) -> usize {
        length.saturating_mul(IMAGE_BYTES).saturating_add(LEAST_IMAGE).min(self.max_image)
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
pub fn decode(shape: &Shape, json: &[u8], limits: &JsonLimits) -> Result<Image, JsonError> {
    run(shape.layout(), json, limits, |context, text| Node { shape, at: 0, context }.deserialize(text))
}

/// Reads an object with one member a parameter, in any order, into an image of the parameters one after the other.
pub(crate) fn decode_params(
    params: &[Param],
    (layout, offsets): (Layout, &[usize]),
    json: &[u8],
    limits: &JsonLimits,
) -> Result<Image, JsonError> {
    run(layout, json, limits, |context, text| Members { params, offsets, context }.deserialize(text))
}

fn run<'j>(
    root: Layout,
    json: &'j [u8],
    limits: &JsonLimits,
    read: impl FnOnce(Context<'_>, &mut Deserializer<SliceRead<'j>>) -> serde_json::Result<()>,
) -> Result<Image, JsonError> {
    if json.len() > limits.max_bytes {
        return Err(JsonError::new(format!("the JSON is longer than {} bytes", limits.max_bytes)));
    }
    let most = limits.most_memory(json.len());
    let shared = Shared { trail: RefCell::default(), image: RefCell::new(Builder::new(root, json.len(), most)), most };
    let mut text = Deserializer::from_slice(json);
    match read(Context(&shared), &mut text).and_then(|()| text.end()) {
        Ok(()) => Ok(shared.image.into_inner().finish()),
        Err(error) => Err(place(&error, &shared.trail.into_inner())),
    }
}

fn place(error: &serde_json::Error, trail: &Trail) -> JsonError {
    let mut message = error.to_string();
    if error.is_data() {
        // The pointer says where; serde_json's line and column would say it twice.
        if let Some(end) = message.rfind(" at line ") {
            message.truncate(end);
        }
    } else {
        message = format!("not JSON: {message}");
    }
    JsonError { pointer: trail.pointer(), message }
}

#[derive(Clone, Copy)]
struct Context<'c>(&'c Shared);

struct Shared {
    trail: RefCell<Trail>,
    image: RefCell<Builder>,
    most: usize,
}

impl Context<'_> {
    /// Works on the image. Nothing in `work` reads more of the text.
    fn image<T>(self, work: impl FnOnce(&mut Builder) -> T) -> T {
        work(&mut self.0.image.borrow_mut())
    }

    /// The same, where the image grows.
    fn grow<T, E: serde::de::Error>(self, work: impl FnOnce(&mut Builder) -> Result<T, TooLarge>) -> Result<T, E> {
        let too_large = |TooLarge| {
            E::custom(format!(
                "the values would take more than {} bytes, which is too much for so short a text; send less at once",
                self.0.most
            ))
        };
        self.image(work).map_err(too_large)
    }

    /// Notes where an error passed on its way up.
    fn at<T, E>(self, segment: impl ToString, result: Result<T, E>) -> Result<T, E> {
        if result.is_err() {
            self.0.trail.borrow_mut().push(segment);
        }
        result
    }
}
