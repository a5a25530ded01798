//! Where the audit trail is sent besides: files, syslog, OTLP logs, webhooks.
//!
//! A [`Sink`] is what an operator writes. A [`Follower`] is one at work: a task that follows the stored [`Trail`] by number and
//! hands every record over, in order, at least once. Nothing waits for it: a receiver that is away for a day costs the host
//! nothing but that the trail is read once more, as long as the trail still has what was not sent; what it has no more is
//! counted and told. [`Progress`] says how a sink is.
//!
//! The crate stores nothing: the trail and the cursors are the host's. It opens no connection itself but through
//! `jackfield-net`, wherever the operator says, and holds a token only while it is put into a request.
//!
//! | sink | form | when a record counts as sent | seen twice |
//! |---|---|---|---|
//! | file | lines of `jackfield audit verify` | flushed to the disk | never |
//! | syslog | RFC 5424, one message a record | handed to the system; the protocol has no answers | after a broken connection |
//! | otlp | log records over HTTP, JSON | answered with success | after an answer that was lost |
//! | webhook | lines of JSON | answered with 2xx | after an answer that was lost |
//!
//! ```
//! use jackfield_sinks::Sink;
//!
//! let sink: Sink = "syslog:tls://logs.example,from=head".parse().unwrap();
//! assert_eq!((sink.name(), sink.kind()), ("syslog:tls://logs.example:6514", "syslog"));
//! let refused = "webhook:https://user:secret@hooks.example".parse::<Sink>().unwrap_err().to_string();
//! assert!(refused.contains("user name or password") && !refused.contains("secret@"));
//! ```

mod deliver;
mod entry;
mod follower;
mod pauses;
mod progress;
mod spec;
mod status;
mod trail;

pub use follower::Follower;
pub use progress::Progress;
pub use spec::{Sink, SinkError};
pub use status::{LAG_AFTER, LAG_RECORDS, SinkFailure, SinkState, SinkStatus};
pub use trail::{Cursor, News, Trail};
