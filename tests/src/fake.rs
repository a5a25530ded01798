//! Outside systems that misbehave as no real one will on demand. They speak just enough to be wrong.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::Duration,
};

/// How a fake answers.
#[derive(Debug, Clone)]
pub enum Fake {
    /// It takes the connection and the request and never says anything.
    Silent,
    /// It answers every request with these bytes and closes.
    Says(Vec<u8>),
    /// It answers with a head that promises a body, and sends one byte of it every so often.
    Drips(Duration),
    /// It reads the request and closes the connection without a word.
    HangsUp,
}

impl Fake {
    /// An HTTP answer of this status, type and body.
    pub fn answers(status: u16, content_type: &str, body: &str) -> Fake {
        let length = body.len();
        Fake::Says(
            format!(
                "HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
                 connection: close\r\n\r\n{body}"
            )
            .into(),
        )
    }

    /// Starts it on a free port; its address as a URL. It ends with the test program.
    pub fn start(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let fake = self.clone();
                std::thread::spawn(move || fake.answer(stream));
            }
        });
        url
    }

    fn answer(self, mut stream: TcpStream) {
        // One request's head is enough to be sure that it was sent.
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(read) => seen.extend_from_slice(&buffer[..read]),
            }
        }
        match self {
            Fake::HangsUp => {}
            Fake::Silent => std::thread::sleep(Duration::from_secs(120)),
            Fake::Says(bytes) => {
                let _ = stream.write_all(&bytes);
            }
            Fake::Drips(every) => {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n");
                while stream.write_all(b" ").is_ok() {
                    std::thread::sleep(every);
                }
            }
        }
    }
}
