//! A web server that serves a folder, as any host of static files does: with the states of files as their `ETag`.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash as _, Hasher as _},
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// A web server of one folder. It ends with the test program.
#[derive(Debug)]
pub struct WebFolder {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl WebFolder {
    /// Serves what is in a folder at the moment of each request.
    pub fn serve(folder: &Path) -> WebFolder {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (folder, seen) = (folder.to_owned(), asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, seen) = (folder.clone(), seen.clone());
                thread::spawn(move || answer(stream, &folder, &seen));
            }
        });
        WebFolder { url, asked }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What was asked for since the last time this was called, with the status of each answer: `200 /index.json`.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn answer(mut stream: TcpStream, folder: &Path, asked: &Mutex<Vec<String>>) {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => seen.extend_from_slice(&buffer[..read]),
        }
    }
    let head = String::from_utf8_lossy(&seen);
    let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
    let known = head.lines().find_map(|line| line.strip_prefix("if-none-match: ")).map(str::to_owned);
    let file: PathBuf = folder.join(path.trim_start_matches('/'));
    let (status, etag, body) = match fs::read(file) {
        Ok(bytes) => {
            let mut state = DefaultHasher::new();
            bytes.hash(&mut state);
            let etag = format!("\"{:016x}\"", state.finish());
            if known.as_ref() == Some(&etag) { (304, etag, Vec::new()) } else { (200, etag, bytes) }
        }
        Err(_) => (404, String::new(), Vec::new()),
    };
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{status} {path}"));
    let etag = if etag.is_empty() { etag } else { format!("etag: {etag}\r\n") };
    let head = format!("HTTP/1.1 {status} X\r\n{etag}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    // Who hangs up has what he wanted.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}
