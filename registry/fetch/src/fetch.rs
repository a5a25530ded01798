//! Fetching: the file, what pins it, and the signatures beside it.

use std::{fmt, sync::Arc};

use jackfield_net::{Dialer, SenderOptions};
use jackfield_oci::{Client, Options, Proxy, wasm};
use jackfield_registry::Digest;
use jackfield_trust::{Evidence, MAX_EVIDENCE_BYTES, Origin};

use crate::{FetchError, Place, signatures, web};

/// A plugin's file and what was found beside it, none of it believed.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The packed component.
    pub file: Vec<u8>,
    /// Where it comes from, as the trust policy's prefixes name it.
    pub origin: Origin,
    /// What would fetch exactly this again.
    pub pinned: String,
    /// The digest that signatures are of: of the manifest in a registry, otherwise of the file.
    pub signed: Digest,
    /// Signatures and attestations.
    pub evidence: Vec<Evidence>,
}

/// Fetches plugins.
pub struct Fetcher {
    dialer: Arc<Dialer>,
    ca_pem: Option<String>,
    proxy: Option<Proxy>,
    registries: Client,
}

impl Fetcher {
    /// One that asks registries, and web servers, in this way.
    pub fn new(dialer: Arc<Dialer>, options: Options) -> Result<Self, FetchError> {
        let (ca_pem, proxy) = (options.ca_pem.clone(), options.proxy.clone());
        Ok(Self { registries: Client::new(dialer.clone(), options)?, ca_pem, proxy, dialer })
    }

    /// One that shares nothing with a host.
    pub fn alone(options: Options) -> Result<Self, FetchError> {
        Self::new(Arc::new(Dialer::new()), options)
    }

    /// The client of registries.
    pub(crate) fn registries(&self) -> &Client {
        &self.registries
    }

    /// Fetches a plugin of `most` bytes at most.
    ///
    /// A tag becomes a digest once, with the first answer; everything else is asked for by that digest.
    pub async fn fetch(&self, place: &Place, most: usize) -> Result<Fetched, FetchError> {
        let origin = place.origin();
        match place {
            Place::Registry(reference) => {
                let pulled = wasm::pull(&self.registries, reference, most as u64).await?;
                let evidence = signatures::find(&self.registries, reference.repository(), &pulled.digest).await?;
                Ok(Fetched {
                    file: pulled.bytes,
                    origin,
                    pinned: reference.pinned(pulled.digest).to_string(),
                    signed: pulled.digest,
                    evidence,
                })
            }
            Place::Web(file) => {
                let options = SenderOptions {
                    proxy: self.proxy.as_ref().and_then(|proxy| proxy.to(&file.address)).cloned(),
                    ..SenderOptions::of_the_operator(self.ca_pem.clone())
                };
                let get = |file, most| web::fetch(&self.dialer, &options, file, most);
                let bytes = get(file, most).await?;
                let evidence = match get(&file.signature(), MAX_EVIDENCE_BYTES).await {
                    Ok(bundle) => vec![Evidence::Bundle(bundle)],
                    // Nothing signs it. Whether it needs a signature is not decided here.
                    Err(error) if error.is_not_found() => Vec::new(),
                    Err(error) => return Err(error),
                };
                let signed = Digest::of(&bytes);
                Ok(Fetched { file: bytes, pinned: place.to_string(), origin, signed, evidence })
            }
        }
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").finish_non_exhaustive()
    }
}
