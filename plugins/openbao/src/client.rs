//! One request to OpenBao and its answer. The token is not here: the host adds it on the way, of the one endpoint that of whoever
//! reads and writes keys, of the other that of whoever makes tokens.

use jackfield_sdk::http::{self, Effect, Request, Response};
use jackfield_sdk::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::errors;
use crate::settings::Settings;
use crate::wire::{
    Accessor, Authorized, CheckAndSet, Data, Known, Mount, Names, NewToken, Renewal, Secret, Server, Version, Versions,
    Write,
};

const KEYS: &str = "api";
/// The same address, as who may make tokens.
const TOKENS: &str = "tokens";

/// OpenBao, as the integration is configured.
pub(crate) struct OpenBao {
    pub(crate) settings: Settings,
}

/// What is kept at a key.
#[derive(Debug, PartialEq)]
pub(crate) struct Stored {
    /// The newest version, also where it is deleted; 0 where there never was one.
    pub(crate) version: u64,
    /// The secret; none where it is deleted or never was.
    pub(crate) secret: Option<Map<String, Value>>,
}

/// An answer, whatever its status.
struct Reply {
    subject: String,
    effect: Effect,
    status: u16,
    retry_after: Option<String>,
    body: Vec<u8>,
}

impl OpenBao {
    pub(crate) fn open() -> Result<Self> {
        Ok(Self { settings: config::get()? })
    }

    pub(crate) fn read(&self, key: &str) -> Result<Stored> {
        let path = self.path("data", key);
        let reply = self.ask(http::get(KEYS, &path), &path, Effect::Read, Request::send)?;
        if reply.status == 404
            && let Some(absent) = reply.absent()
        {
            return Ok(absent);
        }
        let Data { data: Secret { data, metadata } } = reply.json()?;
        Ok(Stored { version: metadata.version, secret: data })
    }

    /// Writes a new version and returns its number; where `at` is said only if the newest is that one, deleted or not.
    pub(crate) fn write(&self, key: &str, secret: &Value, at: Option<u64>) -> Result<u64> {
        let path = self.path("data", key);
        let write = Write { data: secret, options: at.map(|cas| CheckAndSet { cas }) };
        let reply = self.ask(http::post(KEYS, &path).json(&write), &path, Effect::Write, Request::send)?;
        let written: Data<Version> = reply.json()?;
        Ok(written.data.version)
    }

    /// Deletes one version. One that is deleted stays so, and never comes back by a write.
    pub(crate) fn delete(&self, key: &str, version: u64) -> Result<()> {
        let path = self.path("delete", key);
        let request = http::post(KEYS, &path).json(&Versions { versions: [version] });
        self.ask(request, &path, Effect::Idempotent, Request::send)?.good()
    }

    /// What is in a folder, which is empty or has `/` at its end.
    pub(crate) fn names(&self, folder: &str) -> Result<Vec<String>> {
        let path = self.path("metadata", folder);
        let path = path.trim_end_matches('/');
        let reply = self.ask(http::get(KEYS, path).query("list", true), path, Effect::Read, Request::send)?;
        match reply.status == 404 && reply.absent().is_some() {
            // A folder is there for as long as something is in it.
            true => Ok(Vec::new()),
            false => Ok(reply.json::<Data<Names>>()?.data.keys),
        }
    }

    /// What is mounted where the keys are. Only a token that may do something there is told.
    pub(crate) fn mount(&self) -> Result<Mount> {
        let path = format!("/v1/sys/internal/ui/mounts/{}", self.settings.mount);
        let mount: Data<Mount> = self.ask(http::get(KEYS, &path), &path, Effect::Read, Request::send)?.json()?;
        Ok(mount.data)
    }

    /// Whether who makes tokens may do something with tokens; what, OpenBao does not tell.
    pub(crate) fn makes_tokens(&self) -> Result<()> {
        const PATH: &str = "/v1/sys/internal/ui/mounts/auth/token";
        self.ask(http::get(TOKENS, PATH), PATH, Effect::Read, Request::send)?.good()
    }

    /// How the server that answers is. Its status says the same as the body, in numbers that can be chosen.
    pub(crate) fn server(&self) -> Result<Server> {
        const PATH: &str = "/v1/sys/health";
        let request = http::get(KEYS, PATH).query("standbyok", true).query("perfstandbyok", true);
        // A namespace has no health of its own, and says so.
        let reply = Reply::of(request.timeout(self.settings.request_timeout()), PATH, Effect::Read, Request::send)?;
        match serde_json::from_slice(&reply.body) {
            Ok(server) => Ok(server),
            Err(_) => reply.json(),
        }
    }

