//! A record as a message of syslog (RFC 5424): what a receiver sorts by is structured data, the record itself, as it is
//! chained, is the message. The facility is 13, log audit.
//!
//! What a caller chose (a key, a name) could hold anything; in structured data control characters are replaced, so that no
//! receiver that writes lines can be made to write two. The message is JSON, in which they are escaped.

use std::fmt::Write as _;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    entry::{Entry, Severity},
    status::now_ms,
    trail::Batch,
};

const FACILITY: u8 = 13;
/// The name of the structured data. 32473 is the number for examples (RFC 5612): Jackfield has none of its own.
const SD_ID: &str = "audit@32473";
/// The longest parameter that is repeated in structured data, in characters; the message has all of it.
const MAX_PARAM: usize = 200;

/// Who sends: the machine and the process, as a header names them.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    host: String,
    process: u32,
}

impl Origin {
    pub(super) fn of_this_process() -> Self {
        Self { host: header(&hostname(), 255), process: std::process::id() }
    }

    /// The message of a record; longer than `most` bytes it is cut, and says by how much.
    pub(super) fn record(&self, batch: &Batch<'_>, entry: &Entry, most: Option<usize>) -> String {
        let facts = entry.facts();
        let severity = match facts.severity() {
            Severity::Error => 3,
            Severity::Warning => 4,
            Severity::Notice => 5,
            Severity::Info => 6,
        };
        let mut params = format!("chain=\"{}\" seq=\"{}\"", escaped(batch.chain.0), entry.seq);
        let mut param = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                // Writing to a text does not fail.
                let _ = write!(params, " {name}=\"{}\"", escaped(value));
            }
        };
        param("kind", Some(&facts.kind));
        param("subject", Some(&facts.subject));
        param("action", Some(&facts.action));
        param("target", facts.target.as_deref());
        param("call", facts.call.map(|call| call.to_string()).as_deref());
        let outcome = facts.outcome.unwrap_or_default();
        param("outcome", Some(outcome.result.as_str()).filter(|result| !result.is_empty()));
        param("error", outcome.kind.as_deref());
        param("source", outcome.source.as_deref());
        self.message(severity, facts.at, &facts.kind, &params, &entry.line, most)
    }

    /// The message that says what is missing before a batch.
    pub(super) fn loss(&self, batch: &Batch<'_>) -> Option<String> {
        let said = batch.loss()?;
        let params = format!("chain=\"{}\" lost=\"{}\"", escaped(batch.chain.0), batch.lost);
        Some(self.message(3, now_ms(), "lost", &params, &said, None))
    }

    fn message(&self, severity: u8, at: i64, id: &str, params: &str, text: &str, most: Option<usize>) -> String {
        let (host, process) = (&self.host, self.process);
        let priority = FACILITY * 8 + severity;
        let head =
            format!("<{priority}>1 {} {host} jackfield {process} {} [{SD_ID} {params}", timestamp(at), header(id, 32));
        let whole = format!("{head}] {text}");
        match most {
            Some(most) if whole.len() > most => {
                // Room for the parameter that says so.
                let room = most.saturating_sub(head.len() + " truncated=\"0000000\"] ".len());
                let cut = text.floor_char_boundary(room);
                format!("{head} truncated=\"{}\"] {}", text.len() - cut, text.get(..cut).unwrap_or_default())
            }
            _ => whole,
        }
    }
}

/// A name of the header: visible ASCII, not longer than the standard has it, `-` where there is none.
fn header(name: &str, most: usize) -> String {
    let visible: String = name.chars().filter(char::is_ascii_graphic).take(most).collect();
    if visible.is_empty() { "-".to_owned() } else { visible }
}

fn timestamp(at: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000).ok();
    // Milliseconds are within the six digits that the standard allows.
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| "-".to_owned())
}

/// A parameter's value: what would end it is escaped, what would end a line is replaced.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars().take(MAX_PARAM) {
        match c {
            '"' | '\\' | ']' => text.extend(['\\', c]),
            c if c.is_control() => text.push(char::REPLACEMENT_CHARACTER),
            c => text.push(c),
        }
    }
    text
}

#[cfg(unix)]
fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn hostname() -> String {
    String::new()
}

#[cfg(test)]
mod tests {
    use jackfield_audit::Head;

    use super::*;

