//! Commands that print a credential: `exec` of a kubeconfig, command lines of clouds, whatever a house has. The program and
//! its arguments are the operator's, named where the host is started; a credential only says which of them, and nothing
//! that comes over the API reaches a command's arguments or its environment.

mod output;
mod run;
mod spec;

pub(crate) use run::run;
pub use spec::{CommandField, SourceCommand};
