//! Plugins that no compiler would write: hostile before anybody calls them, where the host frees and allocates in their
//! memory, or by what they are made of. Each is made from text on the spot, so that what is wrong with it can be read.
//!
//! [`GUESTS`] are sound components that misbehave when they run; [`FORMS`] are files that nobody should take for a plugin.

mod forms;
mod guests;
mod pack;

pub use forms::{FORMS, Form};
pub use guests::{GUESTS, Guest, Place, with_tables};
pub use pack::{manifest, packed, wit};
