//! What a plugin may send: endpoints by name, method and path rules, header hygiene, budgets.
//!
//! A [`Gateway`] belongs to one integration and is its only way out. The plugin names an endpoint; the operator's
//! configuration says where that is, the manifest says which methods and paths the plugin may ask for there, and what is
//! not granted is refused with the exact line that would grant it. How an address is dialled and which addresses may be
//! is `jackfield-net`'s business.

mod authority;
mod body;
mod cassette;
mod consent;
mod endpoint;
mod error;
mod gateway;
mod grant;
mod headers;
mod kube;
mod leaks;
mod message;
mod path;
mod tokens;
mod uses;

pub use authority::{Authority, Binding, Place};
pub use body::ResponseBody;
pub use cassette::{
    Answer, Asked, Cassette, CassetteError, Content, End, Exchange, Failure, Label, Malformed, Match, Player,
    RecordLimits, Recorder, ReplayError, Reply,
};
pub use consent::{CodeAnswer, CodeConsent, ConsentError, DeviceConsent};
pub use endpoint::EndpointSpec;
pub use error::GatewayError;
pub use gateway::{Gateway, GatewayLimits, GatewayStats};
pub use grant::{Allowance, Grant, Granted};
pub use jackfield_net::{self as net, Dialer, IpNet};
pub use jackfield_sigv4::Payload;
pub use leaks::{DecodeError, Known, Needles, REDACTED, SHORTEST, Scan};
pub use message::{Request, Response, Sent};
pub use path::{InvalidPath, normalize};
pub use tokens::{Login, Token, UserTokens};
pub use uses::{Use, Uses};
