//! A plugin that is named on the command line or in a document: a file here, which is sent with its signature, or something
//! that the host fetches by itself.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, Method};
use jackfield_core::{Place, SIGNATURE_SUFFIX};
use serde_json::json;

use super::read_stdin;
use crate::{
    api::{Query, Request},
    args::{ChoosingArgs, VouchingArgs},
    failure::Failure,
};

/// The header with a file's signature.
const SIGNATURE: HeaderName = HeaderName::from_static("jackfield-signature");

/// A plugin as it is sent to the API.
#[derive(Clone)]
pub(super) struct Arrival {
    what: What,
    query: Query,
    /// The known faults that are let pass.
    allowed: Vec<String>,
}

#[derive(Clone)]
enum What {
    File {
        bytes: Vec<u8>,
        signature: Option<Vec<u8>>,
    },
    Elsewhere(String),
    /// A plugin as the registries name it.
    Named {
        plugin: String,
        needs: Vec<String>,
        prereleases: bool,
    },
}

/// Whether a text names a plugin as registries have it, and no place and no file: `etcd`, `acme/etcd@^1.2`. Packed files have a `.`
/// in their names, which those of plugins have not.
pub(super) fn is_name(text: &str) -> bool {
    let name = text.split_once('@').map_or(text, |(name, _)| name);
    let plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    !Place::is_meant(text) && name.split('/').count() <= 2 && name.split('/').all(plain)
}

impl Arrival {
    /// Reads what is here of it. Where nothing can be chosen, what looks like a name is a file.
    pub(super) fn read(place: &str, args: &VouchingArgs, choosing: Option<&ChoosingArgs>) -> Result<Self, Failure> {
        let mut query = Query::default();
        args.allow_advisories.iter().for_each(|id| query.add("allow-advisory", id));
        for (name, allowed) in
            [("allow-unsigned", args.allow_unsigned), ("allow-other-signer", args.allow_other_signer)]
        {
            query.add_some(name, allowed.then_some(true));
        }
        let named = choosing.is_some() && is_name(place);
        let ChoosingArgs { needs, prereleases } = choosing.cloned().unwrap_or_default();
        if !named && (prereleases || !needs.is_empty()) {
            let message = "--needs and --prereleases are for plugins that are named as the registries have them";
            return Err(Failure::Usage(message.into()));
        }
        if named || Place::is_meant(place) {
            if args.signature.is_some() {
                let message = "--signature is for files; a signature elsewhere is looked for where the plugin is";
                return Err(Failure::Usage(message.into()));
            }
            let place = place.to_owned();
            let what = if named { What::Named { plugin: place, needs, prereleases } } else { What::Elsewhere(place) };
            return Ok(Self { what, query, allowed: args.allow_advisories.clone() });
        }
        let path = Path::new(place);
        let (bytes, signature) = (file(path)?, signature(path, args.signature.as_deref())?);
        Ok(Self { what: What::File { bytes, signature }, query, allowed: Vec::new() })
    }

    /// What installs it, with what says that what it asks for is accepted, and which file it must be where one was looked
    /// at before.
    pub(super) fn install(&self, accept: Option<&str>, digest: Option<&str>) -> Result<Request, Failure> {
        let mut query = self.query.clone();
        query.add_some("accept", accept);
        query.add_some("digest", digest);
        self.request(&query)
    }

    /// What asks what installing it would do; of a mirror's copy, where the digest is known and there is one.
    pub(super) fn dry_run(&self, digest: Option<&str>) -> Result<Request, Failure> {
        let mut query = self.query.clone();
        query.add_some("digest", digest);
        query.add("dry-run", "true");
        self.request(&query)
    }

    /// What asks which release is meant, where a plugin is named as the registries have it.
    pub(super) fn choice(&self) -> Option<Request> {
        let What::Named { plugin, needs, prereleases } = &self.what else { return None };
        let mut query = Query::default();
        query.add("plugin", plugin);
        needs.iter().for_each(|need| query.add("needs", need));
        query.add_some("prereleases", prereleases.then_some(true));
        self.allowed.iter().for_each(|id| query.add("allow-advisory", id));
        Some(Request::get(format!("/v1/choice{}", query.as_str())))
    }

    fn request(&self, query: &Query) -> Result<Request, Failure> {
        let request = Request::new(Method::POST, format!("/v1/plugins{}", query.as_str()));
        match &self.what {
            What::Elsewhere(place) => request.json(&json!({"from": place})),
            What::Named { plugin, needs, prereleases } => {
                request.json(&json!({"plugin": plugin, "needs": needs, "prereleases": prereleases}))
            }
            What::File { bytes, signature } => {
                let request = request.body("application/wasm", bytes.clone());
                let Some(signature) = signature else { return Ok(request) };
                let value = HeaderValue::try_from(STANDARD.encode(signature))
                    .map_err(|_| Failure::Usage("the signature cannot be sent".into()))?;
                Ok(request.header(SIGNATURE, value))
            }
        }
    }
}

/// A file's bytes; `-` is standard input.
pub(super) fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = if path == Path::new("-") { read_stdin() } else { std::fs::read(path) };
    bytes.map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", path.display())))
}

/// Where a file's signature is.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SIGNATURE_SUFFIX);
    name.into()
}

/// A file's signature: the one that is named, or the one beside it where there is one.
pub(super) fn signature(path: &Path, named: Option<&Path>) -> Result<Option<Vec<u8>>, Failure> {
    let found = beside(path);
    match named {
        Some(named) => file(named).map(Some),
        None if path == Path::new("-") => Ok(None),
        // One that is there and cannot be read is not passed over.
        None => match std::fs::symlink_metadata(&found) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            _ => file(&found).map(Some),
        },
    }
}
