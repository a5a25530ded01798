//! What becomes of a request whose server misbehaves, and of its connection.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method};
use jackfield_net::{Address, Body, ConnectError, Dialer, OutgoingRequest, SendError, Sender, SenderOptions};
use support::{
    Server, answer,
    certificates::{Ca, VALID},
    read_head, reset,
};
use tokio::io::AsyncWriteExt;

fn request(method: Method, body: &'static str) -> OutgoingRequest {
    OutgoingRequest { method, target: "/x".parse().unwrap(), headers: HeaderMap::new(), body: Bytes::from(body) }
}

fn sender(server: &Server) -> Sender {
    Dialer::new().sender(Address::parse(&server.url()).unwrap(), &SenderOptions::default()).unwrap()
}

async fn get(sender: &Sender) -> Result<http::Response<Body>, SendError> {
    sender.send(request(Method::GET, ""), Instant::now() + Duration::from_secs(5)).await
}

async fn drain(response: http::Response<Body>) -> Result<usize, SendError> {
    let (mut body, mut length) = (response.into_body(), 0);
    while let Some(piece) = body.next().await? {
        length += piece.len();
    }
    Ok(length)
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced_without_anyone_noticing() {
    let server = Server::scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream.write_all(OK).await.unwrap();
    })
    .await;
    let sender = sender(&server);
    assert_eq!(drain(get(&sender).await.unwrap()).await.unwrap(), 2);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(drain(get(&sender).await.unwrap()).await.unwrap(), 2);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_request_that_was_written_and_never_answered_is_lost_and_not_repeated() {
    let received = Arc::new(AtomicUsize::new(0));
    let counter = received.clone();
    let server = Server::scripted(move |mut stream, _| {
        let counter = counter.clone();
        async move {
            // Keep-alive is promised, then broken: the second request is read and dropped.
            read_head(&mut stream).await;
            counter.fetch_add(1, Ordering::SeqCst);
            stream.write_all(OK).await.unwrap();
            if !read_head(&mut stream).await.is_empty() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let sender = sender(&server);
    drain(get(&sender).await.unwrap()).await.unwrap();
    let error = get(&sender).await.unwrap_err();
    assert!(matches!(error, SendError::Lost { .. }), "{error}");
    assert!(error.sent());
    assert_eq!((received.load(Ordering::SeqCst), server.connections()), (2, 1));
}

#[tokio::test]
async fn a_fresh_connection_that_is_reset_after_the_request_is_lost() {
    let server = Server::scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
        reset(stream);
    })
    .await;
    let error = get(&sender(&server)).await.unwrap_err();
    assert!(matches!(error, SendError::Lost { .. }) && error.sent(), "{error}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn garbage_instead_of_http_is_called_that() {
    for garbage in [
        &b"\x15\x03\x01\x00\x02\x02\x46"[..],
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ] {
        let server = Server::scripted(move |mut stream, _| async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(garbage).await;
            let _ = stream.shutdown().await;
        })
        .await;
        let error = get(&sender(&server)).await.unwrap_err();
        assert!(
            matches!(error, SendError::Garbled { .. }) && error.sent(),
            "{:?}: {error}",
            String::from_utf8_lossy(garbage)
        );
    }
}

#[tokio::test]
async fn a_head_without_end_is_refused_before_it_fills_memory() {
    let server = Server::scripted(|mut stream, _| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        let line = format!("x: {}\r\n", "y".repeat(60_000));
        while stream.write_all(line.as_bytes()).await.is_ok() {}
    })
    .await;
    let error = get(&sender(&server)).await.unwrap_err();
    assert!(matches!(error, SendError::Garbled { .. }), "{error}");
}

#[tokio::test]
async fn a_slow_head_ends_at_the_deadline_as_possibly_sent() {
    let (dropped, mut closed) = tokio::sync::mpsc::channel::<()>(1);
    let server = Server::scripted(move |mut stream, _| {
        let dropped = dropped.clone();
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
            // Until the client goes away.
            read_head(&mut stream).await;
            let _ = dropped.send(()).await;
        }
    })
    .await;
    let sender = sender(&server);
    let started = Instant::now();
    let deadline = started + Duration::from_millis(100);
    let error = sender.send(request(Method::GET, ""), deadline).await.unwrap_err();
    assert!(matches!(error, SendError::Timeout { sent: true }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(2));
    // The connection did not stay behind, although the sender lives on.
    tokio::time::timeout(Duration::from_secs(2), closed.recv()).await.unwrap();
    drop(sender);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_lost_not_short() {
    for tail in [&b"content-length: 10\r\n\r\nhalf"[..], b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let server = Server::scripted(move |mut stream, _| async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
            let _ = stream.write_all(tail).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            reset(stream);
        })
        .await;
        let error = drain(get(&sender(&server)).await.unwrap()).await.unwrap_err();
        assert!(error.sent(), "{error}");
    }
}

