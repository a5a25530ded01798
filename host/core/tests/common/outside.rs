//! An outside system on the loopback interface, as slow or broken as its path says.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

pub struct Outside {
    pub url: String,
    requests: Arc<AtomicU32>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Outside {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicU32::new(0));
        let counter = requests.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, counter.clone()));
            }
        });
        Self { url, requests, accepting }
    }

    /// From now on nobody listens there.
    pub fn stop(&self) {
        self.accepting.abort();
    }

    pub fn requests(&self) -> u32 {
        self.requests.load(Ordering::SeqCst)
    }
}

/// One request a connection.
async fn serve(mut connection: TcpStream, requests: Arc<AtomicU32>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 1024];
        match connection.read(&mut piece).await {
            Ok(n) if n > 0 => head.extend_from_slice(&piece[..n]),
            _ => return,
        }
    }
    requests.fetch_add(1, Ordering::SeqCst);
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    if let Some(kib) = path.strip_prefix("/kib/").and_then(|kib| kib.parse::<usize>().ok()) {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", kib << 10);
        let _ = connection.write_all(&[head.into_bytes(), vec![b'x'; kib << 10]].concat()).await;
        return;
    }
    let answer: &[u8] = match path {
        // The first of a kind is dropped without an answer, and later ones are answered.
        "/flaky" if requests.load(Ordering::SeqCst) == 1 => b"",
        "/slow" => return std::future::pending().await,
        "/later" => {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"
        }
        "/garbage" => b"\x16\x03\x01 this is no HTTP at all\r\n\r\n",
        "/cut" => b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nonly this",
        "/close" => b"",
        "/redirect" => b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
        // An Alertmanager that nobody has seen yet.
        "/api/v2/status" => {
            b"HTTP/1.1 200 OK\r\ncontent-length: 64\r\n\r\n\
            {\"cluster\":{\"status\":\"ready\"},\"versionInfo\":{\"version\":\"9.9.0\"}}"
        }
        _ => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    };
    let _ = connection.write_all(answer).await;
    let _ = connection.shutdown().await;
}
