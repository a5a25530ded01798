//! Dialling: one DNS answer, an address policy, TLS, unix sockets and the pooled HTTP sender.
//!
//! Everything Jackfield says to the outside in HTTP is said through a [`Sender`], what it says in other protocols, of its
//! own accord only, through a [`Connection`] or [`Datagrams`]. A sender belongs to one endpoint of one
//! integration and can reach nothing else: its connector is bound to that endpoint's [`Address`] and takes no
//! notice of the request's own authority, of proxy variables or of redirects. For each new connection the name is
//! resolved once, every resulting address is judged by the [`AddressPolicy`], and exactly a judged address is
//! dialled, so a name that answers differently the next moment gains nothing. A [`Proxy`] is there for what the host asks of
//! its own accord and an operator gave one for; it is never found in the environment.
//!
//! What a plugin may ask of an endpoint is not decided here but in `jackfield-gateway`.
//!
//! ```
//! use jackfield_net::{Address, AddressClass, AddressPolicy};
//!
//! let address = Address::parse("https://prometheus.example:9090/prom").unwrap();
//! assert_eq!((address.port(), address.base_path()), (Some(9090), "/prom"));
//!
//! // The name is judged by what it resolves to, in whatever spelling that comes.
//! let policy = AddressPolicy::for_address(&address, ["10.0.0.0/8".parse().unwrap()]);
//! assert!(policy.judge("10.1.2.3".parse().unwrap()).is_ok());
//! let refusal = policy.judge("::ffff:169.254.169.254".parse().unwrap()).unwrap_err();
//! assert_eq!(refusal.class, AddressClass::LinkLocal);
//! ```

mod address;
mod body;
mod connect;
mod connection;
mod dialer;
mod error;
mod policy;
mod proxy;
mod resolve;
mod sender;
mod stream;
mod tls;

pub use address::{Address, AddressError, Host};
pub use body::Body;
pub use connection::{Connection, Datagrams};
pub use dialer::{DialTimeouts, Dialer, SenderOptions};
pub use error::{Attempt, ConnectError, SendError};
pub use ipnet::IpNet;
pub use policy::{AddressClass, AddressPolicy, Classified, Refusal, classify};
pub use proxy::{Proxy, ProxyError};
pub use resolve::{Resolver, SystemResolver};
pub use sender::{Deadline, OutgoingRequest, Sender};
pub use tls::{ClientIdentity, TlsError, check_roots, is_server_name};
