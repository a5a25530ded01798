//! A cassette's file, read. A reader tolerates nothing: a line that was cut by a crash, changed by hand in a wrong way or
//! written by a later version is an error that names the line, since a replay of half of what was meant would look like one.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{CassetteError, Exchange, Label, Malformed};

/// The form's version.
const VERSION: u32 = 1;
/// The longest file that is read.
const LONGEST_FILE: u64 = 256 << 20;
/// How a file begins that a recorder wrote; behind it stands whether everything was recorded, in five characters.
const BEGINNING: &str = "{\"cassette\":1,\"complete\":";

/// What a recorder has recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cassette {
    /// Of what it is.
    pub label: Label,
    /// Whether everything was recorded that there was.
    pub complete: bool,
    /// The exchanges in the order in which they ended, each in the line of its place, from 2.
    pub exchanges: Vec<Exchange>,
}

/// The first line, without what is in the label.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    cassette: u32,
    complete: bool,
    of: Label,
}

impl Cassette {
    /// Reads what is in a file.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let wrong = |line, reason: &str| Malformed { line, reason: reason.to_owned() };
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                return Err(wrong(line, "it is not UTF-8; record anew"));
            }
        };
        if text.is_empty() {
            return Err(wrong(1, "the file is empty; record to a new one"));
        }
        let lines = text.split('\n').count();
        let Some(text) = text.strip_suffix('\n') else {
            return Err(wrong(lines, "it does not end, so it was cut off; take it away, or record anew"));
        };
        let mut lines = text.split('\n').enumerate().map(|(index, line)| (index + 1, line));
        let head = lines.next().map_or("", |(_, line)| line);
        let Head { complete, of: label, .. } = head_of(head)?;
        let (mut exchanges, mut numbers) = (Vec::new(), HashSet::new());
        for (line, text) in lines {
            let exchange: Exchange = serde_json::from_str(text).map_err(|error| {
                // Without what stands there: it may be anything.
                let (column, kind) = (error.column(), error.classify());
                let what = match kind {
                    serde_json::error::Category::Data => error.to_string().chars().take(160).collect(),
                    _ => format!("it is no JSON from its character {column} on"),
                };
                Malformed { line, reason: format!("{what}; mend it, take it away, or record anew") }
            })?;
            if !numbers.insert(exchange.number) {
                let reason = format!("the number {} stands there twice; give one exchange another", exchange.number);
                return Err(Malformed { line, reason });
            }
            exchanges.push(exchange);
        }
        Ok(Self { label, complete, exchanges })
    }

    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, CassetteError> {
        let unusable = |error: io::Error| CassetteError::File { path: path.to_owned(), reason: error.to_string() };
        Self::load_from(path, &File::open(path).map_err(unusable)?)
    }

    /// Reads a file that is open.
    pub(super) fn load_from(path: &Path, file: &File) -> Result<Self, CassetteError> {
        let bytes = read_all(file);
        let bytes = bytes.map_err(|error| CassetteError::File { path: path.to_owned(), reason: error.to_string() })?;
        Self::read(&bytes).map_err(|reason| CassetteError::Content { path: path.to_owned(), reason })
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut text = first_line(&self.label, self.complete);
        for exchange in &self.exchanges {
            text.push_str(&line(exchange));
        }
        text
    }
}

fn head_of(text: &str) -> Result<Head, Malformed> {
    let wrong = |reason: String| Malformed { line: 1, reason };
    // The version first, which says how to read the rest.
    #[derive(Deserialize)]
    struct Version {
        cassette: u64,
    }
    let version: Version = serde_json::from_str(text)
        .map_err(|_| wrong("this is no cassette; name a file that `--record` has written".to_owned()))?;
    if version.cassette != u64::from(VERSION) {
        let found = version.cassette;
        return Err(wrong(format!("its form has version {found}, and {VERSION} is read here; record anew")));
    }
    serde_json::from_str(text)
        .map_err(|error| wrong(format!("{}; record anew", error.to_string().chars().take(160).collect::<String>())))
}

