//! Jackfield's REST API: the embedded host made reachable over HTTP, and nothing more.
//!
//! Everything here is thin. What a capability can do, what its JSON looks like and what its OpenAPI says is derived from
//! WIT by `jackfield-reflect`; what a call does is decided by `jackfield-core`. This crate decides status codes, problem
//! documents, streams, paging and who may connect at all. Until authentication arrives the last answer is short: only
//! programs on this machine ([`bind`] refuses other addresses), and no web page of another site (requests whose `Host`
//! is not a loopback name, or whose `Origin` is another site's, are refused).
//!
//! [`router`] is an ordinary [`axum::Router`]; it needs no socket, so a program may drive it in-process:
//!
//! ```
//! use jackfield_core::Host;
//! use jackfield_server::{ServerOptions, router};
//! use tower::ServiceExt as _;
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::builder().in_memory().build().await?;
//! let request = http::Request::get("/v1/plugins").body(axum::body::Body::empty())?;
//! let response = router(host, ServerOptions::default()).oneshot(request).await?;
//! assert_eq!(response.status(), 200);
//! # Ok(()) }
//! ```
//!
//! [`serve`] puts it on a loopback address, with the timeouts and bounds that a socket needs.

mod answer;
mod calls;
mod deprecation;
mod drain;
mod etag;
mod events;
mod feeds;
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod management;
mod metrics;
mod middleware;
mod openapi;
mod options;
mod paging;
mod problem;
mod request;
mod router;
mod serve;
pub mod sse;
mod stall;
mod state;

pub use drain::Drain;
pub use options::ServerOptions;
pub use router::router;
pub use serve::{Bound, ServeError, bind, serve};
