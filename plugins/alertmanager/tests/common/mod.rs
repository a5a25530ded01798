//! A stand-in that keeps silences by Alertmanager's own rules, as observed in 0.25.0 and 0.33.1: every `POST` makes a new
//! one, a start in the past becomes now, ending one twice is fine, and what is not right is refused in its words.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::cell::RefCell;
use std::rc::Rc;

use jackfield_sdk::testing::{self, Answer, Sent};
use jackfield_sdk::time::{from_rfc3339, now_ms, to_rfc3339};
use jackfield_sdk::types::{Error, ErrorKind};
use serde_json::{Value, json};

/// What goes wrong with the next `POST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// Nothing.
    None,
    /// It is carried out, the answer is lost.
    AnswerLost,
    /// It never arrives, but nobody can tell.
    RequestLost,
    /// It is carried out, and answered with garbage.
    Garbage,
    /// It is surely not sent.
    Unreachable,
    /// A proxy in between gives up; it is carried out all the same.
    BadGateway,
}

#[derive(Default)]
pub(crate) struct Server {
    pub(crate) silences: Vec<Value>,
    pub(crate) posts: usize,
    pub(crate) deletes: usize,
    pub(crate) mishap: Option<Mishap>,
    /// Whether reads fail too.
    pub(crate) down: bool,
}

pub(crate) type Shared = Rc<RefCell<Server>>;

/// A recorded answer.
pub(crate) fn recorded(file: &str) -> String {
    let path = format!("{}/tests/data/{file}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Starts the stand-in.
pub(crate) fn start() -> Shared {
    testing::reset();
    testing::set_config("{}");
    let server = Shared::default();
    let inside = server.clone();
    testing::answer_with(move |sent| inside.borrow_mut().answer(sent));
    server
}

impl Server {
    fn answer(&mut self, sent: &Sent) -> Result<Answer, Error> {
        if self.down {
            return Err(Error::unavailable("connection refused").downstream());
        }
        let path = sent.path_and_query.split('?').next().unwrap_or_default();
        Ok(match (sent.endpoint.as_str(), sent.method.as_str(), path) {
            ("api", "GET", "/api/v2/silences") if sent.path_and_query.contains("%28%22") => {
                Answer::json(400, "\"error parsing regexp: missing closing ): `^(?:()$`\"\n")
            }
            ("api", "GET", "/api/v2/silences") => Answer::json(200, &self.all().to_string()),
            ("silences", "POST", "/api/v2/silences") => return self.post(&sent.body),
            (endpoint, method, path) => match path.strip_prefix("/api/v2/silence/") {
                Some(id) => self.one(endpoint, method, id),
                None => Answer::new(404, "404 page not found\n"),
            },
        })
    }

    fn one(&mut self, endpoint: &str, method: &str, id: &str) -> Answer {
        let now = now_ms();
        let Some(found) = self.silences.iter_mut().find(|silence| silence["id"] == id) else {
            return Answer::new(404, "");
        };
        match (endpoint, method) {
            ("api", "GET") => Answer::json(200, &with_state(found, now).to_string()),
            ("silences", "DELETE") => {
                self.deletes += 1;
                if with_state(found, now)["status"]["state"] != "expired" {
                    let end = text(now);
                    found["updatedAt"] = end.clone();
                    if ms(&found["startsAt"]) > now {
                        found["startsAt"] = end.clone();
                    }
                    found["endsAt"] = end;
                }
                Answer::new(200, "")
            }
            _ => Answer::new(405, ""),
        }
    }

    fn all(&self) -> Value {
        let now = now_ms();
        self.silences.iter().map(|silence| with_state(silence, now)).collect()
    }

    fn post(&mut self, body: &[u8]) -> Result<Answer, Error> {
        let lost = || Error::new(ErrorKind::OutcomeUnknown, "the connection broke").downstream();
        let mishap = self.mishap.take().unwrap_or(Mishap::None);
        match mishap {
            Mishap::RequestLost => return Err(lost()),
            Mishap::Unreachable => return Err(Error::unavailable("connection refused").downstream()),
            _ => {}
        }
        self.posts += 1;
        let mut silence: Value = serde_json::from_slice(body).expect("JSON");
        let now = now_ms();
        if ms(&silence["endsAt"]) <= ms(&silence["startsAt"]).max(now) {
            return Ok(Answer::json(400, "\"Failed to create silence: start time must be before end time\"\n"));
        }
        for (index, matcher) in silence["matchers"].as_array().unwrap().iter().enumerate() {
            if matcher["isRegex"] == true && matcher["value"] == "(" {
                let why =
                    format!("invalid silence: invalid label matcher {index} in set 0: invalid regular expression");
                return Ok(Answer::json(400, &json!(why).to_string()));
            }
        }
        let id = format!("00000000-0000-4000-8000-{:012x}", self.silences.len());
        silence["id"] = json!(id);
        silence["updatedAt"] = text(now);
        if ms(&silence["startsAt"]) < now {
            silence["startsAt"] = text(now);
        }
        self.silences.push(silence);
        match mishap {
            Mishap::AnswerLost => Err(lost()),
            Mishap::Garbage => Ok(Answer::new(200, "<html>hello</html>")),
            Mishap::BadGateway => Ok(Answer::new(502, "<html>bad gateway</html>")),
            _ => Ok(Answer::json(200, &json!({"silenceID": id}).to_string())),
        }
    }
}

fn with_state(silence: &Value, now: i64) -> Value {
    let state = if ms(&silence["endsAt"]) <= now {
        "expired"
    } else if ms(&silence["startsAt"]) > now {
        "pending"
    } else {
        "active"
    };
    let mut silence = silence.clone();
    silence["status"] = json!({"state": state});
    silence
}

fn ms(value: &Value) -> i64 {
    from_rfc3339(value.as_str().expect("a time")).expect("a time")
}

fn text(ms: i64) -> Value {
    json!(to_rfc3339(ms).unwrap())
}
