//! Where the parts of a value are in a guest's linear memory: the canonical ABI's sizes, alignments and flat forms.
//!
//! The rules are those of the component model's `CanonicalABI.md` ("Alignment", "Element Size", "Flattening") for 32-bit
//! memories. Sizes saturate instead of overflowing: `lower` refuses types of absurd size, and nothing else makes shapes
//! from a stranger's WIT.

use crate::shape::Shape;

/// What a value takes in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes, a multiple of the alignment.
    pub size: usize,
    /// 1, 2, 4 or 8.
    pub align: usize,
}

impl Layout {
    const fn scalar(size: usize) -> Self {
        Self { size, align: size }
    }

    /// The pair of an address and a length.
    const PAIR: Self = Self { size: 8, align: 4 };
}

/// The first multiple of `align` that is not below `offset`.
pub(crate) fn aligned(offset: usize, align: usize) -> usize {
    offset.saturating_add(align - 1) & !(align - 1)
}

/// Values one after the other: what they take together, and where each is.
pub(crate) fn fields<'s>(shapes: impl Iterator<Item = &'s Shape>) -> (Layout, Vec<usize>) {
    let (mut end, mut align) = (0, 1);
    let offsets = shapes
        .map(|shape| {
            let part = shape.layout();
            let offset = aligned(end, part.align);
            end = offset.saturating_add(part.size);
            align = align.max(part.align);
            offset
        })
        .collect();
    (Layout { size: aligned(end, align), align }, offsets)
}

/// The pair of a key and a value that a map is a list of: what it takes, and where the value is.
pub(crate) fn pair(key: &Shape, value: &Shape) -> (Layout, usize) {
    let (key, value) = (key.layout(), value.layout());
    let (offset, align) = (aligned(key.size, value.align), key.align.max(value.align));
    (Layout { size: aligned(offset.saturating_add(value.size), align), align }, offset)
}

/// One of several values: what it takes with its discriminant, and where the value is.
pub(crate) fn union<'s>(cases: usize, shapes: impl Iterator<Item = Option<&'s Shape>>) -> (Layout, usize) {
    let tag = discriminant(cases);
    let (mut size, mut align) = (0, 1);
    for part in shapes.flatten().map(Shape::layout) {
        size = size.max(part.size);
        align = align.max(part.align);
    }
    let payload = aligned(tag, align);
    let align = align.max(tag);
    (Layout { size: aligned(payload.saturating_add(size), align), align }, payload)
}

/// Bytes of the number that says which of so many cases it is.
pub(crate) fn discriminant(cases: usize) -> usize {
    match cases {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

/// What so many flags take.
fn flags(count: usize) -> Layout {
    match count {
        0 => Layout { size: 0, align: 1 },
        1..=8 => Layout::scalar(1),
        9..=16 => Layout::scalar(2),
        _ => Layout { size: count.div_ceil(32) * 4, align: 4 },
    }
}

impl Shape {
    /// What a value of this shape takes in memory, without the lists and texts it refers to.
    pub fn layout(&self) -> Layout {
        match self {
            Self::Bool | Self::U8 | Self::S8 => Layout::scalar(1),
            Self::U16 | Self::S16 => Layout::scalar(2),
            Self::U32 | Self::S32 | Self::F32 | Self::Char | Self::Handle(_) => Layout::scalar(4),
            Self::U64 | Self::S64 | Self::F64 => Layout::scalar(8),
            Self::String | Self::Bytes | Self::List(_) | Self::Map(..) => Layout::PAIR,
            Self::FixedList(item, n) => {
                let item = item.layout();
                Layout { size: item.size.saturating_mul(*n), align: item.align }
            }
            Self::Tuple(tuple) => tuple.layout,
            Self::Record(record) => record.layout,
            Self::Variant(variant) => variant.layout,
            Self::Option(inner) => union(2, std::iter::once(Some(&**inner))).0,
            Self::Result(ok, error) => union(2, [ok.as_deref(), error.as_deref()].into_iter()).0,
            Self::Enum(names) => Layout::scalar(discriminant(names.members.len())),
            Self::Flags(names) => flags(names.members.len()),
        }
    }

    /// Where the payload of an option or a result is.
    pub(crate) fn payload(&self) -> usize {
        match self {
            Self::Option(inner) => inner.layout().align,
            Self::Result(ok, error) => {
                [ok, error].into_iter().flatten().map(|part| part.layout().align).max().unwrap_or(1)
            }
            Self::Variant(variant) => variant.payload,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Field, Names, Record, TypeName};

    fn name() -> TypeName {
        TypeName {
            interface: "test:layout/layout@0.1.0".into(),
            name: "t".into(),
            docs: String::new(),
            stability: Default::default(),
        }
    }

    fn field(shape: Shape) -> Field {
        Field { name: "f".into(), docs: String::new(), stability: Default::default(), shape }
    }

    #[test]
    fn fields_stand_at_multiples_of_their_alignment_and_the_record_ends_at_one_of_its_own() {
        let record = Record::new(name(), [Shape::U8, Shape::U64, Shape::U16, Shape::String].map(field).into());
        assert_eq!(record.offsets, [0, 8, 16, 20]);
        assert_eq!(record.layout, Layout { size: 32, align: 8 });
    }

    #[test]
    fn the_payload_of_a_case_stands_behind_the_discriminant_at_the_alignment_of_the_widest() {
        let option = Shape::Option(Arc::new(Shape::U64));
        assert_eq!((option.layout(), option.payload()), (Layout { size: 16, align: 8 }, 8));
        let result = Shape::Result(None, Some(Arc::new(Shape::String)));
        assert_eq!((result.layout(), result.payload()), (Layout { size: 12, align: 4 }, 4));
        assert_eq!(Shape::Result(None, None).layout(), Layout { size: 1, align: 1 });
    }

    #[test]
    fn enums_and_flags_are_as_wide_as_their_names_are_many() {
        let names = |n: usize| Arc::new(Names { name: name(), members: vec![(String::new(), String::new()); n] });
        let sizes = |shape: fn(Arc<Names>) -> Shape, counts: &[usize]| -> Vec<usize> {
            counts.iter().map(|n| shape(names(*n)).layout().size).collect()
        };
        assert_eq!(sizes(Shape::Enum, &[1, 256, 257, 65_537]), [1, 1, 2, 4]);
        assert_eq!(sizes(Shape::Flags, &[0, 1, 8, 9, 16, 17, 32, 33, 65]), [0, 1, 1, 2, 2, 4, 4, 8, 12]);
    }
}
