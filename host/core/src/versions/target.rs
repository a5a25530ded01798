//! What a caller means by a capability and an operation: what the integration offers, or that in a version that it does not
//! speak, and then how the one becomes the other.

use std::sync::Arc;

use bytes::Bytes;
use jackfield_reflect::{Adapter, CapabilityId, InterfaceId, JsonLimits, Operation, Part, TranslateError, Translation};
use semver::Version;

use super::{Known, Versions};
use crate::{
    Deprecated, Error, ErrorKind, ErrorSource, Result, faults,
    integrations::{Integration, Runtime, Served, ServedCapability},
    names,
    view::View,
};

/// The code of a call in a version that cannot be translated into what the integration speaks.
const INCOMPATIBLE: &str = "incompatible-version";
/// The code of a call in a version that nobody here knows.
const UNKNOWN: &str = "unknown-version";

/// Longer texts than this, in bytes, take long enough to translate that it is not done on a thread that others wait for.
const LONG: usize = 256 << 10;

/// What is called.
pub(crate) struct Target<'r> {
    /// What carries it out.
    pub(crate) served: &'r Served,
    /// How the caller is understood, where he speaks another version.
    pub(crate) spoken: Option<Spoken>,
}

/// The version that a caller speaks, of an operation that is carried out in another.
pub(crate) struct Spoken {
    operation: Arc<Operation>,
    adapter: Arc<Adapter>,
    deprecated: Option<Arc<Deprecated>>,
    /// What an integration speaks.
    have: CapabilityId,
}

impl Target<'_> {
    /// The operation as its caller knows it.
    pub(crate) fn operation(&self) -> &Arc<Operation> {
        self.spoken.as_ref().map_or_else(|| self.served.operation(), |spoken| &spoken.operation)
    }

    /// That what the caller knows is not to be used any more.
    pub(crate) fn deprecated(&self) -> Option<Arc<Deprecated>> {
        match &self.spoken {
            Some(spoken) => spoken.deprecated.clone(),
            None => self.served.deprecated.clone(),
        }
    }

    /// The parameters as the plugin takes them.
    pub(crate) async fn request(&self, params: Bytes) -> Result<Bytes> {
        let Some(spoken) = &self.spoken else { return Ok(params) };
        let params = if params.is_empty() { Bytes::from_static(b"{}") } else { params };
        let translated = translated(&spoken.adapter, |adapter| &adapter.request, params).await?;
        translated.map_err(|error| spoken.refuses(error))
    }

    /// Whether the plugin can be asked what is asked.
    pub(crate) fn may_ask(&self, params: &[u8]) -> Result<()> {
        self.operation().decode_params(params, &JsonLimits::default()).map_err(faults::params)?;
        let Some(spoken) = &self.spoken else { return Ok(()) };
        spoken.adapter.request.apply(params).map(drop).map_err(|error| spoken.refuses(error))
    }

    /// The answer as its caller knows it. `done`: it is that of a write that was carried out.
    pub(crate) async fn answer(&self, answer: Bytes, done: Option<&str>) -> Result<Bytes> {
        let Some(spoken) = &self.spoken else { return Ok(answer) };
        let error = match translated(&spoken.adapter, |adapter| &adapter.answer, answer).await? {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let message = format!("{}: what it answers has no form in what you speak: {error}", spoken.cannot());
        match done {
            None => Err(incompatible(format!("{message}; call {}", spoken.own()))),
            Some(key) => {
                let message = format!(
                    "{message}. The write was carried out: call {} with the same idempotency key to be told the answer",
                    spoken.own()
                );
                let error = incompatible(message);
                Err(Error { kind: ErrorKind::OutcomeUnknown, idempotency_key: Some(key.to_owned()), ..error })
            }
        }
    }
}

impl Spoken {
    /// Why parameters cannot be passed on.
    fn refuses(&self, error: TranslateError) -> Error {
        match error {
            TranslateError::Malformed(error) => faults::params(error),
            TranslateError::Untranslatable { pointer, what } => {
                let message =
                    format!("{}: at `{pointer}`: {what}; leave that out, or call {}", self.cannot(), self.own());
                incompatible(message).at(pointer)
            }
        }
    }

    fn cannot(&self) -> String {
        format!("`{}` of {} cannot be translated from {}", self.operation.name, self.have, self.operation.capability)
    }

    /// What to call instead.
    fn own(&self) -> String {
        own(&self.have, &self.operation.name)
    }
}

fn own(have: &CapabilityId, operation: &str) -> String {
    format!("it in the integration's own version (`jackfield capability show {have}.{operation}`)")
}

async fn translated(
    adapter: &Arc<Adapter>,
    which: fn(&Adapter) -> &Translation,
    text: Bytes,
) -> Result<Result<Bytes, TranslateError>> {
    if which(adapter).is_none() {
        return Ok(Ok(text));
    }
    if text.len() <= LONG {
        return Ok(which(adapter).apply(&text).map(Bytes::from));
    }
    let adapter = adapter.clone();
    let apply = move || which(&adapter).apply(&text).map(Bytes::from);
    tokio::task::spawn_blocking(apply).await.map_err(|e| Error::internal(e.to_string()))
}

fn incompatible(message: String) -> Error {
    let error = Error::new(ErrorKind::Unsupported, ErrorSource::Caller, message);
    Error { code: Some(INCOMPATIBLE.to_owned()), ..error }
}

/// What a call of `operation` of `capability` means. A capability with a version that the integration does not speak is
/// translated where that is possible; without one it is what the integration speaks.
pub(crate) fn target<'r>(
    view: &View,
    integration: &Integration,
    runtime: &'r Runtime,
    capability: &str,
    operation: &str,
) -> Result<Target<'r>> {
    match of(view, integration, runtime, capability)? {
        Of::Offered(offered) => Ok(Target { served: offered.operation(operation)?, spoken: None }),
        Of::Other(other) => other.target(operation),
    }
}

