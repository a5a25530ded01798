//! The name of a write: the idempotency key that its caller gave, beside the parameters or in their `write-options`, or one
//! that is made here. The plugin finds it in `write-options`.

use bytes::Bytes;
use jackfield_reflect::{Operation, Shape};
use serde_json::value::to_raw_value;

use crate::{Error, Result, clock::random_name, members::Members};

/// What a header can carry, and whoever reads it gets as it was.
const MAX_KEY: usize = 255;
const MEMBER: &str = "idempotency-key";
const DRY_RUN: &str = "dry-run";

/// A write with its name.
#[derive(Debug)]
pub(crate) struct Named {
    /// With the key in their options.
    pub(crate) params: Bytes,
    pub(crate) key: String,
    /// The key was made here.
    pub(crate) fresh: bool,
    /// Nothing is to be changed, so there is nothing to remember.
    pub(crate) dry_run: bool,
}

/// Names a write. Text that is no object is left as it is, for the decoder to refuse.
pub(crate) fn name(operation: &Operation, params: Bytes, given: Option<&str>) -> Result<Named> {
    if let Some(key) = given {
        judge(key)?;
    }
    let made = |params| {
        let key = given.map_or_else(fresh, |key| Ok(key.to_owned()))?;
        Ok(Named { params, key, fresh: given.is_none(), dry_run: false })
    };
    let Some(options) = operation.params.last() else { return made(params) };
    let Ok(mut members) = serde_json::from_slice::<Members<'_>>(&params) else { return made(params) };
    let mut inner: Members<'_> =
        match members.0.get(options.name.as_str()).map(|given| serde_json::from_str(given.get())) {
            Some(Ok(inner)) => inner,
            Some(Err(_)) => return made(params.clone()),
            None => Members::default(),
        };
    let at = || format!("/{}/{MEMBER}", options.name);
    let inside = match inner.0.get(MEMBER).map(|given| serde_json::from_str::<Option<String>>(given.get())) {
        None => None,
        Some(Ok(inside)) => inside,
        Some(Err(_)) => return made(params.clone()),
    };
    let (key, fresh) = match (given, inside) {
        (Some(given), Some(inside)) if given != inside => {
            let message = "the idempotency key is given beside the parameters and, differently, in them; give it once";
            return Err(Error::invalid(message).at(at()));
        }
        (Some(given), _) => (given.to_owned(), false),
        (None, Some(inside)) => {
            judge(&inside).map_err(|error| error.at(at()))?;
            (inside, false)
        }
        (None, None) => (fresh()?, true),
    };
    let dry_run = inner.0.get(DRY_RUN).is_some_and(|given| given.get() == "true");
    if !takes_key(&options.shape) {
        return Ok(Named { params: params.clone(), key, fresh, dry_run });
    }
    let raw = to_raw_value(&key).map_err(|e| Error::internal(e.to_string()))?;
    inner.0.insert(MEMBER.to_owned(), &raw);
    let inner = to_raw_value(&inner).map_err(|e| Error::internal(e.to_string()))?;
    members.0.insert(options.name.clone(), &inner);
    let params = serde_json::to_vec(&members).map(Bytes::from).map_err(|e| Error::internal(e.to_string()))?;
    Ok(Named { params, key, fresh, dry_run })
}

fn judge(key: &str) -> Result<()> {
    let plain = key.bytes().all(|byte| matches!(byte, b' '..=b'~')) && key.trim() == key;
    if key.is_empty() || key.len() > MAX_KEY || !plain {
        return Err(Error::invalid(format!(
            "an idempotency key has 1 to {MAX_KEY} printable ASCII characters, and no space at its ends"
        )));
    }
    Ok(())
}

/// A key that nobody has used, and nobody can guess.
fn fresh() -> Result<String> {
    Ok(random_name()? + &random_name()?)
}

fn takes_key(options: &Shape) -> bool {
    matches!(options, Shape::Record(record) if record.fields.iter().any(|field| field.name == MEMBER))
}

#[cfg(test)]
mod tests {
    use jackfield_reflect::{operations, read_wit};

    use super::*;

    fn put_operation() -> Operation {
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
                }
            }";
        let packages = read_wit(wit).unwrap();
        let package = packages.iter().find(|p| p.id.name == "b").unwrap();
        operations(package).unwrap().remove(0)
    }

    fn put(params: &'static str, key: Option<&str>) -> Result<Named> {
        name(&put_operation(), Bytes::from_static(params.as_bytes()), key)
    }

    fn with(params: &'static str) -> Result<String> {
        Ok(String::from_utf8(put(params, Some("k1"))?.params.to_vec()).unwrap())
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
    fn a_write_without_a_key_gets_one_that_no_other_has() {
        let keys: Vec<_> = (0..2).map(|_| put(r#"{"n": 1}"#, None).unwrap()).collect();
        assert!(keys[0].fresh && keys[0].key.len() == 32 && keys[0].key != keys[1].key);
        let inside = String::from_utf8(keys[0].params.to_vec()).unwrap();
        assert!(inside.contains(&keys[0].key), "{inside}");
        let given = put(r#"{"options": {"idempotency-key": "mine", "dry-run": true}}"#, None).unwrap();
        assert_eq!((given.key.as_str(), given.fresh, given.dry_run), ("mine", false, true));
    }

    #[test]
    fn a_key_that_cannot_be_one_is_refused_wherever_it_is() {
        for bad in ["", "two\nlines", " led", "ü", &"k".repeat(256)] {
            assert!(put("{}", Some(bad)).is_err());
        }
        let error = put(r#"{"options": {"idempotency-key": ""}}"#, None).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("/options/idempotency-key"));
    }

    #[test]
    fn what_is_no_object_is_left_for_the_decoder() {
        for text in ["[1]", r#"{"options": 5}"#, r#"{"n": 1, "n": 2}"#, r#"{"options": {"idempotency-key": 5}}"#] {
            assert_eq!(with(text).unwrap(), text);
        }
    }
}
