//! An outside system that makes tokens, and repeats in its answer whatever it is told and whatever it has made.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::wire::request_length;

/// A system that makes tokens. It ends with the test program.
#[derive(Debug)]
pub struct Maker {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
    failing: Arc<AtomicBool>,
}

impl Maker {
    /// Starts one.
    pub fn start() -> Maker {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, failing) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let (remembered, fails) = (seen.clone(), failing.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, failing) = (remembered.clone(), fails.clone());
                thread::spawn(move || serve(stream, &seen, &failing));
            }
        });
        Maker { url, seen, failing }
    }

    /// Its address as a URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Has it take nothing back from now on, or again.
    pub fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    /// The requests that have reached it, whose first line holds a text: head and body.
    pub fn seen(&self, holding: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first = |request: &&String| request.lines().next().is_some_and(|line| line.contains(holding));
        seen.iter().filter(first).cloned().collect()
    }
}

/// The token that it makes for a request, which is its so-many-th.
pub fn token(number: usize) -> String {
    format!("tok.{number}-made+by/the=system")
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<String>>, failing: &AtomicBool) {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(len) => read.extend_from_slice(&buffer[..len]),
        }
        let Some(length) = request_length(&read) else { continue };
        let request = String::from_utf8_lossy(&read[..length]).into_owned();
        read.drain(..length);
        let (first, body) = (request.lines().next().unwrap_or_default().to_owned(), body(&request));
        let number = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(request.clone());
            seen.iter().filter(|request| request.starts_with("POST /made")).count()
        };
        let token = token(number);
        let (status, headers, body) = match first.split(' ').nth(1).unwrap_or_default() {
            path if path.starts_with("/made") => {
                let told: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
                let answer = serde_json::json!({"token": token, "again": format!("<{token}>"), "told": told});
                ("200 OK", format!("x-token: {token}\r\n"), answer.to_string())
            }
            path if path.starts_with("/revoke") && failing.load(Ordering::SeqCst) => {
                ("503 Service Unavailable", String::new(), "not now".to_owned())
            }
            _ => ("200 OK", String::new(), "{}".to_owned()),
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn body(request: &str) -> String {
    request.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned())
}
