//! How records are handed to one kind of sink or another. Whoever delivers keeps nothing that matters: what was not handed
//! over is handed in again, until it is.

mod file;
mod http;
mod otlp;
mod rfc5424;
mod syslog;
mod webhook;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jackfield_net::Dialer;
use jackfield_vault::Vault;

use crate::{Sink, spec::To, trail::Batch};

/// Hands records over.
#[async_trait]
pub(crate) trait Deliver: Send {
    /// Hands over all of them, and returns when the other side has them, as far as it says so. Where it fails some may have
    /// arrived; the same ones are handed in again. The future may be dropped.
    async fn deliver(&mut self, batch: &Batch<'_>) -> Result<Taken, Failed>;
}

/// What the other side has taken.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// How many of them it refused for good.
    pub(crate) refused: u64,
    /// What it said about that.
    pub(crate) words: String,
}

/// Why it has not.
#[derive(Debug, Default)]
pub(crate) struct Failed {
    pub(crate) reason: String,
    /// When it wants to be asked again.
    pub(crate) retry_after: Option<Duration>,
    /// It would take fewer at once.
    pub(crate) too_large: bool,
}

impl<T: Into<String>> From<T> for Failed {
    fn from(reason: T) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }
}

/// Who delivers to a sink. Fails where it could never work: a file of certificates that is none, an address nobody may dial.
pub(crate) fn to(sink: &Sink, dialer: &Arc<Dialer>, vault: &Arc<Vault>) -> Result<Box<dyn Deliver>, String> {
    Ok(match &sink.to {
        To::File(path) => Box::new(file::ToFile::new(path)),
        To::SyslogDatagrams(address) => Box::new(syslog::Datagram::new(dialer.clone(), address.clone())),
        To::SyslogStream { address, ca_file } => {
            Box::new(syslog::Octets::new(dialer.clone(), address.clone(), http::roots(ca_file.as_deref())?))
        }
        To::Otlp(http) => Box::new(otlp::Otlp(http::Client::new(http, dialer, vault)?)),
        To::Webhook(http) => Box::new(webhook::Webhook(http::Client::new(http, dialer, vault)?)),
    })
}
