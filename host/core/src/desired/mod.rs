//! What an operator wants there to be, as documents: applied, it is so, whatever was so before; applied again, nothing
//! happens; exported, it is what there is.
//!
//! Everything is tried before anything is changed, so documents that cannot be had change nothing.

mod apply;
mod difference;
mod documents;
mod export;

pub(crate) use apply::apply;
pub use apply::{Applied, Apply, DesiredAction, DesiredChange};
pub use difference::FieldChange;
pub(crate) use export::export;
