//! How two things of the same form differ, member by member.

use serde::Serialize;
use serde_json::Value;

use crate::names::pointer;

/// A member that is one thing and is to be another.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FieldChange {
    /// Where: a JSON Pointer.
    pub field: String,
    /// What it is; absent where it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// What it is to be; absent where it is to go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

/// Every member in which one differs from the other.
pub(super) fn between(from: &Value, to: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    walk(Some(from), Some(to), String::new(), &mut changes);
    changes
}

fn walk(from: Option<&Value>, to: Option<&Value>, place: String, changes: &mut Vec<FieldChange>) {
    if from == to {
        return;
    }
    // A member that is not there and one that is an empty object are told by what is in the other.
    let members = |value: Option<&Value>| match value {
        None => Some(Vec::new()),
        Some(Value::Object(members)) => Some(members.keys().cloned().collect()),
        Some(_) => None,
    };
    let (Some(mut names), Some(more)) = (members(from), members(to)) else {
        changes.push(FieldChange { field: place, from: from.cloned(), to: to.cloned() });
        return;
    };
    names.extend(more);
    names.sort();
    names.dedup();
    if names.is_empty() {
        changes.push(FieldChange { field: place, from: from.cloned(), to: to.cloned() });
        return;
    }
    for name in names {
        let of = |value: Option<&Value>| value.and_then(|value| value.get(&name)).cloned();
        walk(of(from).as_ref(), of(to).as_ref(), format!("{place}/{}", pointer(&name)), changes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_told_with_its_place() {
        let from = json!({"config": {"url": "a", "n": 1, "gone": true, "same": [1]}, "labels": {}});
        let to = json!({"config": {"url": "b", "n": 1, "same": [1]}, "labels": {"a/b": "c"}});
        let told: Vec<_> = between(&from, &to).into_iter().map(|c| (c.field, c.from, c.to)).collect();
        assert_eq!(
            told,
            [
                ("/config/gone".to_owned(), Some(json!(true)), None),
                ("/config/url".to_owned(), Some(json!("a")), Some(json!("b"))),
                ("/labels/a~1b".to_owned(), None, Some(json!("c"))),
            ]
        );
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(json!(null)), any::<u8>().prop_map(|n| json!(n)), "[a-c]{0,2}".prop_map(|t| json!(t))];
        leaf.prop_recursive(3, 12, 3, |inner| {
            proptest::collection::btree_map("[a-c/~]{1,2}", inner, 0..4).prop_map(|members| json!(members))
        })
    }

    proptest! {
        #[test]
        fn two_are_told_to_differ_exactly_if_they_do(from in value(), to in value()) {
            prop_assert_eq!(between(&from, &to).is_empty(), from == to);
            prop_assert!(between(&from, &from).is_empty());
        }
    }
}
