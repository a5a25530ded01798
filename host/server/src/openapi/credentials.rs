//! The types of credentials as a schema: what each consists of is the vault's to know.

use jackfield_core::CredentialKind;
use serde_json::{Value, json};

/// The name of the schema.
pub(super) const NAME: &str = "credential-type";

/// The schema of a type's name.
pub(super) fn types() -> Value {
    let told = |kind: &CredentialKind| {
        let fields = kind.fields().iter().map(|field| match field.optional {
            true => format!("`{}` (optional)", field.name),
            false => format!("`{}`", field.name),
        });
        format!("- `{kind}`: {}", fields.collect::<Vec<_>>().join(", "))
    };
    let lines: Vec<_> = CredentialKind::ALL.iter().map(told).collect();
    json!({
        "type": "string",
        "description": format!("What a credential consists of, and its fields:\n\n{}", lines.join("\n")),
        "enum": CredentialKind::ALL,
    })
}
