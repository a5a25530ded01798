//! What a write asks for, in 32 bytes: equal for the same request however its JSON is spaced and its members are ordered,
//! different for any other. What was asked itself is not kept: it may hold what is nobody's business.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use sha2::{Digest as _, Sha256};

/// Longer requests are compared as texts, in bytes: reading one of megabytes would keep a thread from others.
const READ: usize = 256 << 10;

/// A request's fingerprint, as hexadecimal digits.
pub(super) fn fingerprint(action: &str, params: &[u8]) -> String {
    let mut hasher = begun(action);
    let mut reader = serde_json::Deserializer::from_slice(params);
    let long = params.len() > READ;
    if long || Fold(&mut hasher).deserialize(&mut reader).and_then(|()| reader.end()).is_err() {
        // Long, not JSON, or nested too deep for this reader: then the text itself is what is compared.
        hasher = begun(action);
        text(&mut hasher, b'?', params);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn begun(action: &str) -> Sha256 {
    let mut hasher = Sha256::new_with_prefix(b"jackfield write 1\n");
    text(&mut hasher, b'a', action.as_bytes());
    hasher
}

/// Each value says where it ends, so that no two sequences of values are the same bytes.
fn text(hasher: &mut Sha256, kind: u8, bytes: &[u8]) {
    hasher.update([kind]);
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

/// Folds a value into a hash.
struct Fold<'h>(&'h mut Sha256);

impl Fold<'_> {
    fn whole(self, value: i64) {
        // As the reader gives it: below zero signed, else unsigned.
        let kind = if value < 0 { b'i' } else { b'u' };
        self.number(kind, value.to_le_bytes());
    }

    fn number(self, kind: u8, bytes: [u8; 8]) {
        self.0.update([kind]);
        self.0.update(bytes);
    }
}

impl<'de> DeserializeSeed<'de> for Fold<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Fold<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.update(b"n");
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.update(if value { b"t" } else { b"f" });
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.number(b'u', value.to_le_bytes());
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.whole(value);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        // `5000.0` is the number that `5000` is, and an operation takes either.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        if value.fract() == 0.0 && value.abs() < EXACT {
            self.whole(value as i64);
        } else {
            self.number(b'd', value.to_le_bytes());
        }
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        text(self.0, b's', value.as_bytes());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.0.update(b"[");
        while seq.next_element_seed(Fold(&mut *self.0))?.is_some() {}
        self.0.update(b"]");
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut members: Vec<[u8; 32]> = Vec::new();
        let mut member = Sha256::new();
        while map.next_key_seed(Fold(&mut member))?.is_some() {
            map.next_value_seed(Fold(&mut member))?;
            members.push(member.finalize_reset().into());
        }
        members.sort_unstable();
        self.0.update(b"{");
        members.iter().for_each(|member| self.0.update(member));
        self.0.update(b"}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn of(text: &str) -> String {
        fingerprint("a.b", text.as_bytes())
    }

    #[test]
    fn spaces_and_the_order_of_members_do_not_count_and_everything_else_does() {
        let same = of(r#"{"a": [1, {"x": null, "y": "z"}], "b": 5000}"#);
        assert_eq!(of(r#"{"b":5000.0,"a":[1,{"y":"z","x":null}]}"#), same);
        for other in [
            r#"{"a": [1, {"x": null, "y": "z"}], "b": 5001}"#,
            r#"{"a": [{"x": null, "y": "z"}, 1], "b": 5000}"#,
            r#"{"a": [1, {"x": null, "y": "z"}], "b": "5000"}"#,
            r#"{"a": [1, {"x": null, "y": "z"}, 5000], "b": []}"#,
            r#"{"a": [1, {"x": null}], "y": "z", "b": 5000}"#,
            r#"{"a": [1, {"x": null, "y": "z"}]}"#,
        ] {
            assert_ne!(of(other), same, "{other}");
        }
        assert_ne!(fingerprint("a.c", br#"{"a": 1}"#), of(r#"{"a": 1}"#));
    }

    #[test]
    fn numbers_that_a_float_cannot_tell_apart_are_told_apart() {
        assert_ne!(of("18446744073709551615"), of("18446744073709551614"));
        assert_ne!(of("-1"), of("18446744073709551615"));
        assert_ne!(of("0.5"), of("0.25"));
        assert_eq!(of("-3.0"), of("-3"));
    }

    #[test]
    fn what_is_no_json_has_a_fingerprint_of_its_own_too() {
        assert_ne!(of("{"), of("["));
        assert_eq!(of("{"), of("{"));
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert_ne!(of(&deep(500)), of(&deep(501)));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-c]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c]{0,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn two_requests_have_one_fingerprint_if_and_only_if_they_are_equal(a in json(), b in json()) {
            prop_assert_eq!(of(&a.to_string()), of(&serde_json::to_string_pretty(&a).unwrap()));
            prop_assert_eq!(of(&a.to_string()) == of(&b.to_string()), a == b);
        }
    }
}
