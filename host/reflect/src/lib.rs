//! From WIT to operations, JSON Schemas and docs, and from JSON to a guest's memory and back.
//!
//! WIT is Jackfield's only source: REST routes, OpenAPI, command line, permissions and docs of a capability are all
//! derived here from its WIT and from nothing else, so a capability that the host has never seen works as well as one it
//! ships with. This crate decides what an operation is, whether it reads or writes, what its JSON looks like, and
//! whether a component really is what its WIT claims. It runs nothing and knows no network.
//!
//! ```
//! use jackfield_reflect::{JsonLimits, OperationKind, read_wit, operations};
//!
//! let packages = read_wit("
//!     package acme:dns@0.1.0;
//!     /// Names and addresses.
//!     interface dns {
//!         /// Looks a name up.
//!         lookup: func(name: string, limit: option<u32>) -> result<list<string>, string>;
//!     }
//! ")?;
//! let operations = operations(&packages[0])?;
//! let lookup = &operations[0];
//! assert_eq!(lookup.kind, OperationKind::Read);
//! assert_eq!(lookup.docs, "Looks a name up.");
//! let params = lookup.decode_params(br#"{"name": "example.org"}"#, &JsonLimits::default())?;
//! # drop(params);
//! let error = lookup.decode_params(br#"{"name": 7}"#, &JsonLimits::default()).unwrap_err();
//! assert_eq!(error.to_string(), "at `/name`: expected a string, found a number");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adapt;
mod compare;
mod decode;
mod drift;
mod encode;
mod error;
mod flat;
mod id;
mod image;
mod layout;
mod lower;
mod model;
mod operation;
mod outline;
mod query;
mod reflection;
mod schema;
mod shape;
mod stability;
mod suggest;

pub use adapt::{Adapter, Direction, Mismatch, Part, TranslateError, Translation, adapt};
pub use compare::{ValueDifference, ValueDifferenceKind, compare};
pub use decode::{JsonLimits, decode};
pub use drift::{Difference, differences, import_differences};
pub use encode::{AnswerLimits, Memory, TextEncoding, encode};
pub use error::{EncodeError, JsonError, ReflectError};
pub use flat::{Flat, MAX_FLAT_PARAMS};
pub use id::{CapabilityId, InterfaceId, InvalidId};
pub use image::{Heap, Image, Target};
pub use layout::Layout;
pub use model::{ComponentInterfaces, Function, Interface, Package, read_component, read_wit};
pub use operation::{Answer, Operation, OperationKind, Param, operations};
pub use reflection::{Capability, Reflection, reflect};
pub use schema::schema;
pub use shape::{Case, Field, Names, Record, Shape, Tuple, TypeName, Variant};
pub use stability::{Deprecation, Stability, next_breaking};
pub use suggest::{did_you_mean, nearest};
