//! Fetching: the file, what pins it, and the signatures beside it.

use std::{fmt, sync::Arc, time::Duration};

use jackfield_net::{Address, Dialer, SenderOptions};
use jackfield_oci::{Client, Options, Proxy, wasm};
use jackfield_registry::Digest;
use jackfield_trust::{Evidence, MAX_EVIDENCE_BYTES, Origin};

use crate::{FetchError, Place, WebFile, signatures, web};

/// Ranges within a site, in which web servers with plugins commonly are.
const WITHIN: [&str; 6] = ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
/// How long a plugin and everything beside it may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// A plugin's file and what was found beside it, none of it believed.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The packed component.
    pub file: Vec<u8>,
    /// Where it comes from, as the trust policy's prefixes name it.
    pub origin: Origin,
    /// Where it lay in truth, where it is a mirror's copy of what is published at `origin`: that it is one its signatures prove, and
    /// nothing else.
    pub copied_from: Option<Origin>,
    /// What would fetch exactly this again.
    pub pinned: String,
    /// The tag that named it, where one did and no digest besides.
    pub tag: Option<String>,
    /// The digest that signatures are of: of the manifest in a registry, otherwise of the file.
    pub signed: Digest,
    /// That manifest's bytes, where it comes from a registry.
    pub manifest: Option<Vec<u8>>,
    /// Signatures and attestations.
    pub evidence: Vec<Evidence>,
}

/// Fetches plugins.
pub struct Fetcher {
    dialer: Arc<Dialer>,
    ca_pem: Option<String>,
    proxy: Option<Proxy>,
    plain_http: Vec<String>,
    registries: Client,
}

impl Fetcher {
    /// One that asks registries, and web servers, in this way.
    pub fn new(dialer: Arc<Dialer>, options: Options) -> Result<Self, FetchError> {
        let (ca_pem, proxy, plain_http) = (options.ca_pem.clone(), options.proxy.clone(), options.plain_http.clone());
        Ok(Self { registries: Client::new(dialer.clone(), options)?, ca_pem, proxy, plain_http, dialer })
    }

    /// One that shares nothing with a host.
    pub fn alone(options: Options) -> Result<Self, FetchError> {
        Self::new(Arc::new(Dialer::new()), options)
    }

    /// Whether a server may be spoken to without TLS.
    fn plain_http(&self, address: &Address) -> bool {
        address.is_loopback() || self.plain_http.iter().any(|host| *host == address.authority())
    }

    /// How a file's server is spoken to, if it may be.
    pub(crate) fn options(&self, file: &WebFile) -> Result<SenderOptions, FetchError> {
        if !file.address.is_tls() && !self.plain_http(&file.address) {
            return Err(FetchError::Plain { place: file.to_string() });
        }
        Ok(SenderOptions {
            proxy: self.proxy.as_ref().and_then(|proxy| proxy.to(&file.address)).cloned(),
            ca_pem: self.ca_pem.clone(),
            // Within a site, yes; what is only there for this machine itself, such as a cloud's metadata, no.
            allow_addresses: WITHIN.iter().filter_map(|range| range.parse().ok()).collect(),
            ..SenderOptions::default()
        })
    }

    pub(crate) fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// The client of registries.
    pub(crate) fn registries(&self) -> &Client {
        &self.registries
    }

    /// Fetches a plugin of `most` bytes at most.
    ///
    /// A tag becomes a digest once, with the first answer; everything else is asked for by that digest.
    pub async fn fetch(&self, place: &Place, most: usize) -> Result<Fetched, FetchError> {
        in_time(&place.to_string(), self.fetch_all(place, most)).await
    }

    async fn fetch_all(&self, place: &Place, most: usize) -> Result<Fetched, FetchError> {
        let origin = place.origin();
        match place {
            Place::Registry(reference) => {
                let pulled = wasm::pull(&self.registries, reference, most as u64).await?;
                let evidence = signatures::find(&self.registries, reference.repository(), &pulled.digest).await?;
                Ok(Fetched {
                    file: pulled.bytes,
                    origin,
                    pinned: reference.pinned(pulled.digest).to_string(),
                    tag: reference.tag().filter(|_| reference.digest().is_none()).map(str::to_owned),
                    signed: pulled.digest,
                    manifest: Some(pulled.manifest),
                    copied_from: None,
                    evidence,
                })
            }
            Place::Web(file) => {
                let options = self.options(file)?;
                let get = |file, most| web::fetch(&self.dialer, &options, file, most);
                let bytes = get(file, most).await?;
                let beside =
                    file.signature().map_err(|_| FetchError::Status { place: place.to_string(), status: 400 })?;
                let evidence = match get(&beside, MAX_EVIDENCE_BYTES).await {
                    Ok(bundle) => vec![Evidence::Bundle(bundle)],
                    // Nothing signs it. Whether it needs a signature is not decided here.
                    Err(error) if error.is_not_found() => Vec::new(),
                    Err(error) => return Err(error),
                };
                let signed = Digest::of(&bytes);
                Ok(Fetched {
                    file: bytes,
                    pinned: place.to_string(),
                    tag: None,
                    origin,
                    signed,
                    manifest: None,
                    copied_from: None,
                    evidence,
                })
            }
        }
    }
}

/// Waits for what is fetched from somewhere, and not for ever.
pub(crate) async fn in_time<T>(
    place: &str,
    fetched: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, FetchError> {
    let slow = |_| FetchError::Slow { place: place.to_owned(), seconds: PATIENCE.as_secs() };
    tokio::time::timeout(PATIENCE, fetched).await.map_err(slow)?
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").finish_non_exhaustive()
    }
}
