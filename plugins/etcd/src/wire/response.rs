//! What etcd answers. Unknown fields are ignored, since each release adds some; missing ones are zero.

use serde::Deserialize;

use super::{Blob, Int};

/// Comes with every answer.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Header {
    /// The store's revision when the answer was made.
    pub(crate) revision: Int,
}

/// A key and what is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Kv {
    pub(crate) key: Blob,
    pub(crate) value: Blob,
    pub(crate) create_revision: Int,
    pub(crate) mod_revision: Int,
    pub(crate) lease: Int,
}

/// What was read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Ranged {
    pub(crate) header: Header,
    pub(crate) kvs: Vec<Kv>,
    /// There are more keys than the limit allowed.
    pub(crate) more: bool,
    pub(crate) count: Int,
}

/// A put was done.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PutDone {
    pub(crate) header: Header,
}

/// How many keys were removed, and on request which.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Deleted {
    pub(crate) deleted: Int,
    pub(crate) prev_kvs: Vec<Kv>,
}

/// What a transaction did.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TxnDone {
    pub(crate) header: Header,
    pub(crate) succeeded: bool,
    pub(crate) responses: Vec<Answer>,
}

/// What one step did.
#[derive(Clone, Debug, Deserialize)]
pub(crate) enum Answer {
    #[serde(rename = "response_range")]
    Range(Ranged),
    #[serde(rename = "response_put")]
    Put {},
    #[serde(rename = "response_delete_range")]
    Delete(Deleted),
    #[serde(rename = "response_txn")]
    Txn(TxnDone),
}

/// A lease that was granted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Granted {
    #[serde(rename = "ID")]
    pub(crate) id: Int,
    #[serde(rename = "TTL")]
    pub(crate) ttl: Int,
}

/// A lease that was renewed; without a time to live it has ended.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KeepAlive {
    #[serde(rename = "TTL")]
    pub(crate) ttl: Int,
}

/// How long a lease has left; -1: it has ended.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TimeToLive {
    #[serde(rename = "TTL")]
    pub(crate) ttl: Int,
    #[serde(rename = "grantedTTL")]
    pub(crate) granted: Int,
}

/// How a member is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) version: String,
    /// The leader's id, which can have 64 bits; none or `0` where the member knows no leader.
    pub(crate) leader: Option<String>,
    pub(crate) errors: Vec<String>,
}

/// One message of an answer that is a stream.
#[derive(Debug, Deserialize)]
pub(crate) struct Streamed<T> {
    pub(crate) result: Option<T>,
    pub(crate) error: Option<serde_json::Value>,
}

/// One message of a watch.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WatchResponse {
    pub(crate) header: Header,
    pub(crate) created: bool,
    pub(crate) canceled: bool,
    /// Where the watch was too far behind: the oldest revision that is still kept.
    pub(crate) compact_revision: Int,
    pub(crate) cancel_reason: String,
    /// More messages of the same answer follow.
    pub(crate) fragment: bool,
    pub(crate) events: Vec<WatchEvent>,
}

/// One change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct WatchEvent {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) kv: Kv,
}

impl WatchEvent {
    /// Whether the key was removed.
    pub(crate) fn is_deletion(&self) -> bool {
        self.kind == "DELETE"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_a_real_etcd_are_read() {
        let done: TxnDone = serde_json::from_str(
            r#"{"header":{"cluster_id":"12101053776118486841","member_id":"15985099378392235387","revision":"5","raft_term":"2"},
               "succeeded":true,"responses":[{"response_txn":{"header":{},"succeeded":true,"responses":[
               {"response_delete_range":{"header":{"revision":"5"},"deleted":"1","prev_kvs":[{"key":"YQ==","create_revision":"2","mod_revision":"4","version":"3","value":"Mw=="}]}},
               {"response_put":{"header":{"revision":"5"}}},{"response_range":{"header":{"revision":"5"}}}]}}]}"#,
        )
        .unwrap();
        assert_eq!(done.header.revision, Int(5));
        let [Answer::Txn(inner)] = &done.responses[..] else { panic!("{done:?}") };
        let [Answer::Delete(deleted), Answer::Put {}, Answer::Range(range)] = &inner.responses[..] else {
            panic!("{inner:?}")
        };
        assert_eq!((deleted.deleted, range.kvs.len()), (Int(1), 0));
        assert_eq!(deleted.prev_kvs[0].value, Blob::from("3"));
    }

    #[test]
    fn a_watch_that_was_too_far_behind_is_read() {
        let message: Streamed<WatchResponse> =
            serde_json::from_str(r#"{"result":{"header":{"raft_term":"2"},"canceled":true,"compact_revision":"3"}}"#)
                .unwrap();
        let response = message.result.unwrap();
        assert!(response.canceled && !response.created);
        assert_eq!((response.compact_revision, response.header.revision), (Int(3), Int(0)));
    }
}
