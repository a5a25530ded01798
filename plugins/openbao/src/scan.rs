//! Keys in order, found folder by folder: OpenBao lists one folder at a time. A folder's name ends with `/` in its list, so names
//! sorted as bytes, each folder replaced by what is below it, are all keys sorted as bytes. Only folders that can hold wanted keys
//! are asked for.

use std::vec::IntoIter;

use jackfield_sdk::prelude::*;

use crate::client::OpenBao;
use crate::names;

/// Keys with a prefix, from behind one of them.
pub(crate) struct Walk<'a> {
    bao: &'a OpenBao,
    prefix: &'a str,
    after: Option<&'a str>,
    /// What is left of each folder that the walk is in, the innermost last.
    open: Vec<IntoIter<String>>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(bao: &'a OpenBao, prefix: &'a str, after: Option<&'a str>) -> Result<Self> {
        let mut walk = Self { bao, prefix, after, open: Vec::new() };
        walk.enter(names::folder(prefix))?;
        Ok(walk)
    }

    /// The next key. What is kept there may be deleted: OpenBao lists such keys, too.
    pub(crate) fn next(&mut self) -> Result<Option<String>> {
        while let Some(folder) = self.open.last_mut() {
            match folder.next() {
                Some(path) if path.ends_with('/') => self.enter(&path)?,
                Some(key) => return Ok(Some(key)),
                None => {
                    self.open.pop();
                }
            }
        }
        Ok(None)
    }

    fn enter(&mut self, folder: &str) -> Result<()> {
        // Others are of no key that could be asked for, and `/` alone would never end.
        let names = self.bao.names(folder)?.into_iter().filter(|name| !name.is_empty() && name != "/");
        let mut paths: Vec<String> =
            names.map(|name| format!("{folder}{name}")).filter(|path| self.wants(path)).collect();
        paths.sort_unstable();
        self.open.push(paths.into_iter());
        Ok(())
    }

    fn wants(&self, path: &str) -> bool {
        let behind = |after: &str| path > after || (path.ends_with('/') && after.starts_with(path));
        path.starts_with(self.prefix) && self.after.is_none_or(behind)
    }
}

#[cfg(test)]
mod tests {
    use jackfield_sdk::testing::{self, Answer};

    use super::*;

    /// Walks through an OpenBao that has these folders; returns the keys, and which folders were asked for.
    fn walked(prefix: &str, after: Option<&str>) -> (Vec<String>, Vec<String>) {
        testing::reset();
        testing::set_config(r#"{"prefix": "base/"}"#);
        testing::answer(|sent| match sent.path_and_query.as_str() {
            "/v1/secret/metadata/base?list=true" => Answer::json(200, r#"{"data":{"keys":["b","a/","a","a-b","z/"]}}"#),
            "/v1/secret/metadata/base/a?list=true" => Answer::json(200, r#"{"data":{"keys":["k","k/","ü x"]}}"#),
            "/v1/secret/metadata/base/a/k?list=true" => Answer::json(200, r#"{"data":{"keys":["1","2"]}}"#),
            _ => Answer::json(404, r#"{"errors":[]}"#),
        });
        let bao = OpenBao::open().unwrap();
        let mut walk = Walk::new(&bao, prefix, after).unwrap();
        let mut keys = Vec::new();
        while let Some(key) = walk.next().unwrap() {
            keys.push(key);
        }
        let asked = testing::sent().into_iter().map(|sent| sent.path_and_query.replace("/v1/secret/metadata/base", ""));
        (keys, asked.map(|path| path.replace("?list=true", "")).collect())
    }

    #[test]
    fn all_keys_are_found_in_byte_order() {
        let (keys, _) = walked("", None);
        assert_eq!(keys, ["a", "a-b", "a/k", "a/k/1", "a/k/2", "a/ü x", "b"]);
        assert!(keys.is_sorted());
    }

    #[test]
    fn only_folders_that_can_hold_wanted_keys_are_asked_for() {
        assert_eq!(
            walked("a/k", None),
            (vec!["a/k".into(), "a/k/1".into(), "a/k/2".into()], vec!["/a".into(), "/a/k".into()])
        );
        assert_eq!(walked("a/k/1", None), (vec!["a/k/1".into()], vec!["/a/k".into()]));
        assert_eq!(walked("none/", None), (vec![], vec!["/none".into()]));
    }

    #[test]
    fn a_walk_goes_on_behind_any_key() {
        let (all, _) = walked("", None);
        for (at, key) in all.iter().enumerate() {
            assert_eq!(walked("", Some(key)).0, all[at + 1..], "{key}");
        }
        assert_eq!(walked("", Some("b")).1, ["", "/z"], "what lies before is not asked for again");
    }
}