    /// Makes a token, by the path that says how. Instead of the token its answer has a name, by which the host knows it.
    pub(crate) fn create_token(&self, path: &str, token: &NewToken<'_>) -> Result<Authorized> {
        let request = http::post(TOKENS, path).json(token);
        self.ask(request, path, Effect::Write, |request| request.send_taking(&["/auth/client_token"]))?.json()
    }

    /// Has a token live for that many seconds from now, or for as long as it can; returns for how long.
    pub(crate) fn renew_token(&self, accessor: &str, seconds: u64) -> Result<u64> {
        const PATH: &str = "/v1/auth/token/renew-accessor";
        let request = http::post(TOKENS, PATH).json(&Renewal { accessor, increment: seconds });
        let renewed: Authorized = self.ask(request, PATH, Effect::Idempotent, Request::send)?.json()?;
        Ok(renewed.auth.lease_duration)
    }

    /// Ends a token. One that is not there any more has ended.
    pub(crate) fn revoke_token(&self, accessor: &str) -> Result<()> {
        const PATH: &str = "/v1/auth/token/revoke-accessor";
        let request = http::post(TOKENS, PATH).json(&Accessor { accessor });
        match self.ask(request, PATH, Effect::Idempotent, Request::send)?.good() {
            Err(error) if error.is_not_found() => Ok(()),
            revoked => revoked,
        }
    }

    /// What is known of a token; `not-found` where it has ended.
    pub(crate) fn look_up_token(&self, accessor: &str) -> Result<Known> {
        const PATH: &str = "/v1/auth/token/lookup-accessor";
        let request = http::post(TOKENS, PATH).json(&Accessor { accessor });
        let known: Data<Known> = self.ask(request, PATH, Effect::Read, Request::send)?.json()?;
        Ok(known.data)
    }

    fn path(&self, part: &str, key: &str) -> String {
        let Settings { mount, prefix, .. } = &self.settings;
        format!("/v1/{mount}/{part}/{}", http::encode_path(&format!("{prefix}{key}")))
    }

    fn ask(
        &self,
        request: Request,
        path: &str,
        effect: Effect,
        send: impl FnOnce(Request) -> Result<Response>,
    ) -> Result<Reply> {
        let request = match self.settings.namespace.as_str() {
            "" => request,
            namespace => request.header("x-vault-namespace", namespace),
        };
        let request = request.timeout(self.settings.request_timeout());
        let request = match effect {
            Effect::Read => request.read_only(),
            Effect::Idempotent => request.idempotent(),
            Effect::Write => request,
        };
        Reply::of(request, path, effect, send)
    }
}

impl Reply {
    fn of(
        request: Request,
        path: &str,
        effect: Effect,
        send: impl FnOnce(Request) -> Result<Response>,
    ) -> Result<Self> {
        let response = send(request).map_err(|error| errors::unsent(error, effect))?;
        let (status, retry_after) = (response.status(), response.header("retry-after").map(str::to_owned));
        let read = response.bytes();
        let body = match (200..300).contains(&status) {
            true => read.map_err(|error| errors::unread(error, effect))?,
            // What cannot be read of an error's body is no news.
            false => read.unwrap_or_default(),
        };
        Ok(Self { subject: path.to_owned(), effect, status, retry_after, body })
    }

    fn good(&self) -> Result<()> {
        match (200..300).contains(&self.status) {
            true => Ok(()),
            false => {
                Err(errors::refused(self.status, &self.body, self.effect, self.retry_after.as_deref(), &self.subject))
            }
        }
    }

    fn json<T: DeserializeOwned>(&self) -> Result<T> {
        self.good()?;
        serde_json::from_slice(&self.body).map_err(|error| {
            let message = format!("the answer to {} is not JSON of the known form: {error}", self.subject);
            errors::unread(Error::internal(message).downstream(), self.effect)
        })
    }

    /// What a 404 says that means only that nothing is there: no errors, or the version that is deleted.
    fn absent(&self) -> Option<Stored> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        if body.get("errors").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            return Some(Stored { version: 0, secret: None });
        }
        let deleted: Data<Secret> = serde_json::from_value(body).ok()?;
        Some(Stored { version: deleted.data.metadata.version, secret: None })
    }
}
