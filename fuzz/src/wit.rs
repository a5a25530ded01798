//! The WIT that travels in a package. However it is made, reading it ends, and everything that is derived from what was
//! read can be derived: operations, JSON Schemas, names for errors. A package never differs from itself.

use jackfield_reflect::{Operation, Shape, differences, operations, read_wit, schema};

/// Checks a WIT text.
pub fn check(input: &[u8]) {
    let Some(text) = crate::text(input) else { return };
    let Ok(packages) = read_wit(text) else { return };
    for package in &packages {
        assert_eq!(package.id.to_string().parse().as_ref(), Ok(&package.id));
        for interface in &package.interfaces {
            assert!(differences(interface, interface).is_empty(), "{} differs from itself", interface.id);
        }
        for operation in operations(package).into_iter().flatten() {
            derive(&operation);
        }
    }
}

fn derive(operation: &Operation) {
    let mut defs = serde_json::Map::new();
    let shapes = operation.params.iter().map(|param| &param.shape);
    for shape in shapes.chain(&operation.ok).chain(&operation.error) {
        assert!(shape.handle().is_none(), "{} carries what JSON cannot", operation.action());
        names(shape);
        schema(shape, &mut defs);
    }
    let references = serde_json::Value::Object(defs.clone()).to_string();
    for reference in references.split("\"$ref\":\"#/").skip(1).filter_map(|rest| rest.split('"').next()) {
        let name = reference.rsplit('/').next().unwrap_or_default();
        assert!(defs.contains_key(name), "{}: its schema refers to {reference}", operation.action());
    }
}

fn names(shape: &Shape) {
    assert!(!shape.wit_name().is_empty() && !shape.expected().is_empty());
}
