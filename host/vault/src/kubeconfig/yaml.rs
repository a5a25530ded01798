//! YAML as kubeconfigs are written in it, which includes JSON: maps, lists and scalars, in one document. Anchors and aliases are
//! refused rather than expanded, so nothing in a text can become more than it is; depth and number of nodes are bounded. What
//! is wrong is told by its line, never by what stands there: the parser's own words would repeat it.

use std::{borrow::Cow, collections::HashSet, ops::Deref};

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use zeroize::Zeroizing;

use super::KubeconfigError;

/// How deep maps and lists may lie in one another; a kubeconfig's own are seven.
const DEEPEST: usize = 16;
/// The most nodes of a text. Each is a few bytes of it at least, and takes fifty here.
const MOST_NODES: usize = 20_000;

/// A text's value. What had to be unescaped is overwritten when it goes, but for what the parser left behind where it grew; the
/// rest, tokens and base64 in particular, lies in the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Text<'i> {
    Whole(&'i str),
    Made(Zeroizing<String>),
}

impl<'i> From<Cow<'i, str>> for Text<'i> {
    fn from(text: Cow<'i, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::Whole(text),
            Cow::Owned(text) => Self::Made(Zeroizing::new(text)),
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Whole(text) => text,
            Self::Made(text) => text,
        }
    }
}

/// A value.
pub(super) enum Node<'i> {
    Null,
    Text {
        value: Text<'i>,
        /// It is in no quotes, so it may be a word such as `true`.
        plain: bool,
    },
    List(Vec<Node<'i>>),
    Map(Vec<(Text<'i>, Node<'i>)>),
}

impl<'i> Node<'i> {
    /// Reads a text, which is one document.
    pub(super) fn parse(text: &'i str) -> Result<Self, KubeconfigError> {
        let mut options = granit_parser::Options::default();
        (options.flow_nesting_limit, options.block_nesting_limit) = (DEEPEST, DEEPEST);
        options.disallow_directives = true;
        let mut reader = Reader { parser: Parser::new_from_str_with_options(text, options), nodes: 0 };
        reader.expect(|event| matches!(event, Event::StreamStart))?;
        match reader.next()? {
            (Event::DocumentStart(..), _) => {}
            (_, span) => return Err(wrong("it is empty", &span)),
        }
        let (first, span) = reader.next()?;
        let root = reader.node(first, &span, 0)?;
        reader.expect(|event| matches!(event, Event::DocumentEnd))?;
        match reader.next()? {
            (Event::StreamEnd, _) => Ok(root),
            (_, span) => Err(wrong("there is more than one document", &span)),
        }
    }

    /// The value under a name, if this is a map with one.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        let (_, value) = entries.iter().find(|(known, _)| **known == *name)?;
        (!matches!(value, Self::Null)).then_some(value)
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter_mut().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }
}

struct Reader<'i> {
    parser: Parser<'i, StrInput<'i>>,
    nodes: usize,
}

impl<'i> Reader<'i> {
    fn next(&mut self) -> Result<(Event<'i>, Span), KubeconfigError> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let deep = matches!(error.kind(), granit_parser::ErrorKind::RecursionLimitExceeded);
                let reason = if deep { "it is nested too deeply" } else { "this is no YAML" };
                Err(KubeconfigError::Yaml { line: error.marker().line(), reason })
            }
            None => Err(KubeconfigError::Yaml { line: 0, reason: "it ends too early" }),
        }
    }

    fn expect(&mut self, is: impl FnOnce(&Event<'i>) -> bool) -> Result<(), KubeconfigError> {
        match self.next()? {
            (event, _) if is(&event) => Ok(()),
            (_, span) => Err(wrong("this is not expected here", &span)),
        }
    }

    fn node(&mut self, event: Event<'i>, span: &Span, depth: usize) -> Result<Node<'i>, KubeconfigError> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(wrong("there are too many values", span));
        }
        if depth > DEEPEST {
            return Err(wrong("it is nested too deeply", span));
        }
        if event.anchor_id().is_some() || event.is_alias() {
            return Err(wrong("there is an anchor or an alias (`&`, `*`); write out what is meant", span));
        }
        if event.tag().is_some() {
            return Err(wrong("there is a tag (`!`); leave it out", span));
        }
        match event {
            Event::Scalar(value, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                if plain && matches!(&*value, "" | "~" | "null" | "Null" | "NULL") {
                    return Ok(Node::Null);
                }
                Ok(Node::Text { value: value.into(), plain })
            }
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => return Ok(Node::List(items)),
                        (event, span) => items.push(self.node(event, &span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => self.map(depth),
            _ => Err(wrong("this is not expected here", span)),
        }
    }

    fn map(&mut self, depth: usize) -> Result<Node<'i>, KubeconfigError> {
        let mut entries: Vec<(Text<'i>, Node<'i>)> = Vec::new();
        // Whoever names one thing twice means two things by it, and readers differ in which they take.
        let mut known = HashSet::new();
        loop {
            let (event, span) = self.next()?;
            let name = match event {
                Event::MappingEnd => return Ok(Node::Map(entries)),
                Event::Scalar(name, ..) => name,
                _ => return Err(wrong("a name is a text", &span)),
            };
            if !known.insert(name.clone()) {
                return Err(wrong("a name stands here a second time", &span));
            }
            let (event, span) = self.next()?;
            let value = self.node(event, &span, depth + 1)?;
            entries.push((name.into(), value));
        }
    }
}

fn wrong(reason: &'static str, span: &Span) -> KubeconfigError {
    KubeconfigError::Yaml { line: span.start.line(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> String {
        Node::parse(text).err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn text<'n>(node: &'n Node<'_>, path: &[&str]) -> &'n str {
        match path.iter().try_fold(node, |node, name| node.get(name)) {
            Some(Node::Text { value, .. }) => value,
            _ => "",
        }
    }

    #[test]
    fn yaml_and_json_say_the_same() {
        let long = "x".repeat(5000);
        for source in [
            format!("a:\n  b: {long}\n  'c': \"d\\ne\"\nf: ~\ng: # nothing\n"),
            format!(r#"{{"a": {{"b": "{long}", "c": "d\ne"}}, "f": null}}"#),
            format!("--- {{a: {{b: {long}, c: \"d\\ne\"}}}}\n...\n"),
        ] {
            let node = Node::parse(&source).unwrap();
            assert_eq!((text(&node, &["a", "b"]), text(&node, &["a", "c"])), (long.as_str(), "d\ne"));
            assert!(node.get("f").is_none() && node.get("g").is_none());
        }
    }

    #[test]
    fn nothing_becomes_more_than_it_is() {
        let bomb = "a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: [*b,*b,*b,*b]\n";
        assert!(reason(bomb).contains("anchor or an alias"), "{}", reason(bomb));
        for deep in ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(1000), "? ".repeat(1000)] {
            assert!(!reason(&deep).is_empty());
        }
        assert!(reason(&format!("[{}]", "a,".repeat(MOST_NODES + 1))).contains("too many"));
        assert!(reason("a: 1\na: 2\n").contains("line 2"), "{}", reason("a: 1\na: 2\n"));
        for (text, expected) in [
            ("", "empty"),
            ("a: b\n---\nc: d\n", "more than one document"),
            ("a: !!str b", "a tag"),
            ("[a]: b", "a name is a text"),
            ("%YAML 1.1\n---\na: b\n", "no YAML"),
            ("a: hunter2\n b: [\n", "no YAML"),
        ] {
            assert!(reason(text).contains(expected), "{text:?}: {}", reason(text));
            assert!(!reason(text).contains("hunter2"));
        }
    }
}
