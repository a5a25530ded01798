//! Record and replay: an integration's traffic written to a file, and answered from it.
//!
//! Both stand on the guest's side of the gateway. What is recorded is the request as the guest asked for it, before any
//! credential is applied, and the response as the guest sees it, after it was looked through; so a secret is not left out of
//! a cassette, it was never on the way into it. What a guest itself wrote is looked through before it is kept, and each line
//! once more before it is written: a line in which a secret is found all the same is not written at all.
//!
//! Answers that look real and are not are a danger of their own. A replay opens no connection and uses no credential, says
//! of each answer that it is one, and never makes anything up: what was not recorded is an error that says what was expected.
//! What a guest may ask for is decided before, by the same grant as ever.

mod error;
mod failure;
mod file;
mod form;
mod likeness;
mod player;
mod recorder;
mod writer;

pub use error::{CassetteError, Malformed, ReplayError};
pub use failure::Failure;
pub use file::Cassette;
pub use form::{Answer, Asked, Content, End, Exchange, Label, Reply};
pub(crate) use player::Played;
pub use player::{Match, Player};
pub(crate) use recorder::Take;
pub use recorder::{RecordLimits, Recorder};

use std::sync::Arc;

/// What stands between a gateway and the outside.
#[derive(Default)]
pub(crate) enum Deck {
    /// Nothing.
    #[default]
    Empty,
    /// What passes is recorded.
    Recording(Arc<Recorder>),
    /// Nothing passes: what is asked is answered from a recording.
    Replaying(Arc<Player>),
}
