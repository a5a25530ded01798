//! Laying what `k=v` says over what `--json` says: member by member, but a variant, a list or any other value whole.

use serde_json::{Map, Value};

use crate::schema::{Kind, Schema};

/// Lays `over` on `base`.
pub(crate) fn merge(schema: Schema<'_>, base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (name, value) in over {
        let inner = schema.member(&name);
        match (base.get_mut(&name), value, inner) {
            (Some(Value::Object(base)), Value::Object(value), Some(inner))
                if matches!(inner.kind(), Kind::Object(_) | Kind::Any) =>
            {
                merge(inner, base, value);
            }
            (_, value, _) => {
                base.insert(name, value);
            }
        }
    }
}
