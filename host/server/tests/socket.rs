//! The API on a socket: where it may listen, how it stops.

mod common;

use std::{net::SocketAddr, time::Duration};

use jackfield_server::{ServeError, ServerOptions, bind, serve};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    time::timeout,
};

fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

async fn ask(address: SocketAddr, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn only_loopback_addresses_are_listened_on_and_the_refusal_says_why() {
    for address in ["0.0.0.0:0", "[::]:0", "192.168.1.1:7575", "[2001:db8::1]:7575"] {
        let error = bind(address.parse().unwrap()).await.unwrap_err();
        assert!(matches!(error, ServeError::NotLoopback(_)));
        let text = error.to_string();
        assert!(
            text.contains(address) && text.contains("no authentication yet") && text.contains("--listen 127.0.0.1:"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_port_in_use_is_told_with_its_address_and_the_option_that_helps() {
    let first = bind(loopback()).await.unwrap();
    assert_ne!(first.address().port(), 0);
    let error = serve(common::host().await, first.address(), std::future::pending::<()>()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&first.address().to_string()) && text.contains("--listen"), "{text}");
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_and_takes_no_more_connections() {
    let bound = bind(loopback()).await.unwrap();
    let address = bound.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(bound.serve(common::host().await, ServerOptions::default(), stopped));

    let mut answer = String::new();
    let head = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    ask(address, &head).await.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("{\"status\":\"ok\"}"), "{answer}");

    let mut events = ask(address, &format!("GET /v1/events HTTP/1.1\r\nHost: {address}\r\n\r\n")).await;
    let mut idle = ask(address, "").await;
    let mut first = vec![0; 17];
    events.read_exact(&mut first).await.unwrap();
    stop.send(()).unwrap();

    let mut rest = String::new();
    timeout(Duration::from_secs(5), events.read_to_string(&mut rest)).await.expect("the stream did not end").unwrap();
    assert!(rest.contains("the server is stopping"), "{rest}");
    timeout(Duration::from_secs(5), idle.read_to_end(&mut Vec::new()))
        .await
        .expect("the idle one did not end")
        .unwrap();
    timeout(Duration::from_secs(5), server).await.expect("the server did not stop").unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn calls_that_outlast_the_grace_are_cut_off() {
    let bound = bind(loopback()).await.unwrap();
    let address = bound.address();
    let options = ServerOptions { grace: Duration::from_millis(100), ..ServerOptions::default() };
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(bound.serve(common::host().await, options, stopped));
    let head = format!(
        "POST /v1/integrations HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"
    );
    let _never_finishes = ask(address, &head).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    stop.send(()).unwrap();
    timeout(Duration::from_secs(5), server).await.expect("the server did not stop").unwrap();
}
