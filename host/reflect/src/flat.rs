//! Parameters as a core function takes them: the canonical ABI's flat form, one number after the other, while there are at
//! most sixteen of them.

use crate::shape::Shape;

/// More parameters than this are passed by their address (`MAX_FLAT_PARAMS` of the canonical ABI).
pub const MAX_FLAT_PARAMS: usize = 16;

/// The numbers. One in a `u64` serves for a parameter of any type: narrower ones are its low bits, which is also how the
/// cases of a variant share their places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flat {
    /// Those beyond [`Flat::len`] are 0.
    pub numbers: [u64; MAX_FLAT_PARAMS],
    len: usize,
}

impl Flat {
    /// The flat form of a single number: an address.
    pub fn address(address: u32) -> Self {
        let mut flat = Self::default();
        flat.push(address.into());
        flat
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn push(&mut self, number: u64) {
        if let Some(place) = self.numbers.get_mut(self.len) {
            *place = number;
            self.len += 1;
        }
    }

    /// Appends the value at `at` in `bytes`. Whoever calls knows by [`Shape::flat_len`] that there is room.
    pub(crate) fn value(&mut self, shape: &Shape, bytes: &[u8], at: usize) {
        match shape {
            Shape::S8 => self.push(u64::from((read(bytes, at, 1) as i8 as i32).cast_unsigned())),
            Shape::S16 => self.push(u64::from((read(bytes, at, 2) as i16 as i32).cast_unsigned())),
            Shape::String | Shape::Bytes | Shape::List(_) | Shape::Map(..) => {
                self.push(read(bytes, at, 4));
                self.push(read(bytes, at + 4, 4));
            }
            Shape::FixedList(item, n) => {
                let size = item.layout().size;
                (0..*n).for_each(|i| self.value(item, bytes, at + i * size));
            }
            Shape::Tuple(tuple) => {
                tuple.items.iter().zip(&tuple.offsets).for_each(|(item, offset)| self.value(item, bytes, at + offset));
            }
            Shape::Record(record) => {
                let fields = record.fields.iter().zip(&record.offsets);
                fields.for_each(|(field, offset)| self.value(&field.shape, bytes, at + offset));
            }
            Shape::Flags(_) => {
                let size = shape.layout().size;
                (0..size).step_by(4).for_each(|i| self.push(read(bytes, at + i, (size - i).min(4))));
            }
            Shape::Option(inner) => self.case(shape, bytes, at, &[None, Some(inner)]),
            Shape::Result(ok, error) => self.case(shape, bytes, at, &[ok.as_deref(), error.as_deref()]),
            Shape::Variant(variant) => {
                let cases: Vec<_> = variant.cases.iter().map(|case| case.shape.as_ref()).collect();
                self.case(shape, bytes, at, &cases);
            }
            scalar => self.push(read(bytes, at, scalar.layout().size)),
        }
    }

    fn case(&mut self, shape: &Shape, bytes: &[u8], at: usize, cases: &[Option<&Shape>]) {
        let case = read(bytes, at, crate::layout::discriminant(cases.len()));
        let end = self.len + shape.flat_len();
        self.push(case);
        let case = usize::try_from(case).unwrap_or(usize::MAX);
        if let Some(Some(payload)) = cases.get(case) {
            self.value(payload, bytes, at + shape.payload());
        }
        // What another case would use.
        while self.len < end.min(MAX_FLAT_PARAMS) {
            self.push(0);
        }
    }
}

/// A little-endian number of up to eight bytes.
pub(crate) fn read(bytes: &[u8], at: usize, size: usize) -> u64 {
    let mut number = [0; 8];
    number[..size].copy_from_slice(&bytes[at..at + size]);
    u64::from_le_bytes(number)
}

impl Shape {
    /// How many numbers the flat form of a value has.
    pub fn flat_len(&self) -> usize {
        let most = |parts: [Option<&Shape>; 2]| parts.into_iter().flatten().map(Shape::flat_len).max().unwrap_or(0);
        match self {
            Self::String | Self::Bytes | Self::List(_) | Self::Map(..) => 2,
            Self::FixedList(item, n) => item.flat_len().saturating_mul(*n),
            Self::Tuple(tuple) => tuple.items.iter().map(Self::flat_len).fold(0, usize::saturating_add),
            Self::Record(record) => record.fields.iter().map(|f| f.shape.flat_len()).fold(0, usize::saturating_add),
            Self::Flags(names) => names.members.len().div_ceil(32),
            Self::Option(inner) => most([Some(inner), None]).saturating_add(1),
            Self::Result(ok, error) => most([ok.as_deref(), error.as_deref()]).saturating_add(1),
            Self::Variant(variant) => {
                let cases = variant.cases.iter().filter_map(|case| case.shape.as_ref());
                cases.map(Self::flat_len).max().unwrap_or(0).saturating_add(1)
            }
            _ => 1,
        }
    }
}

impl Shape {
    /// The bytes of a value whose flat form is this one number; none where it is no such value. Nothing wider than the
    /// value is read, since what lies beyond may be anything.
    pub fn unflatten(&self, number: u64) -> Option<[u8; 8]> {
        let narrow = number & u64::from(u32::MAX);
        let number = match self {
            Self::Bool => u64::from(narrow != 0),
            // Parts of no number have no size either, wherever they stand.
            Self::Tuple(tuple) => return tuple.items.iter().find(|item| item.flat_len() > 0)?.unflatten(number),
            Self::Record(record) => {
                let mut parts = record.fields.iter().map(|field| &field.shape);
                return parts.find(|part| part.flat_len() > 0)?.unflatten(number);
            }
            Self::FixedList(item, _) => return item.unflatten(number),
            Self::Enum(_) | Self::Variant(_) | Self::Result(..) | Self::Option(_) => {
                let wide = 8 * self.discriminant();
                if narrow >> wide != 0 {
                    return None;
                }
                narrow
            }
            _ => number,
        };
        Some(number.to_le_bytes())
    }

    /// The size of the discriminant. A variant of one number is no wider in memory but for the alignment of payloads of no
    /// size.
    fn discriminant(&self) -> usize {
        match self {
            Self::Enum(names) => crate::layout::discriminant(names.members.len()),
            Self::Variant(variant) => crate::layout::discriminant(variant.cases.len()),
            _ => 1,
        }
    }
}