fn read_all(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LONGEST_FILE {
        true => Err(io::Error::other(format!("it is longer than {} MiB; record less in one", LONGEST_FILE >> 20))),
        false => Ok(bytes),
    }
}

/// The first line as it is written: what may change in it has a place of its own size.
pub(super) fn first_line(label: &Label, complete: bool) -> String {
    let of = serde_json::to_string(label).unwrap_or_default();
    format!("{BEGINNING}{},\"of\":{of}}}\n", completeness(complete))
}

/// Whether everything was recorded, in five characters.
pub(super) fn completeness(complete: bool) -> &'static str {
    if complete { "true " } else { "false" }
}

/// Where that stands in a file that a recorder wrote; none in one that it did not.
pub(super) fn place_of_completeness(start: &[u8]) -> Option<u64> {
    let rest = start.strip_prefix(BEGINNING.as_bytes())?;
    let ours = [true, false].iter().any(|complete| rest.starts_with(completeness(*complete).as_bytes()));
    ours.then_some(BEGINNING.len() as u64)
}

/// How much of a file's start tells that.
pub(super) const START: usize = BEGINNING.len() + 5;

/// An exchange's line.
pub(super) fn line(exchange: &Exchange) -> String {
    // Every part of it has a form in JSON.
    let mut line = serde_json::to_string(exchange).unwrap_or_default();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cassette::{Answer, Asked, Content, End, Failure, Reply};

    fn label() -> Label {
        Label {
            integration: "prom".into(),
            plugin: "prometheus".into(),
            plugin_version: "0.1.0".into(),
            plugin_digest: "sha256:00".into(),
        }
    }

    fn content() -> impl Strategy<Value = Content> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Content::Bytes(bytes.into())),
            any::<String>().prop_map(|text| Content::Bytes(text.into())),
            any::<u64>().prop_map(Content::TooLong),
        ]
    }

    fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
        proptest::collection::vec((any::<String>(), any::<String>()), 0..3)
    }

    fn failure() -> impl Strategy<Value = Failure> {
        prop_oneof![
            (any::<String>(), any::<String>()).prop_map(|(name, reason)| Failure::Dns { name, reason }),
            headers().prop_map(|attempts| Failure::Unreachable { attempts }),
            any::<bool>().prop_map(|sent| Failure::Timeout { sent }),
            Just(Failure::Declined),
            Just(Failure::BodyTimeout),
            (any::<String>(), any::<bool>()).prop_map(|(message, sent)| Failure::Other { message, sent }),
        ]
    }

    prop_compose! {
        fn reply()(
            host in any::<String>(), status in 100u16..1000, headers in headers(), body in content(),
            end in prop_oneof![Just(End::Whole), Just(End::Cut), failure().prop_map(End::Failed)],
        ) -> Reply {
            Reply { host, status, headers, body, end }
        }
    }

    fn answer() -> impl Strategy<Value = Answer> {
        prop_oneof![reply().prop_map(Answer::Response), failure().prop_map(Answer::Failure), Just(Answer::GivenUp),]
    }

    prop_compose! {
        fn exchange()(
            operation in any::<String>(), endpoint in any::<String>(), method in any::<String>(), target in any::<String>(),
            headers in headers(), body in content(), answer in answer(),
        ) -> Exchange {
            Exchange { number: 0, operation, endpoint, request: Asked { method, target, headers, body }, answer }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_equal(
            mut exchanges in proptest::collection::vec(exchange(), 0..5), complete in any::<bool>(),
        ) {
            exchanges.iter_mut().zip(1..).for_each(|(exchange, number)| exchange.number = number);
            let cassette = Cassette { label: label(), complete, exchanges };
            let text = cassette.to_text();
            prop_assert_eq!(text.lines().count(), cassette.exchanges.len() + 1);
            prop_assert_eq!(Cassette::read(text.as_bytes()), Ok(cassette));
        }

        #[test]
        fn a_file_that_was_cut_anywhere_is_the_exchanges_before_or_an_error(
            mut exchanges in proptest::collection::vec(exchange(), 1..4), at in any::<prop::sample::Index>(),
        ) {
            exchanges.iter_mut().zip(1..).for_each(|(exchange, number)| exchange.number = number);
            let text = Cassette { label: label(), complete: true, exchanges: exchanges.clone() }.to_text().into_bytes();
            let cut = &text[..at.index(text.len())];
            match Cassette::read(cut) {
                Ok(read) => {
                    prop_assert!(cut.ends_with(b"\n"));
                    prop_assert_eq!(&read.exchanges[..], &exchanges[..read.exchanges.len()]);
                }
                Err(error) => prop_assert!(error.line <= exchanges.len() + 1, "{}", error),
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Cassette::read(&bytes);
        }
    }

    const HEAD: &str = concat!(
        r#"{"cassette":1,"complete":true ,"of":{"integration":"p","plugin":"q","#,
        r#""plugin-version":"0.1.0","plugin-digest":"d"}}"#,
        "\n"
    );
    const LINE: &str = concat!(
        r#"{"number":1,"operation":"o","endpoint":"api","request":{"method":"GET","target":"/"},"answer":"given-up"}"#,
        "\n"
    );

    fn error(text: &str) -> String {
        Cassette::read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_what_to_do() {
        assert!(Cassette::read(format!("{HEAD}{LINE}").as_bytes()).unwrap().complete);
        assert_eq!(error(""), "line 1: the file is empty; record to a new one");
        assert!(error("# a file\n").starts_with("line 1: this is no cassette"));
        let later = error(&HEAD.replace(":1,", ":2,"));
        assert!(later.starts_with("line 1: its form has version 2, and 1 is read here"), "{later}");
        let cut = error(format!("{HEAD}{LINE}").trim_end());
        assert_eq!(cut, "line 2: it does not end, so it was cut off; take it away, or record anew");
        let twice = error(&format!("{HEAD}{LINE}{LINE}"));
        assert_eq!(twice, "line 3: the number 1 stands there twice; give one exchange another");
        for (from, to) in [
            ("\"answer\"", "\"answered\""),
            ("given-up", "given"),
            ("\"GET\"", "1"),
            ("\"number\":1,", "\"number\":1,\"number\":2,"),
            ("\"/\"", "\"/\",\"body\":{\"base64\":\"*\"}"),
            ("\"/\"", "\"/\",\"body\":{\"text\":\"a\",\"base64\":\"\"}"),
            (r#""given-up""#, r#"{"response":{"host":"h","status":99,"end":"whole"}}"#),
            (r#""given-up""#, r#"{"response":{"host":"h","status":200}}"#),
            ("\n", "\n\n"),
            ("}\n", "} {}\n"),
        ] {
            let text = format!("{HEAD}{}", LINE.replacen(from, to, 1));
            let error = error(&text);
            assert!(error.starts_with("line 2: ") || error.starts_with("line 3: "), "{to}: {error}");
            assert!(error.contains("record anew"), "{to}: {error}");
        }
        let bytes = [HEAD.as_bytes(), b"\xff\n"].concat();
        assert!(Cassette::read(&bytes).unwrap_err().to_string().starts_with("line 2: it is not UTF-8"));
    }

    #[test]
    fn a_body_is_text_where_people_can_read_it() {
        let line = |body: &[u8]| serde_json::to_string(&Content::Bytes(bytes::Bytes::copy_from_slice(body))).unwrap();
        assert_eq!(line(b"{\"a\":\n1}"), r#"{"text":"{\"a\":\n1}"}"#);
        assert_eq!(line(&[0xff, 0]), r#"{"base64":"/wA="}"#);
        assert_eq!(line(b"a\0"), r#"{"base64":"YQA="}"#);
    }
}
