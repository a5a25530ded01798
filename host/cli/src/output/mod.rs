//! How answers look to people. What an answer is decides the form: a list of records is a table, a record is its members
//! one below the other with its inner lists as tables below. Programs ask for JSON or YAML and get none of this.

mod human;
mod table;
mod text;
mod time;
mod tree;

pub(crate) use human::{answer, cell};
pub(crate) use table::{Cell, Colour, Style, Table};
pub(crate) use text::{printable, printable_lines, size};
pub(crate) use time::rfc3339_of;
pub(crate) use tree::Tree;
