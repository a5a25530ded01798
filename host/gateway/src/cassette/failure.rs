//! What went wrong when an exchange was recorded, so that a replay fails in the same way: by kind, with what was known of it.
//!
//! What the host itself refused, for want of an address, a credential or a free place, is none of the traffic and is not
//! recorded; a replay needs none of these.

use jackfield_net::{Attempt, ConnectError, SendError};
use serde::{Deserialize, Serialize};

use crate::GatewayError;

/// Why an exchange brought no whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Failure {
    /// The name could not be resolved.
    Dns {
        /// The name.
        name: String,
        /// The resolver's words.
        reason: String,
    },
    /// No address took the connection.
    Unreachable {
        /// Each that was tried, and why it did not: `127.0.0.1:9`, `connection refused`.
        attempts: Vec<(String, String)>,
    },
    /// The connection was closed before the request was sent.
    Closed {
        /// The address.
        place: String,
        /// What was seen.
        reason: String,
    },
    /// Time ran out before the answer's head was there.
    Timeout {
        /// Whether the request may have been sent by then.
        sent: bool,
    },
    /// The server refused it unprocessed.
    Declined,
    /// The connection broke.
    Lost {
        /// What was seen.
        reason: String,
    },
    /// What came back is not HTTP.
    Garbled {
        /// What is wrong with it.
        reason: String,
    },
    /// The response was too long.
    TooLarge {
        /// The limit at that time.
        limit: usize,
    },
    /// Time ran out while the body was read.
    BodyTimeout,
    /// Something else, in words: TLS, or an encoding of the body that cannot be undone.
    Other {
        /// What it was.
        message: String,
        /// Whether the request may have been carried out.
        sent: bool,
    },
}

impl Failure {
    /// What there is to record of an error; none where it is the host's own.
    pub(crate) fn of(error: &GatewayError) -> Option<Self> {
        let other = |reason: &dyn ToString| Self::Other { message: reason.to_string(), sent: error.sent() };
        Some(match error {
            GatewayError::Connect { reason, .. } => match reason {
                ConnectError::Refused { .. } => return None,
                ConnectError::Dns { name, reason } => Self::Dns { name: name.clone(), reason: reason.clone() },
                ConnectError::Unreachable { attempts } => {
                    let attempts = attempts.iter().map(|attempt| (attempt.place.clone(), attempt.reason.clone()));
                    Self::Unreachable { attempts: attempts.collect() }
                }
                ConnectError::Closed { place, reason } => Self::Closed { place: place.clone(), reason: reason.clone() },
                ConnectError::Tls(reason) => other(reason),
            },
            GatewayError::Send { reason, .. } => match reason {
                SendError::Timeout { sent } => Self::Timeout { sent: *sent },
                SendError::Declined => Self::Declined,
                SendError::Lost { reason } => Self::Lost { reason: reason.clone() },
                SendError::Garbled { reason } => Self::Garbled { reason: reason.clone() },
                SendError::Connect(_) | SendError::Request { .. } => other(reason),
            },
            GatewayError::TooLarge { what: "response", limit } => Self::TooLarge { limit: *limit },
            GatewayError::BodyTimeout => Self::BodyTimeout,
            GatewayError::Decode { reason, .. } => other(reason),
            _ => return None,
        })
    }

    /// The same as it was.
    pub(crate) fn again(&self, endpoint: &str) -> GatewayError {
        let endpoint = endpoint.to_owned();
        let send = |reason| GatewayError::Send { endpoint: endpoint.clone(), reason };
        let connect = |reason| GatewayError::Connect { endpoint: endpoint.clone(), reason };
        match self.clone() {
            Self::Dns { name, reason } => connect(ConnectError::Dns { name, reason }),
            Self::Unreachable { attempts } => {
                let attempts = attempts.into_iter().map(|(place, reason)| Attempt { place, reason }).collect();
                connect(ConnectError::Unreachable { attempts })
            }
            Self::Closed { place, reason } => connect(ConnectError::Closed { place, reason }),
            Self::Timeout { sent } => send(SendError::Timeout { sent }),
            Self::Declined => send(SendError::Declined),
            Self::Lost { reason } => send(SendError::Lost { reason }),
            Self::Garbled { reason } => send(SendError::Garbled { reason }),
            Self::TooLarge { limit } => GatewayError::TooLarge { what: "response", limit },
            Self::BodyTimeout => GatewayError::BodyTimeout,
            Self::Other { message, sent } => GatewayError::Recorded { endpoint, message, sent },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecodeError;

    #[test]
    fn what_is_recorded_of_an_error_is_the_same_error_again() {
        let send = |reason| GatewayError::Send { endpoint: "api".into(), reason };
        let connect = |reason| GatewayError::Connect { endpoint: "api".into(), reason };
        let attempt = Attempt { place: "127.0.0.1:9".into(), reason: "connection refused".into() };
        let errors = [
            connect(ConnectError::Dns { name: "a.example".into(), reason: "unknown".into() }),
            connect(ConnectError::Unreachable { attempts: vec![attempt] }),
            connect(ConnectError::Closed { place: "a:1".into(), reason: "closed".into() }),
            send(SendError::Timeout { sent: true }),
            send(SendError::Timeout { sent: false }),
            send(SendError::Declined),
            send(SendError::Lost { reason: "reset".into() }),
            send(SendError::Garbled { reason: "no head".into() }),
            GatewayError::TooLarge { what: "response", limit: 7 },
            GatewayError::BodyTimeout,
            GatewayError::Decode { endpoint: "api".into(), reason: DecodeError::Garbled("gzip") },
        ];
        for error in errors {
            let failure = Failure::of(&error).unwrap();
            let text = serde_json::to_string(&failure).unwrap();
            assert_eq!(serde_json::from_str::<Failure>(&text).unwrap(), failure, "{text}");
            let again = failure.again("api");
            assert_eq!(again.to_string(), error.to_string());
            assert_eq!((again.sent(), again.is_timeout()), (error.sent(), error.is_timeout()), "{error}");
            assert!(!again.is_refusal());
        }
    }

    #[test]
    fn what_the_host_itself_refuses_is_no_traffic() {
        assert_eq!(Failure::of(&GatewayError::NoAddress { endpoint: "api".into() }), None);
        assert_eq!(Failure::of(&GatewayError::Busy { limit: 1 }), None);
        assert_eq!(Failure::of(&GatewayError::TooLarge { what: "request", limit: 1 }), None);
    }
}