#[tokio::test]
async fn dropping_a_body_before_its_end_closes_the_connection() {
    let server = Server::scripted(|mut stream, number| async move {
        read_head(&mut stream).await;
        if number > 0 {
            let _ = stream.write_all(OK).await;
            return;
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        while stream.write_all(b"1\r\nx\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let sender = sender(&server);
    let mut body = get(&sender).await.unwrap().into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "x");
    drop(body);
    assert_eq!(drain(get(&sender).await.unwrap()).await.unwrap(), 2);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn one_sender_reuses_its_connection_and_two_senders_never_share_one() {
    let server = Server::http(async |_| answer(200, "ok")).await;
    let (one, other) = (sender(&server), sender(&server));
    for _ in 0..3 {
        drain(get(&one).await.unwrap()).await.unwrap();
    }
    assert_eq!(server.connections(), 1);
    drain(get(&other).await.unwrap()).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn http_2_requests_share_one_connection_and_a_cancelled_one_leaves_it_alive() {
    let ca = Ca::new();
    let server = Server::tls(ca.server("127.0.0.1", VALID, &["h2"]), async |seen| {
        if seen.head.method == Method::POST {
            std::future::pending::<()>().await;
        }
        answer(200, "ok")
    })
    .await;
    let options = SenderOptions { ca_pem: Some(ca.pem()), ..SenderOptions::default() };
    let address = Address::parse(&format!("https://{}", server.address)).unwrap();
    let sender = Dialer::new().sender(address, &options).unwrap();
    drain(get(&sender).await.unwrap()).await.unwrap();
    let deadline = Instant::now() + Duration::from_millis(50);
    let error = sender.send(request(Method::POST, "body"), deadline).await.unwrap_err();
    assert!(matches!(error, SendError::Timeout { sent: true }), "{error}");
    drain(get(&sender).await.unwrap()).await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_server_that_closes_at_once_never_got_the_request_or_may_have() {
    let server = Server::scripted(|stream, _| async move { drop(stream) }).await;
    for _ in 0..20 {
        // Which of the two it is depends on who is first; that it is never a success or a hang does not.
        match get(&sender(&server)).await.unwrap_err() {
            SendError::Lost { .. } | SendError::Connect(ConnectError::Closed { .. }) => {}
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_stream_that_the_server_refused_unprocessed_was_surely_not_carried_out() {
    let ca = Ca::new();
    let tls = tokio_rustls::TlsAcceptor::from(ca.server("127.0.0.1", VALID, &["h2"]));
    let server = Server::scripted(move |stream, _| {
        let tls = tls.clone();
        async move {
            let mut connection = h2::server::handshake(tls.accept(stream).await.unwrap()).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                respond.send_reset(h2::Reason::REFUSED_STREAM);
            }
        }
    })
    .await;
    let options = SenderOptions { ca_pem: Some(ca.pem()), ..SenderOptions::default() };
    let address = Address::parse(&format!("https://{}", server.address)).unwrap();
    let error = get(&Dialer::new().sender(address, &options).unwrap()).await.unwrap_err();
    assert!(matches!(error, SendError::Declined) && !error.sent(), "{error}");
}

#[tokio::test]
async fn the_time_to_connect_does_not_cut_short_an_answer_that_is_under_way() {
    let server = Server::http(async |_| {
        tokio::time::sleep(Duration::from_millis(200)).await;
        answer(200, "late")
    })
    .await;
    let now = Instant::now();
    let deadline =
        jackfield_net::Deadline { connect: now + Duration::from_millis(50), answer: now + Duration::from_secs(5) };
    let response = sender(&server).send(request(Method::GET, ""), deadline).await.unwrap();
    assert_eq!(drain(response).await.unwrap(), 4);
}
