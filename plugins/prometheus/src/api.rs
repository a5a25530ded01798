//! How a request is made and its answer taken out of the envelope.

use std::time::Duration;

use jackfield_sdk::prelude::*;
use serde::de::DeserializeOwned;

use crate::config::Config;
use crate::refusal::{self, Fields};
use crate::wire::Envelope;

/// The endpoint's name in the manifest.
const ENDPOINT: &str = "api";
/// How much longer the answer to a query is awaited than the query may take, so that the other side's own words about
/// the time-out arrive.
const GRACE: Duration = Duration::from_secs(1);

/// The API, as this integration is configured.
pub(crate) struct Api {
    pub(crate) config: Config,
}

/// What came in an envelope.
pub(crate) struct Answer<T> {
    pub(crate) data: T,
    pub(crate) warnings: Vec<String>,
    pub(crate) infos: Vec<String>,
    /// Whether it is VictoriaMetrics, or a part of it, that answers: it puts its host's name into every answer.
    pub(crate) victoria: bool,
}

/// The fields of a form.
#[derive(Default)]
pub(crate) struct Form(Vec<(&'static str, String)>);

impl Form {
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    pub(crate) fn with_all(mut self, name: &'static str, values: &[String]) -> Self {
        self.0.extend(values.iter().map(|value| (name, value.clone())));
        self
    }

    /// The same as the parameters of a URL.
    pub(crate) fn query(self, request: http::Request) -> http::Request {
        self.0.into_iter().fold(request, |request, (name, value)| request.query(name, value))
    }

    pub(crate) fn with_opt(self, name: &'static str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

impl Api {
    pub(crate) fn open() -> Result<Self> {
        Ok(Self { config: Config::get()? })
    }

    /// A `GET`.
    pub(crate) fn get(&self, path: &str) -> http::Request {
        self.dress(http::get(ENDPOINT, path))
    }

    /// A `POST` that only asks.
    pub(crate) fn post(&self, path: &str, form: Form) -> http::Request {
        self.dress(http::post(ENDPOINT, path).read_only().form(form.0))
    }

    /// A `POST` of a query, which is told how long it may take.
    pub(crate) fn post_query(&self, path: &str, form: Form) -> http::Request {
        let timeout = self.config.timeout().map(|timeout| format!("{}ms", timeout.as_millis()));
        self.post(path, form.with_opt("timeout", timeout))
    }

    fn dress(&self, mut request: http::Request) -> http::Request {
        if let Some(tenant) = &self.config.tenant {
            request = request.header("x-scope-orgid", tenant);
        }
        match self.config.timeout() {
            Some(timeout) => request.timeout(timeout + GRACE),
            None => request,
        }
    }
}

/// Sends a request and takes the answer out of its envelope. `fields` tells which parameter an error of the other side
/// points at.
pub(crate) fn ask<T: DeserializeOwned>(request: http::Request, fields: &Fields) -> Result<Answer<T>> {
    let response = request.send()?;
    let victoria = response.header("x-server-hostname").is_some();
    let response = refusal::check(response, fields)?;
    let bare = Error::internal("the answer is an envelope without data").downstream();
    let envelope: Envelope<T> = response.json()?;
    let Envelope { status, data: Some(data), mut warnings, infos, is_partial } = envelope else { return Err(bare) };
    if status != "success" {
        return Err(bare);
    }
    if is_partial {
        warnings.push("the answer is partial: some of the storage nodes did not answer".to_owned());
    }
    Ok(Answer { data, warnings, infos, victoria })
}

impl<T> Answer<T> {
    /// The data alone. For operations whose results have no place for warnings: those go to the log.
    pub(crate) fn into_data(self) -> T {
        for warning in &self.warnings {
            jackfield_sdk::warn!("{warning}");
        }
        self.data
    }
}
