//! Names that stand for secrets while a credential is issued: put in by the guest, replaced in what is sent, and given to the
//! guest in place of what an outside system made up. A name is random, so that nothing else can look like one, and means
//! something only to the call that it came to be in.

use std::{collections::BTreeSet, sync::Arc};

use jackfield_vault::Secret;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{Result, clock::random_name};

/// What names begin with, for people who meet one in a log.
const PREFIX: &str = "secret-";
/// Secrets of one call: a credential has few.
const MOST: usize = 32;
/// The longest text that is taken for a secret, in bytes: as long as a credential's field.
const MOST_BYTES: usize = 64 << 10;
/// The shortest, and how many different bytes it has at least: what is taken is looked for in what everybody is told, and no
/// plugin is to blind the others to words of its choice.
const LEAST_BYTES: usize = 16;
const LEAST_DIFFERENT: usize = 8;
/// The longest body that secrets are put in, in bytes.
pub(super) const MOST_BODY: usize = 16 << 20;

/// The secrets of one call, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Vec<(String, Arc<Secret>)>);

impl Names {
    /// Gives a secret a name; none where the call has too many.
    pub(super) fn add(&mut self, secret: Arc<Secret>) -> Result<Option<String>> {
        if self.0.len() == MOST {
            return Ok(None);
        }
        let name = format!("{PREFIX}{}", random_name()?);
        self.0.push((name.clone(), secret));
        Ok(Some(name))
    }

    /// All secrets.
    pub(super) fn all(&self) -> Vec<Arc<Secret>> {
        self.0.iter().map(|(_, secret)| secret.clone()).collect()
    }

    /// What a name stands for.
    pub(super) fn get(&self, name: &str) -> Option<Arc<Secret>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, secret)| secret.clone())
    }

    /// A body with secrets in place of their names; none where no name stands in it, an error where it would be too long.
    pub(super) fn put_in(&self, body: &[u8]) -> std::result::Result<Option<Zeroizing<Vec<u8>>>, String> {
        let mut found: Vec<(usize, &str, &Secret)> = Vec::new();
        for (name, secret) in &self.0 {
            found.extend(memchr::memmem::find_iter(body, name.as_bytes()).map(|at| (at, name.as_str(), &**secret)));
        }
        if found.is_empty() {
            return Ok(None);
        }
        // Names have one length and do not overlap: none begins within another.
        found.sort_unstable_by_key(|(at, ..)| *at);
        // All at once: growing would leave copies behind.
        let grown = found.iter().fold(0_usize, |sum, (_, _, secret)| sum.saturating_add(secret.len()));
        if body.len().saturating_add(grown) > MOST_BODY {
            return Err("with the secrets in it the body would be longer than 16 MiB".to_owned());
        }
        let mut whole = Zeroizing::new(Vec::with_capacity(body.len() + grown));
        let mut from = 0;
        for (at, name, secret) in found {
            whole.extend_from_slice(body.get(from..at).unwrap_or_default());
            whole.extend_from_slice(secret.expose());
            from = at + name.len();
        }
        whole.extend_from_slice(body.get(from..).unwrap_or_default());
        Ok(Some(whole))
    }
}

/// Takes the text at a JSON Pointer out of an answer, `name` in place of it. What is wrong is told without the answer.
pub(super) fn take(
    answer: &mut Value,
    pointer: &str,
    name: impl FnOnce(Arc<Secret>) -> std::result::Result<String, String>,
) -> std::result::Result<(), String> {
    let shown = || pointer.chars().filter(|c| !c.is_control()).take(100).collect::<String>();
    let Some(Value::String(text)) = answer.pointer_mut(pointer) else {
        return Err(format!("there is no text at `{}` in the answer", shown()));
    };
    let different: BTreeSet<u8> = text.bytes().collect();
    if !(LEAST_BYTES..=MOST_BYTES).contains(&text.len()) || different.len() < LEAST_DIFFERENT {
        return Err(format!(
            "the text at `{}` in the answer is no secret: one has 16 bytes to 64 KiB, and eight different ones at least",
            shown()
        ));
    }
    *text = name(Arc::new(Secret::from(std::mem::take(text))))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn secret(text: &str) -> Arc<Secret> {
        Arc::new(Secret::from(text.as_bytes()))
    }

    #[test]
    fn a_secret_is_sent_wherever_its_name_stands_and_nowhere_else() {
        let mut names = Names::default();
        let one = names.add(secret("hunter2")).unwrap().unwrap();
        let two = names.add(secret("x")).unwrap().unwrap();
        let body = format!(r#"{{"a":"{one}","b":"{two}{one}","c":"secret-"}}"#);
        assert_eq!(
            &names.put_in(body.as_bytes()).unwrap().unwrap()[..],
            br#"{"a":"hunter2","b":"xhunter2","c":"secret-"}"#
        );
        assert!(names.put_in(b"secret-0000").unwrap().is_none());
        assert!(Names::default().put_in(body.as_bytes()).unwrap().is_none(), "it is another call's name");
    }

    #[test]
    fn a_call_has_so_many_secrets_and_no_more() {
        let mut names = Names::default();
        let added = (0..40).filter(|_| names.add(secret("x")).unwrap().is_some()).count();
        assert_eq!(added, MOST);
    }

    #[test]
    fn what_is_taken_out_of_an_answer_leaves_a_name_behind() {
        let mut answer = json!({"auth": {"client_token": "s.abcdefghijklmnop", "ttl": 5, "state": "running", "dull": "aaaaaaaaaaaaaaaaaaaaaaaa"}});
        let mut taken = None;
        take(&mut answer, "/auth/client_token", |secret| {
            taken = Some(secret);
            Ok("secret-1".to_owned())
        })
        .unwrap();
        assert_eq!(answer["auth"]["client_token"], "secret-1");
        assert_eq!(taken.unwrap().expose(), b"s.abcdefghijklmnop");
        for pointer in ["/auth/ttl", "/auth", "/nothing", "auth", ""] {
            let error = take(&mut answer, pointer, |_| Ok(String::new())).unwrap_err();
            assert!(error.contains("no text"), "{error}");
        }
        for pointer in ["/auth/state", "/auth/dull"] {
            let error = take(&mut answer, pointer, |_| Ok(String::new())).unwrap_err();
            assert!(error.contains("no secret"), "{error}");
        }
    }

    #[test]
    fn a_body_does_not_grow_beyond_what_may_be_sent() {
        let mut names = Names::default();
        let name = names.add(Arc::new(Secret::from(vec![b'x'; MOST_BYTES]))).unwrap().unwrap();
        assert!(names.put_in(name.repeat(255).as_bytes()).unwrap().is_some());
        assert!(names.put_in(name.repeat(700_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn names_are_replaced_as_if_one_by_one(parts in prop::collection::vec((0..3_usize, "[a-z-]{0,12}"), 0..20)) {
            let mut names = Names::default();
            let secrets = ["one", "secret-", ""];
            let all: Vec<_> = secrets.iter().map(|text| names.add(secret(text)).unwrap().unwrap()).collect();
            let body: String = parts.iter().map(|(which, text)| format!("{text}{}", all[*which])).collect();
            let wanted: String = parts.iter().map(|(which, text)| format!("{text}{}", secrets[*which])).collect();
            let got = names.put_in(body.as_bytes()).unwrap().map_or(body.into_bytes(), |whole| whole.to_vec());
            prop_assert_eq!(got, wanted.into_bytes());
        }
    }
}
