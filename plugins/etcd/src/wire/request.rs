//! What is asked of etcd.

use serde::Serialize;

use super::{Blob, Int};

/// For requests without a parameter.
#[derive(Debug, Serialize)]
pub(crate) struct Empty {}

/// Reads a key, or with an end a range of keys.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Range {
    pub(crate) key: Blob,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) range_end: Option<Blob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<Int>,
    /// The state to read; none for the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<Int>,
    #[serde(flatten)]
    pub(crate) order: Option<Order>,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) keys_only: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) count_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_create_revision: Option<Int>,
}

/// In which order a range is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Order {
    pub(crate) sort_target: &'static str,
    pub(crate) sort_order: &'static str,
}

impl Order {
    pub(crate) const FIRST_CREATED: Self = Self { sort_target: "CREATE", sort_order: "ASCEND" };
    pub(crate) const LAST_CREATED: Self = Self { sort_target: "CREATE", sort_order: "DESCEND" };
    pub(crate) const LAST_CHANGED: Self = Self { sort_target: "MOD", sort_order: "DESCEND" };
}

impl Range {
    /// One key.
    pub(crate) fn key(key: impl Into<Blob>) -> Self {
        Self { key: key.into(), ..Self::default() }
    }

    /// The first key of a span in the given order, without its value.
    pub(crate) fn first(start: impl Into<Blob>, end: impl Into<Blob>, order: Order) -> Self {
        Self {
            key: start.into(),
            range_end: Some(end.into()),
            limit: Some(Int(1)),
            order: Some(order),
            keys_only: true,
            ..Self::default()
        }
    }
}

/// Sets a key.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Put {
    pub(crate) key: Blob,
    pub(crate) value: Blob,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) lease: Int,
    /// Leaves the key under the lease it is under.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) ignore_lease: bool,
}

/// Removes a key.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct DeleteRange {
    pub(crate) key: Blob,
    /// Asks for what was removed.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) prev_kv: bool,
}

/// All comparisons hold: `success`; else `failure`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Txn {
    pub(crate) compare: Vec<Compare>,
    pub(crate) success: Vec<Op>,
    pub(crate) failure: Vec<Op>,
}

/// One step of a transaction.
#[derive(Clone, Debug, Serialize)]
pub(crate) enum Op {
    #[serde(rename = "request_range")]
    Range(Range),
    #[serde(rename = "request_put")]
    Put(Put),
    #[serde(rename = "request_delete_range")]
    Delete(DeleteRange),
    #[serde(rename = "request_txn")]
    Txn(Txn),
}

/// A comparison with what is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Compare {
    pub(crate) key: Blob,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) range_end: Option<Blob>,
    pub(crate) result: &'static str,
    #[serde(flatten)]
    pub(crate) target: Target,
}

/// What is compared, and with what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "target")]
pub(crate) enum Target {
    #[serde(rename = "VERSION")]
    Version { version: Int },
    #[serde(rename = "CREATE")]
    Create { create_revision: Int },
    #[serde(rename = "MOD")]
    Mod { mod_revision: Int },
    #[serde(rename = "VALUE")]
    Value { value: Blob },
}

impl Compare {
    fn new(key: impl Into<Blob>, result: &'static str, target: Target) -> Self {
        Self { key: key.into(), range_end: None, result, target }
    }

    /// The key does not exist.
    pub(crate) fn absent(key: impl Into<Blob>) -> Self {
        Self::new(key, "EQUAL", Target::Version { version: Int(0) })
    }

    /// No key of a span exists.
    pub(crate) fn all_absent(start: impl Into<Blob>, end: impl Into<Blob>) -> Self {
        let created = Target::Create { create_revision: Int(0) };
        Self { range_end: Some(end.into()), ..Self::new(start, "EQUAL", created) }
    }

    /// The key exists.
    pub(crate) fn present(key: impl Into<Blob>) -> Self {
        Self::new(key, "GREATER", Target::Version { version: Int(0) })
    }

    /// The key was last changed at this revision; 0: it does not exist.
    pub(crate) fn changed_at(key: impl Into<Blob>, revision: i64) -> Self {
        Self::new(key, "EQUAL", Target::Mod { mod_revision: Int(revision) })
    }

    /// The key was created at this revision.
    pub(crate) fn created_at(key: impl Into<Blob>, revision: i64) -> Self {
        Self::new(key, "EQUAL", Target::Create { create_revision: Int(revision) })
    }

    /// The key exists and holds this value.
    pub(crate) fn holds(key: impl Into<Blob>, value: impl Into<Vec<u8>>) -> Self {
        Self::new(key, "EQUAL", Target::Value { value: Blob(value.into()) })
    }
}

/// Asks for a lease. With an id of 0 etcd chooses one.
#[derive(Debug, Serialize)]
pub(crate) struct Grant {
    #[serde(rename = "ID")]
    pub(crate) id: Int,
    #[serde(rename = "TTL")]
    pub(crate) ttl: Int,
}

/// Names a lease.
#[derive(Debug, Serialize)]
pub(crate) struct LeaseId {
    #[serde(rename = "ID")]
    pub(crate) id: Int,
}

/// Opens a watch.
#[derive(Debug, Serialize)]
pub(crate) struct WatchRequest {
    pub(crate) create_request: CreateWatch,
}

/// What is watched, and from where.
#[derive(Debug, Serialize)]
pub(crate) struct CreateWatch {
    pub(crate) key: Blob,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) range_end: Option<Blob>,
    pub(crate) start_revision: Int,
    /// Lets etcd split large answers.
    pub(crate) fragment: bool,
    /// Asks for word of progress where nothing happens; how often is etcd's choice.
    pub(crate) progress_notify: bool,
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&String> for Blob {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&Blob> for Blob {
    fn from(blob: &Blob) -> Self {
        blob.clone()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &Int) -> bool {
    number.0 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &impl Serialize) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn requests_are_written_as_the_gateway_reads_them() {
        assert_eq!(json(&Range::key("a")), r#"{"key":"YQ=="}"#);
        assert_eq!(
            json(&Range::first("a", "b", Order::LAST_CHANGED)),
            r#"{"key":"YQ==","range_end":"Yg==","limit":"1","sort_target":"MOD","sort_order":"DESCEND","keys_only":true}"#
        );
        assert_eq!(json(&Compare::holds("a", "")), r#"{"key":"YQ==","result":"EQUAL","target":"VALUE","value":""}"#);
        assert_eq!(
            json(&Op::Put(Put { key: "a".into(), lease: Int(7), ..Put::default() })),
            r#"{"request_put":{"key":"YQ==","value":"","lease":"7"}}"#
        );
        assert_eq!(json(&Empty {}), "{}");
        assert_eq!(json(&Grant { id: Int(0), ttl: Int(5) }), r#"{"ID":"0","TTL":"5"}"#);
    }
}
