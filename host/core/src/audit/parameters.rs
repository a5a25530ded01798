//! What of a call's parameters is recorded as it is, and what only by its mark. Bytes may be anything, a key's value or a
//! certificate, so they are marked; so is what a name says is secret. The rest says what was asked.

use jackfield_reflect::{Operation, Shape};

/// Parts of names whose values are secret.
const SECRET_NAMES: [&str; 7] = ["secret", "password", "passwd", "passphrase", "token", "credential", "private"];

/// Operations with more parts than this are taken for such that something secret can be in them.
const MOST_PARTS: usize = 4096;

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

/// Whether nothing that an operation takes can be secret: then [`is_secret`] holds for no path of what it accepts.
pub(crate) fn are_open(operation: &Operation) -> bool {
    let mut left = MOST_PARTS;
    operation.params.iter().all(|param| !is_secret_name(&param.name) && is_open(&param.shape, &mut left))
}

fn is_open(shape: &Shape, left: &mut usize) -> bool {
    let Some(fewer) = left.checked_sub(1) else { return false };
    *left = fewer;
    match shape {
        // The names in a map are the caller's.
        Shape::Bytes | Shape::Map(..) | Shape::Tuple(_) | Shape::Result(..) | Shape::Handle(_) => false,
        Shape::Option(inner) => is_open(inner, left),
        Shape::List(item) | Shape::FixedList(item, _) => is_open(item, left),
        Shape::Record(record) => {
            record.fields.iter().all(|field| !is_secret_name(&field.name) && is_open(&field.shape, left))
        }
        Shape::Variant(variant) => variant
            .cases
            .iter()
            .all(|case| !is_secret_name(&case.name) && case.shape.as_ref().is_none_or(|shape| is_open(shape, left))),
        _ => true,
    }
}

/// Whether the value at a path (a JSON Pointer into the parameters) is recorded by its mark only.
pub(super) fn is_secret(operation: &Operation, path: &str) -> bool {
    let Some(last) = path.rsplit('/').next() else { return false };
    if is_secret_name(last) {
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

    fn operation(params: &str) -> Operation {
        let wit = format!(
            "package jackfield:bundle;
            package a:b@0.1.0 {{
                interface b {{
                    record login {{ user: string, api-token: string, blob: option<list<u8>> }}
                    record place {{ name: string, size: option<u32> }}
                    variant change {{ put(list<u8>), note(string) }}
                    variant look {{ at(place), all }}
                    put: func({params});
                }}
            }}"
        );
        let packages = read_wit(&wit).unwrap();
        let package = packages.iter().find(|p| p.id.name == "b").unwrap();
        operations(package).unwrap().into_iter().next().unwrap()
    }

    #[test]
    fn an_operation_is_open_where_no_part_of_what_it_takes_can_be_secret() {
        for open in ["", "key: string", "places: list<place>", "look: option<look>, count: u32", "on: list<bool>"] {
            assert!(are_open(&operation(open)), "{open}");
        }
        for other in
            ["password: string", "value: list<u8>", "login: login", "all: list<list<login>>", "a: u8, change: change"]
        {
            assert!(!are_open(&operation(other)), "{other}");
        }
        assert!(!are_open(&operation("labels: list<tuple<string, string>>")));
    }

    #[test]
    fn bytes_and_what_is_called_secret_are_marked_and_names_and_numbers_are_not() {
        let put = operation("key: string, value: list<u8>, logins: list<login>, changes: list<change>, count: u32");
        for secret in ["/value", "/logins/0/api-token", "/logins/3/blob", "/changes/0/put"] {
            assert!(is_secret(&put, secret), "{secret}");
        }
        for open in ["", "/key", "/count", "/logins", "/logins/0", "/logins/0/user", "/changes/0/note", "/nothing"] {
            assert!(!is_secret(&put, open), "{open}");
        }
    }
}
