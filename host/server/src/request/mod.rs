//! Reading a request: bodies, query strings, path segments and the headers of ours. Each reader turns what is wrong into
//! a problem that says where; none of them knows what the request is for.

pub(crate) mod body;
pub(crate) mod headers;
pub(crate) mod path;
pub(crate) mod query;
mod within;
