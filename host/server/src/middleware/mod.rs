//! What every request passes, from the outside in: it gets an id and a span, it is judged by where it comes from, and it
//! waits until there is room for its body.

pub(crate) mod origin;
pub(crate) mod trace;
pub(crate) mod weight;
