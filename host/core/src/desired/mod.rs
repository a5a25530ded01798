//! What an operator wants there to be, as documents: applied, it is so, whatever was so before; applied again, nothing
//! happens; exported, it is what there is.
//!
//! Everything is tried before anything is changed, so documents that cannot be had change nothing.

mod apply;
pub(crate) mod deployments;
mod difference;
mod documents;
mod export;
mod trust;

pub(crate) use apply::apply;
pub use apply::{Applied, Apply, DesiredAction, DesiredChange, DesiredFailure};
pub use difference::FieldChange;
pub(crate) use export::export;
