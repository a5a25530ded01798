//! One request to etcd and its answer. Every request but the question how a member is carries etcd's `hasleader` mark, so
//! that a member cut off from its cluster says so at once instead of letting the caller wait for its own time-out.

use jackfield_sdk::http::{self, Effect};
use jackfield_sdk::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::errors;
use crate::settings::Settings;
use crate::wire::{
    DeleteRange, Deleted, Empty, Grant, Granted, Int, KeepAlive, LeaseId, Put, PutDone, Range, Ranged, Status,
    Streamed, TimeToLive, Txn, TxnDone, WatchRequest,
};

const ENDPOINT: &str = "api";
/// The same addresses, as who may make users.
const USERS: &str = "users";
const CHUNK: u32 = 256 * 1024;
/// How much of an error's body is read for its reason.
const MAX_REASON: usize = 64 * 1024;

/// etcd, as the integration is configured.
pub(crate) struct Etcd {
    pub(crate) settings: Settings,
}

impl Etcd {
    pub(crate) fn open() -> Result<Self> {
        Ok(Self { settings: config::get()? })
    }

    pub(crate) fn range(&self, range: &Range) -> Result<Ranged> {
        self.call("/v3/kv/range", range, Effect::Read)
    }

    /// As [`range`](Self::range), but `None` where the answer has more than `budget` bytes.
    pub(crate) fn range_within(&self, range: &Range, budget: usize) -> Result<Option<Ranged>> {
        const PATH: &str = "/v3/kv/range";
        let mut response = match self.send(PATH, range, Effect::Read) {
            Err(error) if is_too_large(&error) => return Ok(None),
            sent => sent?,
        };
        let mut body = Vec::new();
        while let Some(piece) = response.read(CHUNK)? {
            body.extend_from_slice(&piece);
            if body.len() > budget {
                return Ok(None);
            }
        }
        let read = serde_json::from_slice(&body);
        read.map(Some).map_err(|e| response.garbage("JSON of the known form", &e.to_string()))
    }

    pub(crate) fn put(&self, put: &Put) -> Result<PutDone> {
        self.call("/v3/kv/put", put, Effect::Write)
    }

    pub(crate) fn delete(&self, delete: &DeleteRange) -> Result<Deleted> {
        self.call("/v3/kv/deleterange", delete, Effect::Write)
    }

    pub(crate) fn txn(&self, txn: &Txn, effect: Effect) -> Result<TxnDone> {
        self.call("/v3/kv/txn", txn, effect)
    }

    /// Grants a lease; with an id of 0 etcd chooses one.
    pub(crate) fn grant(&self, id: i64, seconds: i64) -> Result<Granted> {
        self.call("/v3/lease/grant", &Grant { id: Int(id), ttl: Int(seconds) }, Effect::Write)
    }

    /// Renews a lease. `None` where it has ended, else the seconds it was granted for.
    pub(crate) fn keep_alive(&self, id: i64) -> Result<Option<i64>> {
        const PATH: &str = "/v3/lease/keepalive";
        // Renewing twice does no more than renewing once.
        let answer: Streamed<KeepAlive> = self.call(PATH, &LeaseId { id: Int(id) }, Effect::Idempotent)?;
        match (answer.result, answer.error) {
            (Some(kept), None) => Ok(Some(kept.ttl.0).filter(|ttl| *ttl > 0)),
            (_, error) => Err(errors::broken_off(&error.unwrap_or_default(), PATH)),
        }
    }

    pub(crate) fn time_to_live(&self, id: i64) -> Result<Option<TimeToLive>> {
        let answer: TimeToLive = self.call("/v3/lease/timetolive", &LeaseId { id: Int(id) }, Effect::Read)?;
        Ok(Some(answer).filter(|answer| answer.ttl.0 >= 0 && answer.granted.0 > 0))
    }

    /// Ends a lease. `not-found` where there is none.
    pub(crate) fn revoke(&self, id: i64) -> Result<()> {
        let _: Empty = self.call("/v3/lease/revoke", &LeaseId { id: Int(id) }, Effect::Write)?;
        Ok(())
    }

    /// Ends a lease that nobody needs any more. It would end by itself, so a failure only costs its time.
    pub(crate) fn abandon(&self, id: i64) {
        if let Err(error) = self.revoke(id)
            && !error.is_not_found()
        {
            jackfield_sdk::warn!("the lease {id} could not be ended and will end by itself: {}", error.message);
        }
    }

    pub(crate) fn watch(&self, request: &WatchRequest) -> Result<http::Lines> {
        Ok(self.send("/v3/watch", request, Effect::Read)?.lines())
    }

    pub(crate) fn status(&self) -> Result<Status> {
        let request = http::post(ENDPOINT, "/v3/maintenance/status").json(&Empty {});
        self.check(request, "/v3/maintenance/status", Effect::Read)?.json()
    }

    /// Asks a page that also those may read who may not ask for the status.
    pub(crate) fn page(&self, path: &str) -> Result<serde_json::Value> {
        self.check(http::get(ENDPOINT, path), path, Effect::Read)?.json()
    }

    /// Asks about a user. Sent again it does no more than once.
    pub(crate) fn user(&self, path: &str, body: &impl Serialize, effect: Effect) -> Result<()> {
        let request = http::post(USERS, path).header("grpc-metadata-hasleader", "true").json(body);
        let _: Empty = self.checked(request, path, effect, |request| request.send_taking(&[]))?.json()?;
        Ok(())
    }

    fn call<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize, effect: Effect) -> Result<T> {
        self.send(path, body, effect)?.json().map_err(|error| errors::unread(error, effect))
    }

    fn send(&self, path: &str, body: &impl Serialize, effect: Effect) -> Result<http::Response> {
        let request = http::post(ENDPOINT, path).header("grpc-metadata-hasleader", "true").json(body);
        self.check(request, path, effect)
    }

    fn check(&self, request: http::Request, path: &str, effect: Effect) -> Result<http::Response> {
        self.checked(request, path, effect, http::Request::send)
    }

    fn checked(
        &self,
        request: http::Request,
        path: &str,
        effect: Effect,
        send: impl FnOnce(http::Request) -> Result<http::Response>,
    ) -> Result<http::Response> {
        let request = request.timeout(self.settings.request_timeout());
        let request = match effect {
            Effect::Read => request.read_only(),
            Effect::Idempotent => request.idempotent(),
            Effect::Write => request,
        };
        let mut response = send(request).map_err(|error| errors::unsent(error, effect))?;
        if response.is_success() {
            return Ok(response);
        }
        let mut body = Vec::new();
        // What cannot be read of an error's body is no news.
        while let Ok(Some(piece)) = response.read(CHUNK) {
            body.extend_from_slice(&piece);
            if body.len() > MAX_REASON {
                break;
            }
        }
        Err(errors::refused(response.status(), &body, effect, path))
    }
}

/// etcd's gateway may have a bound of its own for what it passes on.
fn is_too_large(error: &Error) -> bool {
    error.message.contains("message larger than max")
}

/// A write in need of an answer that says only whether it happened.
impl<'de> serde::Deserialize<'de> for Empty {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self {})
    }
}
