//! Stand-ins for the host, for a plugin's own tests. In a native build the SDK's functions reach these instead of a
//! host: a configuration that the test sets, an empty in-memory state with the real one's revisions and expectations, a
//! log that can be read, and an outside system that the test plays. Each test thread has its own.
//!
//! ```
//! use jackfield_sdk::{http, testing};
//!
//! testing::answer(|request| {
//!     assert_eq!(request.path_and_query, "/version");
//!     testing::Answer::json(200, r#"{"version": "3.5.0"}"#)
//! });
//! let version: serde_json::Value = http::get("api", "/version").send()?.error_for_status()?.json()?;
//! assert_eq!(version["version"], "3.5.0");
//! # Ok::<(), jackfield_sdk::Error>(())
//! ```

pub(crate) mod seam;
mod state;

use std::cell::RefCell;
use std::time::Duration;

use crate::log::Level;
use crate::types::{Error, Result};

/// What the plugin sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// The endpoint's name.
    pub endpoint: String,
    /// The method.
    pub method: String,
    /// Path and query.
    pub path_and_query: String,
    /// Headers, in the order they were added.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The plugin's own time-out.
    pub timeout: Option<Duration>,
}

/// What the outside system answers.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) pieces: Vec<Piece>,
}

/// One piece of a body.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Data(Vec<u8>),
    Idle,
    Fail(Error),
}

impl Answer {
    /// A status and a body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), pieces: vec![Piece::Data(body.into())] }
    }

    /// A status and a JSON body.
    pub fn json(status: u16, body: &str) -> Self {
        Self::new(status, body).header("content-type", "application/json")
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Adds another piece of the body, which arrives on its own.
    #[must_use]
    pub fn then(mut self, piece: impl Into<Vec<u8>>) -> Self {
        self.pieces.push(Piece::Data(piece.into()));
        self
    }

    /// Adds a silence: `read_within` gives up once here.
    #[must_use]
    pub fn then_idle(mut self) -> Self {
        self.pieces.push(Piece::Idle);
        self
    }

    /// Breaks the body off with an error.
    #[must_use]
    pub fn then_fail(mut self, error: Error) -> Self {
        self.pieces.push(Piece::Fail(error));
        self
    }
}

type Outside = Box<dyn FnMut(&Sent) -> Result<Answer>>;

/// Everything a test thread's stand-in knows.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) config: Option<String>,
    pub(crate) logs: Vec<(Level, String)>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) state: state::State,
}

thread_local! {
    pub(crate) static WORLD: RefCell<World> = RefCell::default();
    pub(crate) static OUTSIDE: RefCell<Option<Outside>> = const { RefCell::new(None) };
}

/// Forgets everything this thread's tests have set and done.
pub fn reset() {
    WORLD.take();
    OUTSIDE.take();
}

/// Sets the configuration, a JSON object.
pub fn set_config(json: &str) {
    WORLD.with_borrow_mut(|world| world.config = Some(json.to_owned()));
}

/// Plays the outside system: answers every request from now on.
pub fn answer(mut outside: impl FnMut(&Sent) -> Answer + 'static) {
    OUTSIDE.set(Some(Box::new(move |sent| Ok(outside(sent)))));
}

/// As [`answer`], for an outside system that may not be reached at all.
pub fn answer_with(outside: impl FnMut(&Sent) -> Result<Answer> + 'static) {
    OUTSIDE.set(Some(Box::new(outside)));
}

/// What the plugin has sent so far.
pub fn sent() -> Vec<Sent> {
    WORLD.with_borrow(|world| world.sent.clone())
}

/// What the plugin has logged so far.
pub fn logs() -> Vec<(Level, String)> {
    WORLD.with_borrow(|world| world.logs.clone())
}
