//! A kubeconfig made as small as its use: of all contexts the chosen one, with what was in files put in, as `kubectl config view
//! --raw --flatten --minify` does. So what opens other clusters is never sent to a host, and never sealed in a vault. It is
//! written as JSON, which is YAML.

use std::io;

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::ser::Formatter;
use zeroize::Zeroizing;

use super::{
    KubeconfigError,
    chosen::{Chosen, FILES},
    yaml::{Node, Text},
};
use crate::Secret;

/// The longest result, in bytes: what a field of a credential may be.
const MOST: usize = 64 << 10;

/// The contents of a file that a kubeconfig names, or why there are none.
pub type FileRead<'f> = &'f mut dyn FnMut(&str) -> Result<Secret, String>;

/// Keeps one context of a kubeconfig, the current one where none is named. `read` gives what is in the files that it names; a
/// `tokenFile` stays as it is, since another program writes it anew.
pub fn minify(text: &str, context: Option<&str>, read: FileRead<'_>) -> Result<Secret, KubeconfigError> {
    let mut root = Node::parse(text)?;
    let chosen = Chosen::read(&root, context)?;
    let unreadable = |list: &str, field: &str, reason: String| match list {
        "clusters" => chosen.unreachable(format!("`{field}`: {reason}")),
        _ => chosen.unfit(format!("`{field}`: {reason}")),
    };
    let mut keep = |list: &'static str, member: &'static str, name: &str| {
        let mut fields = take(&mut root, list, member, name);
        fields.retain(|(name, _)| **name != *"extensions");
        for (file, data) in FILES {
            inline(&mut fields, file, data, read).map_err(|reason| unreadable(list, file, reason))?;
        }
        let named =
            (Text::Whole("name"), Node::Text { value: Text::Made(Zeroizing::new(name.to_owned())), plain: false });
        Ok::<_, KubeconfigError>(Node::List(vec![Node::Map(vec![named, (Text::Whole(member), Node::Map(fields))])]))
    };
    let contexts = keep("contexts", "context", &chosen.context)?;
    let clusters = keep("clusters", "cluster", &chosen.cluster)?;
    let users = keep("users", "user", &chosen.user)?;
    let word = |word| Node::Text { value: Text::Whole(word), plain: false };
    let small = Node::Map(vec![
        (Text::Whole("apiVersion"), word("v1")),
        (Text::Whole("kind"), word("Config")),
        (Text::Whole("current-context"), word(&chosen.context)),
        (Text::Whole("contexts"), contexts),
        (Text::Whole("clusters"), clusters),
        (Text::Whole("users"), users),
    ]);
    // All the room at once: growing would leave copies behind.
    let mut out = Bounded(Zeroizing::new(Vec::with_capacity(MOST)));
    let mut writer = serde_json::Serializer::with_formatter(&mut out, Printable);
    small.serialize(&mut writer).map_err(|_| chosen.unfit("with its cluster and its context is longer than 64 KiB"))?;
    Ok(Secret::from(&out.0[..]))
}

/// A map's entries.
type Fields<'i> = Vec<(Text<'i>, Node<'i>)>;

/// Takes the fields of the entry of a name out of a list.
fn take<'i>(root: &mut Node<'i>, list: &str, member: &str, name: &str) -> Fields<'i> {
    let Some(Node::List(items)) = root.get_mut(list) else { return Vec::new() };
    let is_it = |item: &&mut Node<'i>| matches!(item.get("name"), Some(Node::Text { value, .. }) if **value == *name);
    match items.iter_mut().find(is_it).and_then(|item| item.get_mut(member)) {
        Some(Node::Map(fields)) => std::mem::take(fields),
        _ => Vec::new(),
    }
}

/// Puts in what is in a file, unless it is there already.
fn inline(fields: &mut Fields<'_>, file: &str, data: &'static str, read: FileRead<'_>) -> Result<(), String> {
    let given = |node: &Node<'_>| matches!(node, Node::Text { value, .. } if !value.is_empty());
    let has_data = fields.iter().any(|(name, value)| **name == *data && given(value));
    let Some(place) = fields.iter().position(|(name, _)| **name == *file) else { return Ok(()) };
    let (_, named) = fields.remove(place);
    let Node::Text { value: path, .. } = named else { return Ok(()) };
    if has_data || path.is_empty() {
        return Ok(());
    }
    let contents = read(&path)?;
    let mut encoded = Zeroizing::new(String::with_capacity(contents.len().div_ceil(3) * 4));
    BASE64.encode_string(contents.expose(), &mut encoded);
    fields.retain(|(name, _)| **name != *data);
    fields.push((Text::Whole(data), Node::Text { value: Text::Made(encoded), plain: false }));
    Ok(())
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Text { value, plain: true } if matches!(&**value, "true" | "false") => {
                serializer.serialize_bool(**value == *"true")
            }
            Self::Text { value, .. } => serializer.serialize_str(value),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (name, value) in entries {
                    map.serialize_entry(&**name, value)?;
                }
                map.end()
            }
        }
    }
}

/// JSON in which everything is escaped that YAML takes for unprintable (YAML 1.2.2, 5.1), and JSON does not.
struct Printable;

impl Formatter for Printable {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let unprintable =
            |c| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
        let mut rest = fragment;
        while let Some((before, from)) = rest.find(unprintable).and_then(|at| rest.split_at_checked(at)) {
            writer.write_all(before.as_bytes())?;
            let mut chars = from.chars();
            if let Some(c) = chars.next() {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Takes bytes as long as there is room.
struct Bounded(Zeroizing<Vec<u8>>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
