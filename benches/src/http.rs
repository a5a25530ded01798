//! REST against an axum server that does nothing but give the body back.

use std::time::Instant;

use anyhow::Result;
use axum::routing::post;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use jackfield_server::{ServerOptions, bind};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    echo,
    race::{median, percentile},
    table::Table,
};

const CONTENDERS: [(&str, &str); 2] = [("axum echo", "/echo"), ("jackfield REST", "/v1/integrations/echo/echo/note")];

/// Requests a second and latency, by one caller and by many.
pub(crate) async fn rest(table: &mut Table, quick: bool) -> Result<()> {
    let (calls, rounds) = if quick { (2_000, 3) } else { (30_000, 9) };
    let host = echo::host().await?;
    let bound = bind("127.0.0.1:0".parse()?).await?;
    let jackfield = bound.address();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn({
        let host = host.clone();
        let until = async {
            let _ = stopped.await;
        };
        async move { bound.serve(host, ServerOptions::default(), until).await }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let bare = listener.local_addr()?;
    let json = || [(header::CONTENT_TYPE, "application/json")];
    let router = axum::Router::new().route("/echo", post(async move |body: Bytes| (json(), body)));
    let axum = tokio::spawn(async move { axum::serve(listener, router).await });

    for callers in [1, 64] {
        let mut rates = [Vec::new(), Vec::new()];
        let mut latencies = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (which, (_, path)) in CONTENDERS.iter().enumerate() {
                let address = if which == 0 { bare } else { jackfield };
                let start = Instant::now();
                let tasks: Vec<_> =
                    (0..callers).map(|_| tokio::spawn(caller(address, path, calls / callers))).collect();
                for task in tasks {
                    latencies[which].extend(task.await??);
                }
                rates[which].push(calls as f64 / start.elapsed().as_secs_f64());
            }
        }
        let case = format!("record, {callers} callers");
        let bare = median(rates[0].clone());
        for (which, (name, _)) in CONTENDERS.iter().enumerate() {
            let rate = median(rates[which].clone());
            let (p50, p99) = (percentile(&mut latencies[which], 50), percentile(&mut latencies[which], 99));
            let note = format!("{:.0} % of axum; p50 {p50:.0} us, p99 {p99:.0} us", rate / bare * 100.0);
            table.add("REST, POST of 300 bytes", &case, name, rate, "calls/s", &note);
        }
    }
    axum.abort();
    let _ = stop.send(());
    server.await?;
    host.shutdown().await;
    Ok(())
}

/// Calls one after another on one connection; microseconds of each.
async fn caller(address: std::net::SocketAddr, path: &str, times: usize) -> Result<Vec<f64>> {
    let mut sender = connect(address).await?;
    let mut latencies = Vec::with_capacity(times);
    let body = echo::note_json();
    for _ in 0..times {
        let start = Instant::now();
        send(&mut sender, path, body.clone()).await?;
        latencies.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(latencies)
}

/// A connection.
pub(crate) async fn connect(address: std::net::SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// One request with a JSON body, which must be answered with 200.
pub(crate) async fn send(sender: &mut SendRequest<Full<Bytes>>, path: &str, body: Bytes) -> Result<Bytes> {
    sender.ready().await?;
    let request = Request::post(path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    anyhow::ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    Ok(body)
}
