//! What every test of the gateway asks for.

use std::time::{Duration, Instant};

use bytes::Bytes;
use jackfield_gateway::Request;

pub(crate) fn get(path: &str) -> Request {
    Request {
        endpoint: "api".into(),
        operation: "test.get".into(),
        method: "GET".into(),
        path_and_query: path.into(),
        headers: Vec::new(),
        body: Bytes::new(),
        private: false,
        timeout: None,
    }
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}
