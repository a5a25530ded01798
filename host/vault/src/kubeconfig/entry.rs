//! One entry of a kubeconfig, a cluster or a user or a context, and its fields by their types. What is wrong with one is told
//! by the entry's name and the field's.

use super::{
    KubeconfigError,
    error::shown,
    yaml::{Node, Text},
};

/// A map, and what it is called in errors.
pub(super) struct Entry<'n, 'i> {
    place: String,
    node: Option<&'n Node<'i>>,
}

impl<'n, 'i> Entry<'n, 'i> {
    /// The top of the text.
    pub(super) fn top(node: &'n Node<'i>) -> Result<Self, KubeconfigError> {
        match node {
            Node::Map(_) => Ok(Self { place: String::new(), node: Some(node) }),
            _ => Err(KubeconfigError::Field {
                place: "the text".into(),
                reason: "is no kubeconfig, which begins with `apiVersion: v1` and `kind: Config`".into(),
            }),
        }
    }

    /// The entry of a name in one of the lists that a kubeconfig has. Like Kubernetes does, of several the first is taken.
    pub(super) fn named(&self, list: &'static str, member: &'static str, name: &str) -> Result<Self, KubeconfigError> {
        let place = format!("the {member} {}", shown(name));
        for item in self.list(list)? {
            if text_of(item.get("name")) != Some(name) {
                continue;
            }
            return match item.get(member) {
                None => Ok(Self { place, node: None }),
                Some(node @ Node::Map(_)) => Ok(Self { place, node: Some(node) }),
                Some(_) => Err(KubeconfigError::Field { place, reason: "is not a map of fields".into() }),
            };
        }
        Err(KubeconfigError::Field { place, reason: format!("is named and not there; add it to `{list}`") })
    }

    /// The names in one of the lists.
    pub(super) fn names(&self, list: &'static str) -> Result<Vec<&'n str>, KubeconfigError> {
        Ok(self.list(list)?.iter().filter_map(|item| text_of(item.get("name"))).collect())
    }

    fn list(&self, name: &'static str) -> Result<&'n [Node<'i>], KubeconfigError> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Node::List(items)) => Ok(items),
            Some(_) => Err(self.wrong(name, "is not a list")),
        }
    }

    fn get(&self, name: &str) -> Option<&'n Node<'i>> {
        self.node?.get(name)
    }

    /// What is wrong with a field.
    pub(super) fn wrong(&self, name: &str, reason: impl Into<String>) -> KubeconfigError {
        let place = match self.place.as_str() {
            "" => format!("`{name}`"),
            place => format!("{place}: `{name}`"),
        };
        KubeconfigError::Field { place, reason: reason.into() }
    }

    /// What is wrong with the entry.
    pub(super) fn unfit(&self, reason: impl Into<String>) -> KubeconfigError {
        KubeconfigError::Field { place: self.place.clone(), reason: reason.into() }
    }

    /// Sees that there is no field but these: one that is spelt wrongly would be left out, and be missed in what it restricts.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), KubeconfigError> {
        let Some(Node::Map(entries)) = self.node else { return Ok(()) };
        match entries.iter().find(|(name, _)| !known.contains(&&**name)) {
            None => Ok(()),
            Some((name, _)) => {
                let reason = format!("has a field {} that is not known here; remove it", shown(name));
                Err(self.unfit(reason))
            }
        }
    }

    /// A text. An empty one is none, as in Kubernetes.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&'n str>, KubeconfigError> {
        match self.get(name) {
            None => Ok(None),
            Some(Node::Text { value, .. }) if value.is_empty() => Ok(None),
            Some(Node::Text { value, .. }) => Ok(Some(value)),
            Some(_) => Err(self.wrong(name, "is not a text")),
        }
    }

    /// `true` or `false`; false where it is not there.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, KubeconfigError> {
        match self.get(name) {
            None => Ok(false),
            Some(Node::Text { value, plain: true }) if **value == *"true" => Ok(true),
            Some(Node::Text { value, plain: true }) if **value == *"false" => Ok(false),
            Some(_) => Err(self.wrong(name, "is neither `true` nor `false`")),
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self, name: &'static str) -> Result<Vec<&'n str>, KubeconfigError> {
        let one = |item: &'n Node<'i>| match item {
            Node::Text { value, .. } => Ok(&**value),
            _ => Err(self.wrong(name, "is a list of something else than texts")),
        };
        self.list(name)?.iter().map(one).collect()
    }

    /// A map of lists of texts.
    pub(super) fn lists(&self, name: &'static str) -> Result<Vec<(&'n str, Vec<&'n str>)>, KubeconfigError> {
        let entries: &[(Text<'i>, Node<'i>)] = match self.get(name) {
            None => &[],
            Some(Node::Map(entries)) => entries,
            Some(_) => return Err(self.wrong(name, "is not a map of lists")),
        };
        let mut lists = Vec::new();
        for (key, value) in entries {
            let Node::List(items) = value else { return Err(self.wrong(name, "is not a map of lists")) };
            let texts: Option<Vec<&str>> = items.iter().map(|item| text_of(Some(item))).collect();
            lists.push((&**key, texts.ok_or_else(|| self.wrong(name, "holds a list of something else than texts"))?));
        }
        Ok(lists)
    }

    /// A map within it.
    pub(super) fn within(&self, name: &'static str) -> Result<Option<Self>, KubeconfigError> {
        match self.get(name) {
            None => Ok(None),
            Some(node @ Node::Map(_)) => {
                Ok(Some(Self { place: format!("{}: `{name}`", self.place), node: Some(node) }))
            }
            Some(_) => Err(self.wrong(name, "is not a map of fields")),
        }
    }

    /// The members of a list of maps.
    pub(super) fn members(&self, name: &'static str) -> Result<Vec<Self>, KubeconfigError> {
        let member = |node: &'n Node<'i>| match node {
            Node::Map(_) => Ok(Self { place: format!("{}: `{name}`", self.place), node: Some(node) }),
            _ => Err(self.wrong(name, "is not a list of maps")),
        };
        self.list(name)?.iter().map(member).collect()
    }
}

fn text_of<'n>(node: Option<&'n Node<'_>>) -> Option<&'n str> {
    match node {
        Some(Node::Text { value, .. }) => Some(value),
        _ => None,
    }
}
