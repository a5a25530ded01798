//! Numbers: values are texts such as `1e+30`, `NaN` and `+Inf`, because JSON has no word for some of them; times are
//! seconds with a fraction.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number(pub(crate) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number as a string, e.g. \"1.5\" or \"+Inf\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_exactly() {
        for (text, value) in [
            ("1e+30", 1e30),
            ("+Inf", f64::INFINITY),
            ("-Inf", f64::NEG_INFINITY),
            ("-0", -0.0),
            ("0.1", 0.1),
            ("0.00017263349150062194", 0.000_172_633_491_500_621_94),
            ("1.7976931348623157e+308", f64::MAX),
            ("5e-324", 5e-324),
        ] {
            let read: Number = serde_json::from_str(&format!("{text:?}")).unwrap();
            assert_eq!(read.0.to_bits(), value.to_bits(), "{text}");
        }
        assert!(serde_json::from_str::<Number>("\"NaN\"").unwrap().0.is_nan());
        assert!(serde_json::from_str::<Number>("\"many\"").is_err());
        assert!(serde_json::from_str::<Number>("\"\"").is_err());
    }
}
