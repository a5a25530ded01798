//! Syslog, by datagrams (RFC 5426, or the machine's own socket) and by streams (RFC 6587 with counted octets, RFC 5425 with
//! TLS).
//!
//! The protocol has no answers, so nobody ever says what has arrived. A datagram that is lost is lost. Of a stream whose
//! connection breaks it is not known what was read of it: what was sent last is sent once more on the next one, so a
//! receiver may see a record twice; it knows it by `chain` and `seq`.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use jackfield_net::{Address, Connection, Datagrams, Dialer, SenderOptions};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::{Deliver, Failed, Taken, rfc5424::Origin};
use crate::trail::Batch;

/// The longest datagram, in bytes: what the receivers we know take unless told otherwise.
const MAX_DATAGRAM: usize = 8 << 10;
/// How much of what was sent last is kept, in bytes: about what a connection may hold that the other side has not read.
const RECENT: usize = 256 << 10;
/// How long a receiver may read nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// One datagram a record.
pub(super) struct Datagram {
    dialer: Arc<Dialer>,
    address: Address,
    origin: Origin,
    socket: Option<Datagrams>,
}

impl Datagram {
    pub(super) fn new(dialer: Arc<Dialer>, address: Address) -> Self {
        Self { dialer, address, origin: Origin::of_this_process(), socket: None }
    }
}

#[async_trait]
impl Deliver for Datagram {
    async fn deliver(&mut self, batch: &Batch<'_>) -> Result<Taken, Failed> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => {
                let options = SenderOptions::of_the_operator(None);
                let opened = self.dialer.datagrams(self.address.clone(), &options).await;
                opened.map_err(|error| error.to_string())?
            }
        };
        let records = batch.entries.iter().map(|entry| self.origin.record(batch, entry, Some(MAX_DATAGRAM)));
        for message in self.origin.loss(batch).into_iter().chain(records) {
            let sent = timeout(PATIENCE, socket.send(message.as_bytes())).await;
            sent.map_err(|_| "the receiver takes nothing")??;
        }
        self.socket = Some(socket);
        Ok(Taken::default())
    }
}

/// A stream of messages, each behind its length.
pub(super) struct Octets {
    dialer: Arc<Dialer>,
    address: Address,
    options: SenderOptions,
    origin: Origin,
    /// Not there while something is written, so that a stream that broke within a message is not written on.
    stream: Option<Connection>,
    recent: Recent,
}

/// What was sent last.
#[derive(Default)]
struct Recent {
    batches: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Octets {
    pub(super) fn new(dialer: Arc<Dialer>, address: Address, ca_pem: Option<String>) -> Self {
        let options = SenderOptions::of_the_operator(ca_pem);
        let origin = Origin::of_this_process();
        Self { dialer, address, options, origin, stream: None, recent: Recent::default() }
    }

    /// A stream that is open as far as is known. On a new one, what was sent last comes first.
    async fn stream(&mut self) -> Result<Connection, Failed> {
        if let Some(mut stream) = self.stream.take()
            && is_open(&mut stream)
        {
            return Ok(stream);
        }
        let connected = self.dialer.connect(self.address.clone(), &self.options).await;
        let mut stream = connected.map_err(|error| error.to_string())?;
        for sent in &self.recent.batches {
            write(&mut stream, sent).await?;
        }
        Ok(stream)
    }
}

#[async_trait]
impl Deliver for Octets {
    async fn deliver(&mut self, batch: &Batch<'_>) -> Result<Taken, Failed> {
        let mut stream = self.stream().await?;
        let records = batch.entries.iter().map(|entry| self.origin.record(batch, entry, None));
        let mut bytes = Vec::new();
        for message in self.origin.loss(batch).into_iter().chain(records) {
            bytes.extend_from_slice(format!("{} {message}", message.len()).as_bytes());
        }
        write(&mut stream, &bytes).await?;
        self.stream = Some(stream);
        self.recent.add(bytes);
        Ok(Taken::default())
    }
}

impl Recent {
    fn add(&mut self, batch: Vec<u8>) {
        self.bytes += batch.len();
        self.batches.push_back(batch);
        while self.bytes > RECENT && self.batches.len() > 1 {
            self.bytes -= self.batches.pop_front().map_or(0, |gone| gone.len());
        }
    }
}

/// A receiver of syslog says nothing: whatever there is to read is the end, or nothing we want.
fn is_open(stream: &mut Connection) -> bool {
    let mut said = [0; 256];
    !matches!(stream.read(&mut said).now_or_never(), Some(Ok(0) | Err(_)))
}

async fn write(stream: &mut Connection, bytes: &[u8]) -> Result<(), Failed> {
    let written = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    let written = timeout(PATIENCE, written).await.map_err(|_| "the receiver reads nothing")?;
    written.map_err(|error| Failed::from(format!("the connection broke: {error}")))
}
