//! What Terraform, Vault and Nomad do (hashicorp/go-plugin): the plugin is a process of its own, called by gRPC over a
//! unix socket. Both ends are this program, written straight on HTTP/2, which is less than what a gRPC library does: the
//! rival as fast as it can be.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use tokio::{
    net::{UnixListener, UnixStream},
    process::{Child, Command},
    sync::Mutex,
};

use crate::race::{Way, way};

/// A plugin's process and a connection to it.
pub(crate) struct Grpc {
    sender: Arc<Mutex<SendRequest<Bytes>>>,
    _child: Child,
    _folder: tempfile::TempDir,
}

impl Grpc {
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("plugin.sock");
        let child = Command::new(std::env::current_exe()?).arg("__grpc").arg(&socket).kill_on_drop(true).spawn()?;
        let stream = loop {
            match UnixStream::connect(&socket).await {
                Ok(stream) => break stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let (sender, connection) = builder().handshake(stream).await?;
        tokio::spawn(connection);
        Ok(Self { sender: Arc::new(Mutex::new(sender)), _child: child, _folder: folder })
    }

    /// Echoes so many bytes.
    pub(crate) fn way(&self, bytes: usize) -> Way {
        let sender = self.sender.clone();
        let message = framed(&vec![7; bytes]);
        way("go-plugin style (gRPC, unix socket)", move |n| {
            let (sender, message) = (sender.clone(), message.clone());
            async move {
                let mut sender = sender.lock().await;
                for _ in 0..n {
                    call(&mut sender, message.clone()).await?;
                }
                Ok(())
            }
        })
    }
}

fn builder() -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    // Windows large enough that flow control costs no round trip.
    builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 20);
    builder
}

/// gRPC's frame: not compressed, length, message; the message has one field of bytes.
fn framed(payload: &[u8]) -> Bytes {
    let mut message = BytesMut::new();
    message.put_u8(0x0a);
    let mut length = payload.len();
    while length >= 0x80 {
        message.put_u8(length as u8 | 0x80);
        length >>= 7;
    }
    message.put_u8(length as u8);
    message.put_slice(payload);
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(&message);
    frame.freeze()
}

async fn call(sender: &mut SendRequest<Bytes>, message: Bytes) -> Result<()> {
    futures_util::future::poll_fn(|cx| sender.poll_ready(cx)).await?;
    let request = http::Request::post("http://plugin/bench.Echo/Echo")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    let (response, mut body) = sender.send_request(request, false)?;
    let expected = message.len();
    body.send_data(message, true)?;
    let mut body = response.await?.into_body();
    let mut received = 0;
    while let Some(piece) = body.data().await {
        let piece = piece?;
        received += piece.len();
        body.flow_control().release_capacity(piece.len())?;
    }
    let trailers = body.trailers().await?.context("no trailers")?;
    anyhow::ensure!(received == expected && trailers.get("grpc-status").is_some_and(|s| s == "0"), "not an echo");
    Ok(())
}

/// The plugin's side, until it is killed.
pub(crate) fn serve(socket: String) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = UnixListener::bind(socket)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(connection(stream));
        }
    })
}

async fn connection(stream: UnixStream) -> Result<()> {
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 20);
    let mut connection = builder.handshake::<_, Bytes>(stream).await?;
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request?;
        tokio::spawn(async move {
            let mut body = request.into_body();
            let mut message = BytesMut::new();
            while let Some(piece) = body.data().await {
                let piece = piece?;
                body.flow_control().release_capacity(piece.len())?;
                message.extend_from_slice(&piece);
            }
            let response = http::Response::builder().header("content-type", "application/grpc").body(())?;
            let mut out = respond.send_response(response, false)?;
            out.send_data(message.freeze(), false)?;
            out.send_trailers([("grpc-status".parse()?, "0".parse()?)].into_iter().collect::<http::HeaderMap>())?;
            anyhow::Ok(())
        });
    }
    Ok(())
}
