//! What a credential's version holds: fields by name, all in one secret, in which the values stay where they are read.

use std::{fmt, ops::Range};

use crate::{Secret, VaultError};

/// Fields by name.
pub struct Material {
    /// Each field as its name's length (one byte), its name, its value's length (four bytes, little-endian), its value.
    bytes: Secret,
    fields: Vec<(String, Range<usize>)>,
}

impl Material {
    /// Copies the fields. Names are at most 255 bytes, and what is longer is cut; the types' are far shorter.
    pub fn new<'a, V: AsRef<[u8]> + ?Sized + 'a>(fields: impl IntoIterator<Item = (&'a str, &'a V)>) -> Self {
        let fields: Vec<(&[u8], &[u8])> =
            fields.into_iter().map(|(name, value)| (cut(name.as_bytes(), 255), value.as_ref())).collect();
        let len = fields.iter().map(|(name, value)| 1 + name.len() + 4 + value.len()).sum();
        let written = Secret::with(len, |mut out| {
            let mut put = |bytes: &[u8]| {
                let (here, rest) = std::mem::take(&mut out).split_at_mut(bytes.len());
                here.copy_from_slice(bytes);
                out = rest;
            };
            for (name, value) in &fields {
                put(&[u8::try_from(name.len()).unwrap_or(u8::MAX)]);
                put(name);
                put(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
                put(value);
            }
            Ok::<(), std::convert::Infallible>(())
        });
        let Ok(bytes) = written;
        // What was written a moment ago reads.
        let fields = read(bytes.expose()).unwrap_or_default();
        Self { bytes, fields }
    }

    /// What [`Material::sealable`] gave.
    pub(crate) fn opened(bytes: Secret) -> Result<Self, VaultError> {
        let fields =
            read(bytes.expose()).ok_or_else(|| VaultError::Damaged("a credential's fields cannot be read".into()))?;
        Ok(Self { bytes, fields })
    }

    /// All of it, as it is sealed.
    pub(crate) fn sealable(&self) -> &[u8] {
        self.bytes.expose()
    }

    /// The same with another value of one field.
    pub(crate) fn with(&self, name: &str, value: &[u8]) -> Self {
        let others = self.names().filter(|other| *other != name);
        let others = others.map(|other| (other, self.get(other).unwrap_or_default()));
        Self::new(others.chain([(name, value)]))
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let (_, place) = self.fields.iter().find(|(known, _)| known == name)?;
        self.bytes.expose().get(place.clone())
    }

    /// The value of a field as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// The names of the fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }
}

fn cut(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}

/// Where the fields are.
fn read(bytes: &[u8]) -> Option<Vec<(String, Range<usize>)>> {
    let mut fields = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let name_len = usize::from(*bytes.get(at)?);
        let name = bytes.get(at + 1..at + 1 + name_len)?;
        at += 1 + name_len;
        let len = u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize;
        at += 4;
        let end = at.checked_add(len).filter(|end| *end <= bytes.len())?;
        fields.push((String::from_utf8(name.to_vec()).ok()?, at..end));
        at = end;
    }
    Some(fields)
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fields_are_read_as_they_were_written(
            fields in proptest::collection::btree_map("[a-z-]{1,20}", proptest::collection::vec(any::<u8>(), 0..300), 0..8),
        ) {
            let written = Material::new(fields.iter().map(|(name, value)| (name.as_str(), value)));
            let read = Material::opened(Secret::from(written.sealable())).unwrap();
            for (name, value) in &fields {
                prop_assert_eq!(read.get(name), Some(&value[..]));
            }
            prop_assert_eq!(read.names().count(), fields.len());
        }

        #[test]
        fn whatever_is_read_is_refused_or_lies_within(bytes: Vec<u8>) {
            if let Ok(material) = Material::opened(Secret::from(bytes)) {
                for name in material.names() {
                    prop_assert!(material.get(name).is_some());
                }
            }
        }
    }

    #[test]
    fn only_names_are_printed() {
        let material = Material::new([("username", "ada"), ("password", "hunter2")]);
        assert_eq!(format!("{material:?}"), r#"{"username", "password"}"#);
    }
}
