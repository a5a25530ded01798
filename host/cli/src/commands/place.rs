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
    args::VouchingArgs,
    failure::Failure,
};

/// The header with a file's signature.
const SIGNATURE: HeaderName = HeaderName::from_static("jackfield-signature");

/// A plugin as it is sent to the API.
#[derive(Clone)]
pub(super) struct Arrival {
    what: What,
    query: Query,
}

#[derive(Clone)]
enum What {
    File { bytes: Vec<u8>, signature: Option<Vec<u8>> },
    Elsewhere(String),
}

impl Arrival {
    /// Reads what is here of it.
    pub(super) fn read(place: &str, args: &VouchingArgs) -> Result<Self, Failure> {
        let mut query = Query::default();
        for (name, allowed) in
            [("allow-unsigned", args.allow_unsigned), ("allow-other-signer", args.allow_other_signer)]
        {
            query.add_some(name, allowed.then_some(true));
        }
        if Place::is_meant(place) {
            if args.signature.is_some() {
                let message = "--signature is for files; a signature elsewhere is looked for where the plugin is";
                return Err(Failure::Usage(message.into()));
            }
            return Ok(Self { what: What::Elsewhere(place.to_owned()), query });
        }
        let path = Path::new(place);
        let (bytes, signature) = (file(path)?, signature(path, args.signature.as_deref())?);
        Ok(Self { what: What::File { bytes, signature }, query })
    }

    /// What installs it, with what says that what it asks for is accepted, and which file it must be where one was looked
    /// at before.
    pub(super) fn install(&self, accept: Option<&str>, digest: Option<&str>) -> Result<Request, Failure> {
        let mut query = self.query.clone();
        query.add_some("accept", accept);
        query.add_some("digest", digest);
        self.request(&query)
    }

    /// What asks what installing it would do.
    pub(super) fn dry_run(&self) -> Result<Request, Failure> {
        let mut query = self.query.clone();
        query.add("dry-run", "true");
        self.request(&query)
    }

    fn request(&self, query: &Query) -> Result<Request, Failure> {
        let request = Request::new(Method::POST, format!("/v1/plugins{}", query.as_str()));
        match &self.what {
            What::Elsewhere(place) => request.json(&json!({"from": place})),
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
