//! An outside system that answers at once, never ends, or is cut off, as a test wants it.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// An outside system. It ends with the test program.
#[derive(Debug)]
pub struct Outside {
    url: String,
    open: Connections,
}

/// The open connections, by number.
#[derive(Clone, Debug, Default)]
struct Connections(Arc<Mutex<BTreeMap<u64, TcpStream>>>);

impl Outside {
    /// Starts one that answers every path with `hello`, but for `/never`, whose body never ends.
    pub fn start() -> Outside {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let open = Connections::default();
        let served = open.clone();
        thread::spawn(move || {
            for (number, stream) in (0..).zip(listener.incoming().flatten()) {
                let Ok(kept) = stream.try_clone() else { continue };
                served.all().insert(number, kept);
                let served = served.clone();
                thread::spawn(move || {
                    serve(stream);
                    served.all().remove(&number);
                });
            }
        });
        Outside { url, open }
    }

    /// Its address as a URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends every connection, whatever is under way on it.
    pub fn cut(&self) {
        for stream in self.open.all().values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Connections {
    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, TcpStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap_or(0);
        if read == 0 {
            return;
        }
        let never = buffer[..read].windows(6).any(|w| w == b"/never");
        let answer: &[u8] = match never {
            true => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
            false => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        };
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}
