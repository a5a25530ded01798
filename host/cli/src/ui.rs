//! The one place that writes to the terminal. Standard output carries answers and nothing else; notes, hints and errors go
//! to standard error. What others wrote (values, names, messages) cannot move the cursor or change the colours: control
//! characters are shown, not sent. A reader that went away ends the command without a word.

use std::io::{self, IsTerminal as _, Write as _};

use crate::{
    args::{Format, Globals},
    failure::Failure,
    output::{Style, Tree, printable_lines},
};

/// How to write for this user.
#[derive(Clone, Debug)]
pub(crate) struct Ui {
    pub(crate) format: Format,
    /// For tables on standard output.
    pub(crate) style: Style,
    colour_errors: bool,
    verbose: bool,
}

impl Ui {
    pub(crate) fn new(globals: &Globals) -> Self {
        let plain = globals.no_color
            || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminal = io::stdout().is_terminal();
        // What is piped is never cut: the form must not depend on the width of a window nobody sees.
        let width = if terminal { terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)) } else { None };
        Self {
            format: globals.output.unwrap_or_default(),
            style: Style { colour: terminal && !plain, width },
            colour_errors: io::stderr().is_terminal() && !plain,
            verbose: globals.verbose > 0,
        }
    }

    /// Writes bytes to standard output as they are.
    pub(crate) fn print_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Failed(format!("cannot write to standard output: {error}")),
        })
    }

    /// Writes text to standard output.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        self.print_bytes(text.as_bytes())
    }

    /// Prints an answer of the API: its very bytes, the same as YAML, or what `table` makes of it.
    pub(crate) fn answer(&self, body: &[u8], table: impl FnOnce(&Tree) -> String) -> Result<(), Failure> {
        match self.format {
            Format::Json if body.is_empty() => Ok(()),
            Format::Json => {
                let mut line = body.to_vec();
                if !line.ends_with(b"\n") {
                    line.push(b'\n');
                }
                self.print_bytes(&line)
            }
            Format::Yaml => {
                let text = serde_norway::to_string(&self.tree(body)?);
                self.print(&text.map_err(|error| Failure::Failed(format!("the answer has no form in YAML: {error}")))?)
            }
            Format::Table => self.print(&table(&self.tree(body)?)),
        }
    }

    fn tree(&self, body: &[u8]) -> Result<Tree, Failure> {
        if body.is_empty() {
            return Ok(Tree::Null);
        }
        serde_json::from_slice(body).map_err(|error| {
            Failure::Failed(format!("the answer is not JSON ({error}); is it Jackfield that answers?"))
        })
    }

    /// Tells a person something beside the answer; a program that asked for JSON or YAML is told nothing.
    pub(crate) fn note(&self, text: &str) {
        if self.format == Format::Table {
            self.say(text);
        }
    }

    /// Tells how the command goes about it, for `-v`.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbose {
            self.say(text);
        }
    }

    /// Writes a line to standard error.
    pub(crate) fn say(&self, text: &str) {
        // Nobody can be told that standard error is gone.
        let _ = writeln!(io::stderr().lock(), "{}", printable_lines(text));
    }

    /// Tells why the command failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        let mut err = io::stderr().lock();
        if self.format == Format::Json {
            if let Some(document) = failure.document() {
                let _ = err.write_all(&document).and_then(|()| err.write_all(b"\n"));
            }
            return;
        }
        for (name, text) in failure.lines() {
            let text = printable_lines(&text);
            let _ = match (name, self.colour_errors) {
                ("error", true) => writeln!(err, "\x1b[1;31merror\x1b[0m: {text}"),
                ("error", false) => writeln!(err, "error: {text}"),
                (name, true) => writeln!(err, "  \x1b[1m{name}\x1b[0m: {text}"),
                (name, false) => writeln!(err, "  {name}: {text}"),
            };
        }
    }
}
