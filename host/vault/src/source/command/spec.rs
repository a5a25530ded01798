//! What the operator says of a command, and what credentials name of it.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::source::{is_name, shown};

/// How long what a command prints is used where neither it nor the operator says that.
const TTL: Duration = Duration::from_secs(300);

/// A command that credentials may come from.
///
/// As a text `NAME[,env=VARIABLE…][,ttl=SECONDS]=/PROGRAM ARGUMENT…`, with spaces between arguments:
///
/// ```
/// let spec = "eks,env=HOME,env=AWS_PROFILE=/usr/local/bin/aws eks get-token --cluster-name prod";
/// let command: jackfield_vault::SourceCommand = spec.parse()?;
/// assert_eq!((command.name.as_str(), command.args.len()), ("eks", 4));
/// assert_eq!(command.env, ["HOME", "AWS_PROFILE"]);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCommand {
    /// What sources call it.
    pub name: String,
    /// The program, as an absolute path.
    pub program: PathBuf,
    /// Its arguments, always the same.
    pub args: Vec<String>,
    /// Variables of the host's environment that it is given; it has no others.
    pub env: Vec<String>,
    /// How long what it prints is used, where it does not say that itself.
    pub ttl: Duration,
}

impl FromStr for SourceCommand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let how = "write it as `NAME=/PROGRAM ARGUMENT…`, the program as an absolute path";
        let (head, line) = text.split_once("=/").ok_or_else(|| format!("it names no program; {how}"))?;
        let mut parts = head.split(',');
        let name = parts.next().unwrap_or_default();
        if !is_name(name) {
            return Err(format!("a command's name has letters, digits, `-`, `_` and `.` only; {how}"));
        }
        let (mut env, mut ttl) = (Vec::new(), TTL);
        for part in parts {
            match part.split_once('=') {
                Some(("env", variable)) if !variable.is_empty() => env.push(variable.to_owned()),
                Some(("ttl", seconds)) => {
                    let seconds = seconds.parse().ok().filter(|seconds| (1..=86_400).contains(seconds));
                    ttl = Duration::from_secs(seconds.ok_or("`ttl` is a number of seconds, 1 to 86400")?);
                }
                _ => {
                    let part = shown(part);
                    return Err(format!(
                        "`{part}` is no option of a command; there are `env=VARIABLE` and `ttl=SECONDS`"
                    ));
                }
            }
        }
        let mut words = line.split_ascii_whitespace();
        let program = words.next().filter(|program| !program.is_empty() && line.starts_with(program));
        let program =
            program.map(|program| PathBuf::from(format!("/{program}"))).filter(|path| path.file_name().is_some());
        let program = program.ok_or_else(|| format!("it names no program; {how}"))?;
        let args = words.map(str::to_owned).collect();
        Ok(Self { name: name.to_owned(), program, args, env, ttl })
    }
}

/// What a command prints, or a field of it: `NAME`, or `NAME#FIELD` where it prints JSON, names with `.` between them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommandField {
    pub(crate) command: String,
    /// Empty for all of it.
    pub(crate) field: String,
}

impl FromStr for CommandField {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (command, field) = text.split_once('#').unwrap_or((text, ""));
        if !is_name(command) || text.ends_with('#') || field.len() > 255 || field.chars().any(char::is_control) {
            return Err("write it as `NAME`, or as `NAME#FIELD` where the command prints JSON".into());
        }
        Ok(Self { command: command.to_owned(), field: field.to_owned() })
    }
}

impl TryFrom<String> for CommandField {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<CommandField> for String {
    fn from(field: CommandField) -> Self {
        field.to_string()
    }
}

impl fmt::Display for CommandField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.command),
            field => write!(f, "{}#{field}", self.command),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_an_absolute_program_with_what_the_operator_gives_it() {
        let spec: SourceCommand = "a,ttl=60,env=HOME=/bin/x --a=/b  c".parse().unwrap();
        assert_eq!((spec.program.to_str(), &spec.args[..]), (Some("/bin/x"), &["--a=/b".to_owned(), "c".into()][..]));
        assert_eq!((spec.ttl, &spec.env[..]), (Duration::from_secs(60), &["HOME".to_owned()][..]));
        for wrong in ["", "a", "a=bin/x", "a=", "a=/", "a=/ b", "=/bin/x", "a,what=1=/x", "a,ttl=0=/x", "a b=/x"] {
            assert!(wrong.parse::<SourceCommand>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_field_names_a_command_and_nothing_that_could_reach_it() {
        for text in ["eks", "eks#status.token"] {
            assert_eq!(text.parse::<CommandField>().unwrap().to_string(), text);
        }
        for wrong in ["", "#a", "eks#", "/bin/sh", "eks --x", "eks\n#a"] {
            assert!(wrong.parse::<CommandField>().is_err(), "{wrong}");
        }
    }
}
