//! Registries that are asked through a proxy.

mod support;

use std::sync::{Arc, Mutex};

use jackfield_oci::{OciError, Options, Proxy, Repository};
use support::{Fake, client_with, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

/// A proxy that answers this, and where that is a yes leads to a port on loopback whatever it is asked for; what it is
/// asked with.
async fn proxy(answer: &'static str, port: u16) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap().to_string(), Arc::<Mutex<Vec<String>>>::default());
    let log = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(near.read_u8().await.unwrap());
            }
            log.lock().unwrap().push(String::from_utf8(head).unwrap());
            near.write_all(answer.as_bytes()).await.unwrap();
            if answer.contains(" 200 ") {
                let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        }
    });
    (address, asked)
}

async fn registry() -> (Fake, String) {
    Fake::tls("registry.test", |_| json(r#"{"tags":["1"]}"#)).await
}

fn repository() -> Repository {
    "oci://registry.test:7443/acme/etcd".parse().unwrap()
}

#[tokio::test]
async fn a_registry_is_asked_through_the_proxy_and_knows_nothing_of_its_password() {
    let (fake, ca) = registry().await;
    let (address, asked) = proxy("HTTP/1.1 200 yes\r\nx: y\r\n\r\n", fake.address.port()).await;
    let proxy = Proxy::new(&format!("http://user:hunter2@{address}"), "").unwrap();
    let client = client_with(Options { ca_pem: Some(ca), proxy: Some(proxy), ..Options::default() });
    assert_eq!(client.tags(&repository()).await.unwrap(), ["1"]);
    let expected = "CONNECT registry.test:7443 HTTP/1.1\r\nhost: registry.test:7443\r\nproxy-authorization: Basic \
                    dXNlcjpodW50ZXIy\r\n\r\n";
    assert_eq!(*asked.lock().unwrap(), [expected]);
    assert!(fake.asked().iter().all(|asked| !asked.headers.contains_key("proxy-authorization")));
}

#[tokio::test]
async fn an_excepted_registry_is_asked_directly() {
    let (fake, ca) = registry().await;
    let (address, asked) = proxy("HTTP/1.1 200 yes\r\n\r\n", 1).await;
    let proxy = Proxy::new(&address, "other.test,registry.test").unwrap();
    let client = client_with(Options { ca_pem: Some(ca), proxy: Some(proxy), ..Options::default() });
    let repository = format!("oci://registry.test:{}/acme/etcd", fake.address.port()).parse().unwrap();
    assert_eq!(client.tags(&repository).await.unwrap(), ["1"]);
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_proxy_that_does_not_lead_on_is_named_with_what_to_do() {
    let endless = Box::leak(format!("HTTP/1.1 403 {}", "x".repeat(20_000)).into_boxed_str());
    for (answer, expected) in [
        ("HTTP/1.1 407 no\r\n\r\n", "wants credentials"),
        ("HTTP/1.1 403 no\r\n\r\n", "403"),
        ("hello\r\n\r\n", "not HTTP"),
        (endless, "too long"),
    ] {
        let (address, _asked) = proxy(answer, 1).await;
        let proxy = Proxy::new(&format!("http://user:hunter2@{address}"), "").unwrap();
        let error =
            client_with(Options { proxy: Some(proxy), ..Options::default() }).tags(&repository()).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(matches!(error, OciError::Send { .. }) && text.contains(expected) && text.contains(&address), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
