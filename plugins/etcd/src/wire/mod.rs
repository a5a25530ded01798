//! etcd's messages as its JSON gateway writes them: bytes in base64, 64-bit numbers as texts, and whatever is zero, empty
//! or false left out. Field names are those of etcd's protocol, since the gateway keeps them.

mod codec;
mod request;
mod response;

pub(crate) use codec::{Blob, Int};
pub(crate) use request::{
    Compare, CreateWatch, DeleteRange, Empty, Grant, LeaseId, Op, Order, Put, Range, Txn, WatchRequest,
};
pub(crate) use response::{
    Answer, Deleted, Granted, KeepAlive, Kv, PutDone, Ranged, Status, Streamed, TimeToLive, TxnDone, WatchEvent,
    WatchResponse,
};
