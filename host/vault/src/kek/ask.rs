//! Key sources that are asked over HTTP: one question, one answer, both in JSON.

use std::{
    io::Read as _,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, uri::PathAndQuery};
use jackfield_net::{Address, Dialer, OutgoingRequest, Sender, SenderOptions};
use zeroize::Zeroizing;

use crate::VaultError;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer, and the longest file with what is asked with, in bytes.
const MOST: usize = 64 << 10;

/// Somebody who can be asked.
pub(super) struct Asked {
    /// What a person knows it as.
    place: String,
    sender: Sender,
}

impl Asked {
    /// Whoever is there. The vault key travels: not in clear, unless it stays on this machine.
    pub(super) fn new(place: String, address: &str, ca_pem: Option<&str>, dialer: &Dialer) -> Result<Self, VaultError> {
        let fail = |reason: String| VaultError::Source { place: place.clone(), reason };
        let address = Address::parse(address).map_err(|error| fail(error.to_string()))?;
        if !address.is_tls() && !address.is_loopback() {
            return Err(fail("the vault key would travel in clear; use https://".into()));
        }
        let options = SenderOptions::of_the_operator(ca_pem.map(str::to_owned));
        let sender = dialer.sender(address, &options).map_err(|error| fail(error.to_string()))?;
        Ok(Self { place, sender })
    }

    /// Where it is.
    pub(super) fn address(&self) -> &Address {
        self.sender.address()
    }

    /// An error of its own.
    pub(super) fn fail(&self, reason: impl Into<String>) -> VaultError {
        VaultError::Source { place: self.place.clone(), reason: reason.into() }
    }

    /// Posts a body below its address; how it is answered, and with what.
    pub(super) async fn post(
        &self,
        path: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Zeroizing<Vec<u8>>), VaultError> {
        let target: PathAndQuery =
            format!("{}{path}", self.address().base_path()).parse().map_err(|_| self.fail("its path is not one"))?;
        let request = OutgoingRequest { method: Method::POST, target, headers, body: Bytes::from(body) };
        let until = Instant::now() + PATIENCE;
        let response = self.sender.send(request, until).await.map_err(|error| self.fail(error.to_string()))?;
        let (head, mut body) = response.into_parts();
        let read = body.all(MOST, until).await.map_err(|error| self.fail(error.to_string()))?;
        let text = read.ok_or_else(|| self.fail("its answer is too long"))?;
        Ok((head.status, text))
    }

    /// It has refused, and said so.
    pub(super) fn refused(&self, status: StatusCode, said: &str) -> VaultError {
        let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
        self.fail(format!("it answers {status}: {said}"))
    }

    /// A file that holds what is asked with. It is read at each use, so that others may renew it.
    pub(super) fn file(&self, what: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let mut text = Zeroizing::new(Vec::new());
        std::fs::File::open(path)
            .and_then(|file| file.take(MOST as u64).read_to_end(&mut text))
            .map_err(|error| self.fail(format!("the {what} {}: {error}", path.display())))?;
        Ok(text)
    }
}
