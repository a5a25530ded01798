//! A guest's standard output and error: lines of its log. Panic messages arrive here, which is why the last line is kept
//! for the error that a crash becomes.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

use crate::{CallContext, LogLevel, Services};

/// A line longer than this is cut in two.
const MAX_LINE: usize = 4096;

/// What the log needs to know of the call under way.
pub(crate) struct Current {
    pub(crate) services: Arc<Services>,
    said: Mutex<Said>,
}

/// The call under way and the last line on standard error within it.
#[derive(Default)]
struct Said {
    call: Option<CallContext>,
    last_words: Option<String>,
}

impl Current {
    pub(crate) fn new(services: Arc<Services>) -> Self {
        Self { services, said: Mutex::default() }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, call: CallContext) {
        let old = std::mem::replace(&mut *self.said(), Said { call: Some(call), last_words: None });
        drop(old);
    }

    pub(crate) fn call(&self) -> Option<CallContext> {
        self.said().call.clone()
    }

    pub(crate) fn take_last_words(&self) -> Option<String> {
        self.said().last_words.take()
    }

    pub(crate) fn log(&self, level: LogLevel, message: &str) {
        if let Some(call) = self.call() {
            self.services.log.write(&call, level, message);
        }
    }

    fn hear(&self, line: String) {
        // A panic is two lines: the place and the message. Later hints ("note: …") say nothing new.
        match &mut self.said().last_words {
            Some(words) if words.len() + line.len() < 1024 => {
                words.push(' ');
                words.push_str(&line);
            }
            Some(_) => {}
            none => *none = Some(line),
        }
    }
}

/// Standard output or standard error of one instance.
#[derive(Clone)]
pub(crate) struct LogStream {
    pub(crate) current: Arc<Current>,
    pub(crate) level: LogLevel,
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Lines { stream: self.clone(), line: Vec::new() })
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Lines { stream: self.clone(), line: Vec::new() })
    }
}

struct Lines {
    stream: LogStream,
    line: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                b'\n' => self.flush_line(),
                b'\r' => {}
                byte => {
                    self.line.push(byte);
                    if self.line.len() >= MAX_LINE {
                        self.flush_line();
                    }
                }
            }
        }
    }

    fn flush_line(&mut self) {
        if self.line.is_empty() {
            return;
        }
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        self.stream.current.log(self.stream.level, &line);
        if self.stream.level == LogLevel::Error {
            self.stream.current.hear(line);
        }
    }
}

// Written to at once, not through a task of its own: the last words must be there when the trap is.
#[async_trait::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl AsyncWrite for Lines {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flush_line();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.flush_line();
    }
}
