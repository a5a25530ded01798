//! What every request passes, from the outside in: it gets an id and a span, then it is judged by where it comes from.

pub(crate) mod origin;
pub(crate) mod trace;
