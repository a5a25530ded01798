//! The two forms JSON has no room for: bytes and 64-bit numbers.

use std::fmt;

use base64::Engine;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes, in base64.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Blob(pub(crate) Vec<u8>);

/// A 64-bit number, as a text of decimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Int(pub(crate) i64);

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl From<&str> for Blob {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(&self.0, &STANDARD))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Base64;
        impl Visitor<'_> for Base64 {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes in base64")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Blob, E> {
                STANDARD.decode(text).map(Blob).map_err(|_| E::custom("this is not base64"))
            }
        }
        deserializer.deserialize_str(Base64)
    }
}

impl Serialize for Int {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Decimal;
        impl Visitor<'_> for Decimal {
            type Value = Int;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a 64-bit number, as a number or a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Int, E> {
                text.parse().map(Int).map_err(|_| E::custom("this is not a 64-bit number"))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Int, E> {
                Ok(Int(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Int, E> {
                i64::try_from(number).map(Int).map_err(|_| E::custom("this number has more than 63 bits"))
            }
        }
        deserializer.deserialize_any(Decimal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_numbers_come_back_as_they_were() {
        for bytes in [&b""[..], b"a", b"ab", b"abc", &[0, 255, 128, 62, 63]] {
            let json = serde_json::to_string(&Blob(bytes.to_vec())).unwrap();
            assert_eq!(serde_json::from_str::<Blob>(&json).unwrap().0, bytes);
        }
        for number in [0, 1, -1, i64::MAX, i64::MIN, (1 << 53) + 1] {
            let json = serde_json::to_string(&Int(number)).unwrap();
            assert_eq!(json, format!("\"{number}\""));
            assert_eq!(serde_json::from_str::<Int>(&json).unwrap().0, number);
        }
        assert_eq!(serde_json::from_str::<Int>("7").unwrap(), Int(7));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for json in ["\"*\"", "\"YQ\"", "7", "null"] {
            assert!(serde_json::from_str::<Blob>(json).is_err(), "{json}");
        }
        for json in ["\"\"", "\"1.5\"", "1.5", "18446744073709551615", "\"9223372036854775808\"", "null"] {
            assert!(serde_json::from_str::<Int>(json).is_err(), "{json}");
        }
    }
}
