//! The host in this process, for as long as the command runs. The very router that `jackfield serve` puts on a socket is
//! driven without one, so there is no second path to keep alike.

use std::{convert::Infallible, path::Path, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, header};
use http_body_util::{BodyExt, Full};
use jackfield_core::{AllowedSources, Host, RegistryOptions, Secret};
use jackfield_server::{Drain, ServerOptions, router};
use tower::{BoxError, Service, ServiceExt as _, util::BoxCloneSyncService};

use super::{Body, Request, boxed};
use crate::{args::Cassettes, compiler, failure::Failure};

/// A command is over long before a schedule comes round; `integration check` checks by itself.
const NO_SCHEDULE: Duration = Duration::from_secs(24 * 60 * 60);

/// The router, as what it is to a caller.
type Router = BoxCloneSyncService<http::Request<Full<Bytes>>, http::Response<Body>, Infallible>;

/// A host and its API.
pub(crate) struct Embedded {
    router: Router,
    host: Host,
    drain: Drain,
}

impl Embedded {
    pub(super) async fn open(
        data: &Path,
        cache: Option<&Path>,
        vault_passphrase: Option<Secret>,
        secrets: AllowedSources,
        registries: RegistryOptions,
        cassettes: &Cassettes,
    ) -> jackfield_core::Result<Self> {
        let mut builder = Host::builder()
            .data_dir(data)
            .health_interval(NO_SCHEDULE)
            .credential_sources(secrets)
            .registries(registries);
        if let Some(compiler) = compiler::this_program() {
            builder = builder.compiler(compiler);
        }
        if let Some(cache) = cache {
            builder = builder.cache_dir(cache);
        }
        if let Some(passphrase) = vault_passphrase {
            builder = builder.vault_passphrase(passphrase);
        }
        let host = cassettes.of(builder).build().await?;
        let options = ServerOptions::default();
        let drain = options.drain.clone();
        Ok(Self { router: erased(router(host.clone(), options)), host, drain })
    }

    pub(super) async fn send(&self, request: Request) -> Result<http::Response<Body>, Failure> {
        let Request { method, path, headers, body } = request;
        let mut built = http::Request::builder()
            .method(method)
            .uri(path)
            .body(Full::new(body))
            .map_err(|error| Failure::Usage(format!("this cannot be asked for: {error}")))?;
        *built.headers_mut() = headers;
        built.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
        match self.router.clone().oneshot(built).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }

    pub(super) async fn close(self) {
        self.drain.start();
        self.host.shutdown().await;
    }
}

/// The router without its type, which belongs to the server's web framework.
fn erased<S, B>(router: S) -> Router
where
    S: Service<http::Request<Full<Bytes>>, Response = http::Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: BodyExt<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    BoxCloneSyncService::new(router.map_response(boxed))
}
