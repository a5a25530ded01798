//! A small HTTP/1.1 client over one connection a request. It exists so that asking a peer directly shares no code with
//! what is under test, and so that a test can see a body arrive line by line.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

/// How long a peer may keep silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// A whole response.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> io::Result<Value> {
        serde_json::from_slice(&self.body)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{error} in {:.200}", self.text())))
    }
}

/// A response whose body is still arriving.
#[derive(Debug)]
pub struct Streaming {
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    body: BufReader<Body>,
}

impl Streaming {
    /// The next line without its end; none when the body is over. Fails with `WouldBlock` after the silence allowed.
    pub fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        if self.body.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        Ok(Some(line.trim_end_matches(['\r', '\n']).to_string()))
    }
}

/// Reads a resource of the server at `address` (`host:port`).
pub fn get(address: &str, path: &str) -> io::Result<Response> {
    request(address, "GET", path, &[], b"")
}

/// Reads a resource and takes its body for JSON, whatever the status.
pub fn get_json(address: &str, path: &str) -> io::Result<Value> {
    get(address, path)?.json()
}

/// Posts JSON.
pub fn post_json(address: &str, path: &str, body: &Value) -> io::Result<Response> {
    request(address, "POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
}

/// Any request; the whole response.
pub fn request(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Response> {
    let Streaming { status, headers, body: mut reader } = open(address, method, path, headers, body, PATIENCE)?;
    let mut body = Vec::new();
    reader.read_to_end(&mut body)?;
    Ok(Response { status, headers, body })
}

/// Any request; returns when the response's head is there. `silence` bounds each wait for more of it.
pub fn open(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    silence: Duration,
) -> io::Result<Streaming> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(silence))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method != "GET" {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;

    let mut reader = BufReader::new(stream);
    loop {
        let (status, headers) = read_head(&mut reader)?;
        if status == 100 {
            continue;
        }
        let chunked = find(&headers, "transfer-encoding").is_some_and(|value| value.contains("chunked"));
        let length = find(&headers, "content-length").and_then(|value| value.parse().ok());
        let left = match (method, status, chunked, length) {
            ("HEAD", ..) | (_, 204 | 304, ..) => Left::Bytes(0),
            (_, _, true, _) => Left::Chunk(0),
            (_, _, false, Some(length)) => Left::Bytes(length),
            (_, _, false, None) => Left::ToEnd,
        };
        return Ok(Streaming { status, headers, body: BufReader::new(Body { reader, left }) });
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn read_head(reader: &mut impl BufRead) -> io::Result<(u16, Vec<(String, String)>)> {
    let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("not an HTTP response: {what}"));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|word| word.trim().parse().ok()).ok_or_else(|| broken(&line))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let text = line.trim_end();
        if text.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = text.split_once(':').ok_or_else(|| broken(text))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_string()));
    }
}

/// What is left of a body.
#[derive(Debug)]
enum Left {
    Bytes(u64),
    /// So many bytes of the current chunk; at 0 the next chunk's head follows.
    Chunk(u64),
    ToEnd,
}

#[derive(Debug)]
struct Body {
    reader: BufReader<TcpStream>,
    left: Left,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Left::Chunk(0) = self.left {
            self.left = match self.next_chunk()? {
                0 => Left::Bytes(0),
                size => Left::Chunk(size),
            };
        }
        let most = match self.left {
            Left::Bytes(left) | Left::Chunk(left) => buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX)),
            Left::ToEnd => buffer.len(),
        };
        if most == 0 {
            return Ok(0);
        }
        let read = self.reader.read(&mut buffer[..most])?;
        match &mut self.left {
            Left::ToEnd => {}
            Left::Bytes(_) | Left::Chunk(_) if read == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Left::Bytes(left) => *left -= read as u64,
            Left::Chunk(left) => {
                *left -= read as u64;
                if *left == 0 {
                    self.reader.read_line(&mut String::new())?;
                }
            }
        }
        Ok(read)
    }
}

impl Body {
    fn next_chunk(&mut self) -> io::Result<u64> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let size = line.trim_end().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("not a chunk size: {line:?}")))?;
        if size == 0 {
            self.reader.read_line(&mut line)?;
        }
        Ok(size)
    }
}

/// A text percent-encoded for use as a query parameter's value or a path segment.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte as char),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn serve(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn a_chunked_body_arrives_whole() {
        let address =
            serve("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n");
        assert_eq!(get(&address, "/").unwrap().text(), "abcde");
    }

    #[test]
    fn a_body_that_breaks_off_is_an_error() {
        let address = serve("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        assert_eq!(get(&address, "/").unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        assert!(get(&serve("garbage\r\n\r\n"), "/").is_err());
    }
}
