//! Plugins from a web server: a file, its signature beside it, and servers that lead elsewhere or never end.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use jackfield_fetch::{FetchError, Fetched, Fetcher, Options, Place};
use jackfield_registry::Digest;
use jackfield_trust::Evidence;

/// The most that is taken here.
const MOST: usize = 1_000;

/// Serves whole answers by path, on a free port; ends with the test program. An answer ends where it does, or never.
fn serve(answers: &[(&str, Vec<u8>)], endless: &'static str) -> String {
    let answers: BTreeMap<String, Vec<u8>> =
        answers.iter().map(|(path, answer)| ((*path).to_owned(), answer.clone())).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answers = answers.clone();
            thread::spawn(move || {
                let mut head = [0; 4096];
                let read = stream.read(&mut head).unwrap_or_default();
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default();
                let answer = answers.get(path).cloned().unwrap_or_else(|| answer("404 Not Found", "", b"nothing"));
                let mut alive = stream.write_all(&answer).is_ok();
                while alive && path == endless {
                    alive = stream.write_all(&[b'x'; 1024]).is_ok();
                }
            });
        }
    });
    url
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

async fn fetch(url: &str) -> Result<Fetched, FetchError> {
    let place: Place = url.parse().unwrap();
    Fetcher::alone(Options::default()).unwrap().fetch(&place, MOST).await
}

#[tokio::test]
async fn a_file_comes_with_the_signature_beside_it() {
    let url = serve(
        &[
            ("/a.wasm", answer("200 OK", "", b"file")),
            ("/a.wasm.sigstore.json", answer("200 OK", "", b"{}")),
            ("/b.wasm", answer("200 OK", "", b"other")),
        ],
        "",
    );
    let signed = fetch(&format!("{url}/a.wasm")).await.unwrap();
    assert_eq!((&*signed.file, signed.signed), (&b"file"[..], Digest::of(b"file")));
    assert_eq!(signed.evidence, [Evidence::Bundle(b"{}".to_vec())]);
    let unsigned = fetch(&format!("{url}/b.wasm")).await.unwrap();
    assert!(unsigned.evidence.is_empty());
    assert_eq!((unsigned.origin.as_str(), &unsigned.pinned), (&*format!("{url}/b.wasm"), &format!("{url}/b.wasm")));
}

#[tokio::test]
async fn a_server_that_leads_elsewhere_or_fails_is_told_and_not_followed() {
    let elsewhere = serve(&[("/a.wasm", answer("200 OK", "", b"file"))], "");
    let url = serve(
        &[
            ("/led.wasm", answer("302 Found", &format!("location: {elsewhere}/a.wasm\r\n"), b"")),
            ("/broken.wasm", answer("500 Oops", "", b"s3cret")),
            ("/half.wasm", answer("200 OK", "", b"file")),
            ("/half.wasm.sigstore.json", answer("503 Later", "", b"")),
        ],
        "",
    );
    for (path, status) in [("led.wasm", 302), ("broken.wasm", 500), ("half.wasm", 503), ("nothing.wasm", 404)] {
        let error = fetch(&format!("{url}/{path}")).await.unwrap_err();
        assert!(matches!(error, FetchError::Status { status: found, .. } if found == status), "{path}: {error}");
        assert_eq!(error.is_not_found(), status == 404);
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn more_than_is_taken_is_not_taken() {
    let begun = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    let lied = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\nonly".to_vec();
    let url = serve(
        &[("/long.wasm", answer("200 OK", "", &[0; MOST + 1])), ("/endless.wasm", begun), ("/short.wasm", lied)],
        "/endless.wasm",
    );
    for path in ["long.wasm", "endless.wasm"] {
        let error = fetch(&format!("{url}/{path}")).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge { most: MOST, .. }), "{path}: {error}");
    }
    let error = fetch(&format!("{url}/short.wasm")).await.unwrap_err();
    assert!(matches!(error, FetchError::Send { .. }), "{error}");
}

#[tokio::test]
async fn neither_a_clouds_metadata_nor_a_stranger_without_tls_is_asked() {
    for place in [
        "https://169.254.169.254/latest/meta-data.wasm",
        "http://plugins.example/a.wasm",
        "http://169.254.169.254/a.wasm",
    ] {
        let error = fetch(place).await.unwrap_err();
        assert!(
            matches!(error, FetchError::Connect { .. } | FetchError::Send { .. } | FetchError::Plain { .. }),
            "{error}"
        );
    }
}
