//! Fields of credentials that are not stored here, by where they come from: a file that another program keeps up to date,
//! the environment that the host was started with, an OpenBao or Vault, a command. What may be named is the operator's to
//! say, where the host is started: who sets credentials over the API could have any file of the machine, any secret that
//! the host may read, sent to an outside system otherwise.
//!
//! Files and variables are at hand and are looked at where they are used. What must be asked for ([`Origin`]) is asked by
//! the keeper, off the way of requests.

pub(crate) mod bao;
pub(crate) mod command;
mod env;
mod file;
mod found;
mod node;
mod origin;

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Form;
pub use bao::{BaoField, BaoServer, Login};
pub use command::{CommandField, SourceCommand};
pub(crate) use found::{Found, Missing, find};
pub(crate) use node::Node;
pub(crate) use origin::{Drawn, Granted, Origin, Refusal, Renewed};

/// The longest field, in bytes.
const MOST: usize = 64 << 10;

/// Where a field comes from. In JSON `{"file": "/path"}`, `{"env": "NAME"}`, `{"bao": "SERVER/PATH#FIELD"}` or
/// `{"command": "NAME#FIELD"}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A file: all of it, but for the end of its last line.
    File(PathBuf),
    /// A variable of the host's environment.
    Env(String),
    /// A field of a secret that an OpenBao or Vault keeps or makes.
    Bao(BaoField),
    /// What a command of the operator's prints, or a field of it.
    Command(CommandField),
}

/// Fields by where they come from.
pub type Sources = BTreeMap<String, Source>;

/// What fields may come from. Nothing, unless told otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedSources {
    /// Folders: files in them and below.
    pub folders: Vec<PathBuf>,
    /// Variables of the environment.
    pub variables: Vec<String>,
    /// OpenBao and Vault servers, and what of them.
    pub servers: Vec<BaoServer>,
    /// Commands.
    pub commands: Vec<SourceCommand>,
}

impl Source {
    /// What it is a part of, where that must be asked for, and which part.
    pub(crate) fn origin(&self) -> Option<(Origin, &str)> {
        match self {
            Self::File(_) | Self::Env(_) => None,
            Self::Bao(BaoField { path, field }) => Some((Origin::Bao(path.clone()), field)),
            Self::Command(CommandField { command, field }) => Some((Origin::Command(command.clone()), field)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Env(name) => write!(f, "the variable {name}"),
            Self::Bao(field) => write!(f, "`{}` of {}", field.field, field.path),
            Self::Command(command) => write!(f, "the command `{command}`"),
        }
    }
}

/// As a person writes it: `file:PATH`, `env:NAME`, `bao:SERVER/PATH#FIELD`, `command:NAME#FIELD`.
impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("file", path)) => Ok(Self::File(path.into())),
            Some(("env", name)) => Ok(Self::Env(name.to_owned())),
            Some(("bao", field)) => Ok(Self::Bao(field.parse()?)),
            Some(("command", field)) => Ok(Self::Command(field.parse()?)),
            _ => Err(format!(
                "`{text}` is none of `file:PATH`, `env:NAME`, `bao:SERVER/PATH#FIELD` and `command:NAME#FIELD`"
            )),
        }
    }
}

/// Whether a field of this form may come from a source: what several lines may be in, or one that is read without its end.
pub(crate) fn may_be_elsewhere(form: Form) -> bool {
    !matches!(form, Form::Url | Form::Page)
}

/// Whether this can name a server or a command of the operator's.
fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    !text.is_empty() && text.len() <= 63 && text.bytes().all(plain)
}

/// What somebody else wrote, fit to be told.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// Without the end of its last line.
fn without_end(value: &mut Vec<u8>) {
    if value.ends_with(b"\n") {
        value.pop();
    }
    if value.ends_with(b"\r") {
        value.pop();
    }
}
