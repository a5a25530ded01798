//! What of a call's parameters is recorded as it is, and what only by its mark. Bytes may be anything, a key's value or a
//! certificate, so they are marked; so is what a name says is secret. The rest says what was asked.

use jackfield_reflect::{Operation, Shape};

/// Parts of names whose values are secret.
const SECRET_NAMES: [&str; 7] = ["secret", "password", "passwd", "passphrase", "token", "credential", "private"];

/// Whether the value at a path (a JSON Pointer into the parameters) is recorded by its mark only.
pub(super) fn is_secret(operation: &Operation, path: &str) -> bool {
    let Some(last) = path.rsplit('/').next() else { return false };
    let name = last.to_ascii_lowercase();
    if SECRET_NAMES.iter().any(|secret| name.contains(secret)) {
        return true;
    }
    let mut segments = path.split('/').skip(1);
    let param = segments.next().and_then(|name| operation.params.iter().find(|param| param.name == name));
    param.is_some_and(|param| is_bytes(&param.shape, &mut segments))
}

/// Whether what is found at the end of a path is bytes.
fn is_bytes<'p>(shape: &Shape, path: &mut impl Iterator<Item = &'p str>) -> bool {
    let shape = match shape {
        Shape::Option(inner) => inner,
        other => other,
    };
    let Some(segment) = path.next() else { return matches!(shape, Shape::Bytes) };
    match shape {
        Shape::List(item) | Shape::FixedList(item, _) => is_bytes(item, path),
        Shape::Record(record) => {
            record.fields.iter().find(|field| field.name == segment).is_some_and(|field| is_bytes(&field.shape, path))
        }
        Shape::Variant(variant) => {
            let case = variant.cases.iter().find(|case| case.name == segment).and_then(|case| case.shape.as_ref());
            case.is_some_and(|shape| is_bytes(shape, path))
        }
        Shape::Map(key, value) if matches!(**key, Shape::String) => is_bytes(value, path),
        // Forms that are rarely met: what is in them counts as bytes rather than not.
        Shape::Map(..) | Shape::Tuple(_) | Shape::Result(..) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use jackfield_reflect::{operations, read_wit};

    use super::*;

    #[test]
    fn bytes_and_what_is_called_secret_are_marked_and_names_and_numbers_are_not() {
        let wit = r"
            package jackfield:bundle;
            package a:b@0.1.0 {
                interface b {
                    record login { user: string, api-token: string, blob: option<list<u8>> }
                    variant change { put(list<u8>), note(string) }
                    put: func(key: string, value: list<u8>, logins: list<login>, changes: list<change>, count: u32);
                }
            }";
        let packages = read_wit(wit).unwrap();
        let package = packages.iter().find(|p| p.id.name == "b").unwrap();
        let put = operations(package).unwrap().into_iter().next().unwrap();
        for secret in ["/value", "/logins/0/api-token", "/logins/3/blob", "/changes/0/put"] {
            assert!(is_secret(&put, secret), "{secret}");
        }
        for open in ["", "/key", "/count", "/logins", "/logins/0", "/logins/0/user", "/changes/0/note", "/nothing"] {
            assert!(!is_secret(&put, open), "{open}");
        }
    }
}