/// The same for a change feed: the one that is named, or the only one.
pub(crate) fn feed<'r>(
    view: &View,
    integration: &Integration,
    runtime: &'r Runtime,
    capability: &str,
    operation: Option<&str>,
) -> Result<Target<'r>> {
    let other = match of(view, integration, runtime, capability)? {
        Of::Offered(offered) => return Ok(Target { served: offered.feed(operation)?, spoken: None }),
        Of::Other(other) => other,
    };
    let feeds = other.versions.operations(&other.wanted).filter(|(_, _, operation)| operation.feed);
    let names: Vec<&str> = feeds.map(|(_, _, operation)| operation.name.as_str()).collect();
    let wanted = &other.wanted;
    match (operation, names.as_slice()) {
        (Some(name), names) if names.contains(&name) => other.target(name),
        (None, [only]) => other.target(only),
        (Some(name), _) => Err(Error::invalid(format!("`{name}` is no change feed of `{wanted}`"))),
        (None, []) => Err(Error::invalid(format!("`{wanted}` has no change feed to watch"))),
        (None, several) => {
            let several = several.join("`, `");
            Err(Error::invalid(format!("`{wanted}` has several change feeds; name one of `{several}`")))
        }
    }
}

/// A capability of an integration, in a version that it speaks or in another.
enum Of<'v, 'r> {
    Offered(&'r ServedCapability),
    Other(Other<'v, 'r>),
}

/// A capability in a version that an integration does not speak.
struct Other<'v, 'r> {
    versions: &'v Versions,
    integration: &'v Integration,
    offered: &'r ServedCapability,
    wanted: CapabilityId,
}

fn of<'v, 'r>(
    view: &'v View,
    integration: &'v Integration,
    runtime: &'r Runtime,
    capability: &str,
) -> Result<Of<'v, 'r>> {
    let error = match runtime.capability(capability) {
        Ok(offered) => return Ok(Of::Offered(offered)),
        Err(error) => error,
    };
    let version = capability.split_once('@').and_then(|(_, version)| Version::parse(version).ok());
    let Some(version) = version else { return Err(error) };
    let wanted = |id: &CapabilityId| CapabilityId { version: version.clone(), ..id.clone() };
    let named = |offered: &&ServedCapability| wanted(&offered.id).answers_to(capability);
    let mut same: Vec<&ServedCapability> = runtime.capabilities.iter().filter(named).collect();
    same.sort_by(|a, b| a.id.cmp(&b.id));
    let Some(newest) = same.last() else { return Err(error) };
    if let Some(other) = same.iter().find(|other| other.id.package() != newest.id.package()) {
        let message = format!("`{}` or `{}` may be meant; write one of these", wanted(&other.id), wanted(&newest.id));
        return Err(Error::invalid(message));
    }
    let wanted = wanted(&newest.id);
    let known = view.versions.versions_of(&wanted.package());
    if !known.contains(&version) {
        let known: Vec<String> = known.into_iter().map(|version| format!("`{version}`")).collect();
        let message = format!(
            "nobody here knows `{wanted}`: the integration `{}` speaks {}, and no installed plugin has that version. \
             Versions of it that are known: {}. Install a plugin that has it, or call it without a version",
            integration.name,
            newest.id.version,
            known.join(", ")
        );
        return Err(Error { code: Some(UNKNOWN.to_owned()), ..Error::not_found(message) });
    }
    Ok(Of::Other(Other { versions: &view.versions, integration, offered: newest, wanted }))
}

impl<'r> Other<'_, 'r> {
    fn target(&self, name: &str) -> Result<Target<'r>> {
        let Self { versions, integration, offered, wanted } = self;
        let named: Vec<(&InterfaceId, &Known, &Arc<Operation>)> =
            versions.operations(wanted).filter(|(_, _, operation)| operation.name == name).collect();
        if named.is_empty() {
            let known = versions.operations(wanted).map(|(_, _, operation)| operation.name.as_str());
            let error = names::unknown("operation", name, known);
            return Err(Error { message: format!("`{wanted}`: {}", error.message), ..error });
        }
        let lacks = || {
            incompatible(format!(
                "`{name}` cannot be called: the integration `{}` speaks {}, which has no such operation",
                integration.name, offered.id
            ))
        };
        let served = offered.operations.iter().find(|served| served.operation().name == name).ok_or_else(lacks)?;
        let have: InterfaceId =
            served.operation().interface.parse().map_err(|_| Error::internal("an interface without a name"))?;
        let (id, known, operation) = named.into_iter().find(|(id, _, _)| id.name == have.name).ok_or_else(lacks)?;
        match versions.adapter(&have, id, name).ok_or_else(lacks)? {
            Ok(adapter) => {
                let told_at = known.told_at.unwrap_or(integration.record.created_at);
                let deprecated = Deprecated::of(operation, told_at);
                let (operation, adapter) = (operation.clone(), adapter.clone());
                Ok(Target { served, spoken: Some(Spoken { operation, adapter, deprecated, have: offered.id.clone() }) })
            }
            Err(mismatch) => {
                let error = incompatible(format!(
                    "`{name}` cannot be called in version {}: the integration `{}` speaks {}, and there is no translation. {mismatch}. Call {}",
                    wanted.version,
                    integration.name,
                    offered.id.version,
                    own(&offered.id, name)
                ));
                let in_request = mismatch.part == Part::Request && !mismatch.pointer.contains('*');
                Err(Error { field: in_request.then(|| mismatch.pointer.clone()), ..error })
            }
        }
    }
}