    fn origin() -> Origin {
        Origin { host: "box".into(), process: 7 }
    }

    fn batch(lost: u64) -> Batch<'static> {
        Batch { chain: ("5f0c", "00"), before: Head { seq: 8, hash: String::new() }, lost, entries: &[] }
    }

    fn record(line: &str, most: Option<usize>) -> String {
        let entry = Entry { seq: 9, prev: String::new(), line: line.to_owned() };
        origin().record(&batch(0), &entry, most)
    }

    #[test]
    fn a_record_is_a_message_of_the_standard_with_what_is_sorted_by_in_structured_data() {
        for (line, expected) in [
            (
                r#"{"at":1700000000123,"kind":"call","subject":"local","action":"key-value.put","target":"play","call":4,"outcome":{"result":"ok"}}"#,
                r#"<110>1 2023-11-14T22:13:20.123Z box jackfield 7 call [audit@32473 chain="5f0c" seq="9" kind="call" subject="local" action="key-value.put" target="play" call="4" outcome="ok"] "#,
            ),
            (
                r#"{"at":0,"kind":"call","subject":"local","action":"a.b","outcome":{"result":"error","kind":"not-found","source":"downstream"}}"#,
                r#"<108>1 1970-01-01T00:00:00Z box jackfield 7 call [audit@32473 chain="5f0c" seq="9" kind="call" subject="local" action="a.b" outcome="error" error="not-found" source="downstream"] "#,
            ),
            (
                r#"{"at":0,"kind":"call","subject":"s","action":"a","outcome":{"result":"unknown"}}"#,
                r#"<107>1 1970-01-01T00:00:00Z box jackfield 7 call [audit@32473 chain="5f0c" seq="9" kind="call" subject="s" action="a" outcome="unknown"] "#,
            ),
            (
                r#"{"at":0,"kind":"host","subject":"host","action":"host.started"}"#,
                r#"<109>1 1970-01-01T00:00:00Z box jackfield 7 host [audit@32473 chain="5f0c" seq="9" kind="host" subject="host" action="host.started"] "#,
            ),
        ] {
            assert_eq!(record(line, None), format!("{expected}{line}"));
        }
    }

    #[test]
    fn nothing_that_a_record_holds_ends_a_value_or_a_line() {
        for (value, expected) in [
            (r#"a\"b"#, r#"a\"b"#),
            (r"a\\b", r"a\\b"),
            ("a]b", r"a\]b"),
            (r"a\nb\u0000\u007f", "a\u{fffd}b\u{fffd}\u{fffd}"),
            ("bücher→", "bücher→"),
            (r"\u2028", "\u{2028}"),
        ] {
            let line = format!(r#"{{"at":0,"kind":"call","subject":"{value}","action":"a"}}"#);
            let message = record(&line, None);
            assert!(message.contains(&format!(" subject=\"{expected}\" ")), "{message}");
            assert!(!message.contains('\n') && message.ends_with(&line), "{message}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_cut_between_characters_and_says_by_how_much() {
        let line = format!(r#"{{"at":0,"kind":"call","subject":"s","action":"a","message":"{}"}}"#, "é".repeat(600));
        let whole = record(&line, None);
        for most in [400, 401, 402, 403] {
            let cut = record(&line, Some(most));
            assert!(cut.len() <= most && cut.len() > most - 10, "{}", cut.len());
            let (head, text) = cut.split_once("] ").unwrap();
            let missing: usize = head.rsplit_once("truncated=\"").unwrap().1.trim_end_matches('"').parse().unwrap();
            assert_eq!(text.len() + missing, line.len());
            assert!(line.starts_with(text));
        }
        assert_eq!(record(&line, Some(whole.len())), whole);
    }

    #[test]
    fn what_is_missing_is_a_message_of_its_own() {
        assert_eq!(origin().loss(&batch(0)), None);
        let said = origin().loss(&batch(3)).unwrap();
        assert!(
            said.starts_with("<107>1 ") && said.contains(" lost [audit@32473 chain=\"5f0c\" lost=\"3\"] 3 records"),
            "{said}"
        );
    }

    #[test]
    fn a_name_of_the_header_is_visible_ascii_or_none() {
        assert_eq!((header("", 9), header("ü \n", 9), header("a b-c", 3)), ("-".into(), "-".into(), "ab-".into()));
    }
}
