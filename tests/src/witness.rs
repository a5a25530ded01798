//! Outside systems that remember every byte they are sent: one that an integration was granted, and one next to it that it
//! was not.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use crate::wire::request_length;

/// A server on loopback. It ends with the test program.
#[derive(Debug)]
pub struct Witness {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What has reached it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Connections.
    pub connections: usize,
    /// Requests as they stood on the wire: head and body, the body as long as the head says.
    pub requests: Vec<String>,
}

impl Witness {
    /// Starts one on an address of this machine. `/redirect` it answers with a redirect to `elsewhere`.
    pub fn start(ip: &str, elsewhere: &str) -> Witness {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (remembered, elsewhere) = (seen.clone(), elsewhere.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                lock(&remembered).connections += 1;
                let (remembered, elsewhere) = (remembered.clone(), elsewhere.clone());
                thread::spawn(move || serve(stream, &remembered, &elsewhere));
            }
        });
        Witness { address, seen }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has reached it since this was asked for the last time.
    pub fn take(&self) -> Seen {
        std::mem::take(&mut *lock(&self.seen))
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers request after request. What is no request is remembered as one all the same.
fn serve(mut stream: TcpStream, seen: &Mutex<Seen>, elsewhere: &str) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        while let Some(len) = request_length(&read) {
            let request = String::from_utf8_lossy(&read[..len]).into_owned();
            read.drain(..len);
            let redirects = request.split(' ').nth(1).is_some_and(|path| path.starts_with("/redirect"));
            lock(seen).requests.push(request);
            let answer = match redirects {
                true => {
                    format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n")
                }
                false => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(),
            };
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(len) => read.extend_from_slice(&buffer[..len]),
        }
    }
    if !read.is_empty() {
        lock(seen).requests.push(String::from_utf8_lossy(&read).into_owned());
    }
}
