//! Connections for what is not HTTP: opened like a sender's, judged like a sender's.

mod support;

use jackfield_net::{Address, ConnectError, Dialer, SenderOptions, TlsError};
use support::{
    Names,
    certificates::{Ca, VALID},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
};
use tokio_rustls::TlsAcceptor;

fn address(url: &str) -> Address {
    Address::parse(url).unwrap()
}

#[tokio::test]
async fn a_stream_over_tls_names_no_protocol_and_trusts_whom_it_is_told_to() {
    let ca = Ca::new();
    // A server that would end the handshake of a client that offers HTTP only.
    let acceptor = TlsAcceptor::from(ca.server("logs.example", VALID, &["syslog"]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://logs.example:{}", listener.local_addr().unwrap().port());
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            return said;
        }
    });
    let dialer = Dialer::new().with_resolver(Names::default().with("logs.example", &[&["127.0.0.1"], &["127.0.0.1"]]));
    let stranger = SenderOptions::of_the_operator(Some(Ca::new().pem()));
    let refused = dialer.connect(address(&url), &stranger).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Tls(TlsError::UnknownIssuer { .. })), "{refused}");
    let mut stream = dialer.connect(address(&url), &SenderOptions::of_the_operator(Some(ca.pem()))).await.unwrap();
    stream.write_all(b"5 hello").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(server.await.unwrap(), "5 hello");
}

#[tokio::test]
async fn datagrams_go_to_a_judged_address_only() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://logs.example:{}", socket.local_addr().unwrap().port());
    let dialer = Dialer::new().with_resolver(Names::default().with("logs.example", &[&["127.0.0.1"], &["127.0.0.1"]]));
    let refused = dialer.datagrams(address(&url), &SenderOptions::default()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Refused { .. }), "{refused}");
    let datagrams = dialer.datagrams(address(&url), &SenderOptions::of_the_operator(None)).await.unwrap();
    datagrams.send(b"hello").await.unwrap();
    let mut buffer = [0; 16];
    assert_eq!(socket.recv(&mut buffer).await.unwrap(), 5);
}

#[cfg(unix)]
#[tokio::test]
async fn datagrams_go_to_a_socket_of_the_machines_and_a_missing_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let url = format!("unix://{}", path.display());
    let options = SenderOptions::of_the_operator(None);
    let missing = Dialer::new().datagrams(address(&url), &options).await.unwrap_err().to_string();
    assert!(missing.contains("no such socket") && missing.contains("/log"), "{missing}");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    Dialer::new().datagrams(address(&url), &options).await.unwrap().send(b"hello").await.unwrap();
    let mut buffer = [0; 16];
    assert_eq!(socket.recv(&mut buffer).await.unwrap(), 5);
}
