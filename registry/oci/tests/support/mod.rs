//! Registries on loopback that say whatever a test makes them say, byte by byte where it matters. Each connection brings
//! one request.
#![allow(dead_code)]

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use jackfield_net::{Dialer, Resolver};
use jackfield_oci::{Client, Options, Repository, Timeouts};
use rcgen::{CertificateParams, KeyPair};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

pub(crate) mod memory;

/// A request as a registry saw it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn authorization(&self) -> Option<&str> {
        self.headers.get("authorization").map(String::as_str)
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// What a registry says.
pub(crate) enum Reply {
    /// An answer in good order.
    Good(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// These bytes, and the connection's end.
    Raw(Vec<u8>),
    /// These bytes, then more of the same for ever: as many and as often.
    Endless(&'static str, usize, Duration),
    /// Nothing.
    Silence,
}

pub(crate) fn status(status: u16) -> Reply {
    Reply::Good(status, Vec::new(), Vec::new())
}

pub(crate) fn json(body: impl Into<Vec<u8>>) -> Reply {
    Reply::Good(200, vec![("content-type", "application/json".into())], body.into())
}

pub(crate) fn redirect(status: u16, to: impl Into<String>) -> Reply {
    Reply::Good(status, vec![("location", to.into())], Vec::new())
}

pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    /// One without TLS.
    pub(crate) async fn http(say: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, say).await
    }

    /// One with TLS under this name, and the certificate that is to be trusted.
    pub(crate) async fn tls(name: &str, say: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> (Self, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        (Self::start(Some(Arc::new(config).into()), say).await, certificate.pem())
    }

    async fn start(tls: Option<TlsAcceptor>, say: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (say, log) = (Arc::new(say), asked.clone());
        let task = tokio::spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (say, log, tls) = (say.clone(), log.clone(), tls.clone());
                running.spawn(async move {
                    match tls {
                        None => serve(stream, &*say, &log).await,
                        Some(tls) => serve(tls.accept(stream).await?, &*say, &log).await,
                    }
                });
            }
        });
        Self { address, asked, task }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }

    /// The repository `acme/etcd` there.
    pub(crate) fn repository(&self) -> Repository {
        format!("oci://{}/acme/etcd", self.address).parse().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    say: &(dyn Fn(&Asked) -> Reply + Send + Sync),
    log: &Mutex<Vec<Asked>>,
) -> io::Result<()> {
    let asked = read(&mut stream).await?;
    log.lock().unwrap().push(asked.clone());
    match say(&asked) {
        Reply::Good(status, headers, body) => {
            let mut head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            stream.write_all(format!("{head}\r\n").as_bytes()).await?;
            if asked.method != "HEAD" {
                stream.write_all(&body).await?;
            }
        }
        Reply::Raw(bytes) => stream.write_all(&bytes).await?,
        Reply::Endless(head, many, pause) => {
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(&vec![b' '; many]).await?;
                stream.flush().await?;
                tokio::time::sleep(pause).await;
            }
        }
        Reply::Silence => std::future::pending().await,
    }
    stream.shutdown().await
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap().split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Asked { method, target, headers, body })
}

/// Names that lead to loopback. One that begins with `public` has a public address, too, which nobody gets to: it is the
/// second.
struct ToLoopback;

#[async_trait::async_trait]
impl Resolver for ToLoopback {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let public = name.starts_with("public").then(|| [1, 1, 1, 1].into());
        Ok([Some([127, 0, 0, 1].into()), public].into_iter().flatten().collect())
    }
}

/// Times that a test can wait for.
pub(crate) const QUICK: Timeouts = Timeouts {
    answer: Duration::from_millis(1500),
    transfer: Duration::from_millis(1500),
    stall: Duration::from_millis(400),
};

/// A client to which every name leads to loopback.
pub(crate) fn client_with(options: Options) -> Client {
    let dialer = Dialer::new().with_resolver(ToLoopback);
    Client::new(Arc::new(dialer), Options { timeouts: QUICK, ..options }).unwrap()
}

pub(crate) fn client() -> Client {
    client_with(Options::default())
}
