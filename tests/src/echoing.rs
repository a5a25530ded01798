//! An outside system that gives back what it was sent, headers included, in every form that has been seen in the field: as
//! it is, in an error, in a redirect, compressed, encoded, escaped, in many pieces.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use flate2::{Compression, write::GzEncoder};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The paths, each a way to give a request back.
pub const WAYS: [&str; 11] = [
    "/plain",
    "/error",
    "/redirect",
    "/gzip",
    "/base64",
    "/url-safe",
    "/hex",
    "/json",
    "/percent",
    "/pieces",
    "/header",
];

/// An outside system that repeats what it is sent. It ends with the test program.
#[derive(Clone, Debug)]
pub struct Echoing {
    url: String,
    answered: Arc<AtomicU64>,
}

impl Echoing {
    /// Starts one.
    pub fn start() -> Echoing {
        Echoing::serving("http", serve)
    }

    /// Starts one that is spoken to by TLS.
    pub fn with_tls(config: Arc<ServerConfig>) -> Echoing {
        Echoing::serving("https", move |stream, count| {
            let connection = ServerConnection::new(config.clone()).expect("the configuration is a server's");
            serve(StreamOwned::new(connection, stream), count);
        })
    }

    fn serving(scheme: &str, serve: impl Fn(TcpStream, &AtomicU64) + Clone + Send + 'static) -> Echoing {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let answered = Arc::new(AtomicU64::new(0));
        let count = answered.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (count, serve) = (count.clone(), serve.clone());
                thread::spawn(move || serve(stream, &count));
            }
        });
        Echoing { url, answered }
    }

    /// Its address as a URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many requests it has answered.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: impl Read + Write, answered: &AtomicU64) {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap_or(0);
        if read == 0 {
            return;
        }
        head.extend_from_slice(&buffer[..read]);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let request = String::from_utf8_lossy(&head).into_owned();
        head.clear();
        answered.fetch_add(1, Ordering::SeqCst);
        if answer(&mut stream, &request).is_err() {
            return;
        }
    }
}

fn answer(stream: &mut impl Write, request: &str) -> std::io::Result<()> {
    let path = request.split(' ').nth(1).unwrap_or_default();
    let way = path.split('?').next().unwrap_or_default();
    let credential = request.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
    let value = credential.and_then(|line| line.split_once(": ")).map_or("none", |(_, value)| value);
    let (status, headers, body) = match way {
        "/error" => ("500 Internal Server Error", String::new(), format!("could not handle\n{request}").into_bytes()),
        "/redirect" => {
            let target = format!("location: http://elsewhere.invalid/?then={path}&auth={value}\r\n");
            ("302 Found", target, Vec::new())
        }
        "/gzip" => ("200 OK", "content-encoding: gzip\r\n".to_owned(), gzip(request)),
        "/base64" => ("200 OK", String::new(), STANDARD.encode(request).into_bytes()),
        "/url-safe" => ("200 OK", String::new(), URL_SAFE_NO_PAD.encode(request).into_bytes()),
        "/hex" => {
            let digit = |(i, byte): (usize, u8)| if i % 2 == 0 { format!("{byte:02x}") } else { format!("{byte:02X}") };
            ("200 OK", String::new(), request.bytes().enumerate().map(digit).collect::<String>().into_bytes())
        }
        "/json" => {
            let escape = |(i, byte): (usize, u8)| match i % 3 {
                0 => format!("\\u00{byte:02x}"),
                _ => char::from(byte).to_string().replace('\\', "\\\\").replace('"', "\\\""),
            };
            let text: String = request.bytes().enumerate().map(escape).collect();
            ("200 OK", String::new(), format!("{{\"request\":\"{text}\"}}").into_bytes())
        }
        "/percent" => {
            let text: String = request.bytes().map(|byte| format!("%{byte:02X}")).collect();
            ("200 OK", String::new(), text.into_bytes())
        }
        "/pieces" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            for byte in request.bytes() {
                stream.write_all(&[b'1', b'\r', b'\n', byte, b'\r', b'\n'])?;
                if byte == b'-' {
                    stream.flush()?;
                    thread::yield_now();
                }
            }
            return stream.write_all(b"0\r\n\r\n");
        }
        "/header" => ("200 OK", format!("x-seen: {value}\r\nx-path: {path}\r\n"), Vec::new()),
        _ => ("200 OK", String::new(), request.as_bytes().to_vec()),
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), &body].concat())
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}
