//! An idempotency key from beside the parameters, put where the operation looks for it: `write-options`.

use bytes::Bytes;
use jackfield_reflect::{Operation, OperationKind};
use serde_json::value::to_raw_value;

use crate::{Error, Result, members::Members};

const MAX_KEY: usize = 256;
const MEMBER: &str = "idempotency-key";

/// The parameters with the key in their options. A read has none and needs none. Text that is no object is left for the
/// decoder to refuse.
pub(crate) fn with_key(operation: &Operation, params: &Bytes, key: Option<&str>) -> Result<Bytes> {
    let (Some(key), OperationKind::Write, Some(options)) = (key, operation.kind, operation.params.last()) else {
        return Ok(params.clone());
    };
    if key.is_empty() || key.len() > MAX_KEY || key.chars().any(char::is_control) {
        return Err(Error::invalid(format!("an idempotency key is one line of 1 to {MAX_KEY} bytes")));
    }
    let Ok(mut members) = serde_json::from_slice::<Members<'_>>(params) else { return Ok(params.clone()) };
    let mut inner: Members<'_> =
        match members.0.get(options.name.as_str()).map(|given| serde_json::from_str(given.get())) {
            Some(Ok(inner)) => inner,
            Some(Err(_)) => return Ok(params.clone()),
            None => Members::default(),
        };
    let raw = to_raw_value(key).map_err(|e| Error::internal(e.to_string()))?;
    match inner.0.get(MEMBER).map(|given| serde_json::from_str::<Option<String>>(given.get())) {
        None | Some(Ok(None)) => {}
        Some(Ok(Some(given))) if given == key => {}
        Some(_) => {
            let message = "the idempotency key is given beside the parameters and, differently, in them; give it once";
            return Err(Error::invalid(message).at(format!("/{}/{MEMBER}", options.name)));
        }
    }
    inner.0.insert(MEMBER.to_owned(), &raw);
    let inner = to_raw_value(&inner).map_err(|e| Error::internal(e.to_string()))?;
    members.0.insert(options.name.clone(), &inner);
    serde_json::to_vec(&members).map(Bytes::from).map_err(|e| Error::internal(e.to_string()))
}

#[cfg(test)]
mod tests {
    use jackfield_reflect::{operations, read_wit};

    use super::*;

    fn operation(name: &str) -> Operation {
        let wit = r"
            package jackfield:bundle;
            package jackfield:types@0.1.0 {
                interface types {
                    record write-options { idempotency-key: option<string>, dry-run: bool }
                }
            }
            package a:b@0.1.0 {
                interface b {
                    use jackfield:types/types@0.1.0.{write-options};
                    put: func(n: u64, options: write-options);
                    get: func(n: u64);
                }
            }";
        let packages = read_wit(wit).unwrap();
        let package = packages.iter().find(|p| p.id.name == "b").unwrap();
        operations(package).unwrap().into_iter().find(|o| o.name == name).unwrap()
    }

    fn with(params: &'static str) -> Result<String> {
        let bytes = with_key(&operation("put"), &Bytes::from_static(params.as_bytes()), Some("k1"))?;
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn the_key_is_put_into_the_options_and_nothing_else_is_touched() {
        // The number would lose digits if it were read as one.
        assert_eq!(
            with(r#"{"n": 18446744073709551615}"#).unwrap(),
            r#"{"n":18446744073709551615,"options":{"idempotency-key":"k1"}}"#
        );
        assert_eq!(
            with(r#"{"n": 1, "options": {"dry-run": true, "idempotency-key": null}}"#).unwrap(),
            r#"{"n":1,"options":{"dry-run":true,"idempotency-key":"k1"}}"#
        );
    }

    #[test]
    fn two_different_keys_are_refused_and_two_equal_ones_are_not() {
        assert!(with(r#"{"options": {"idempotency-key": "k1"}}"#).is_ok());
        let error = with(r#"{"options": {"idempotency-key": "k2"}}"#).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("/options/idempotency-key"));
    }

    #[test]
    fn what_is_no_object_is_left_for_the_decoder_and_a_read_has_no_key() {
        assert_eq!(with("[1]").unwrap(), "[1]");
        assert_eq!(with(r#"{"options": 5}"#).unwrap(), r#"{"options": 5}"#);
        assert_eq!(with(r#"{"n": 1, "n": 2}"#).unwrap(), r#"{"n": 1, "n": 2}"#);
        let read = with_key(&operation("get"), &Bytes::from_static(b"{}"), Some("k1")).unwrap();
        assert_eq!(&read[..], b"{}");
    }
}
