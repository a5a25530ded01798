//! Against answers as OpenBao 2.7 gives them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jackfield_sdk::testing::{self, Answer, Sent};
use serde_json::{Value, json};

use super::*;

/// A secrets engine: of each key the newest version, its secret, and whether that is deleted.
type Engine = Rc<RefCell<BTreeMap<String, (u64, Value, bool)>>>;

fn engine() -> Engine {
    testing::reset();
    testing::set_config("{}");
    let engine = Engine::default();
    let kept = engine.clone();
    testing::answer(move |sent| answer(&mut kept.borrow_mut(), sent));
    engine
}

fn answer(kept: &mut BTreeMap<String, (u64, Value, bool)>, sent: &Sent) -> Answer {
    assert_eq!(sent.endpoint, "api");
    let path = sent.path_and_query.strip_prefix("/v1/secret/").unwrap();
    let (part, key) = path.split_once('/').unwrap_or((path, ""));
    let body: Value = serde_json::from_slice(&sent.body).unwrap_or_default();
    let found = kept.get(key).cloned();
    match (sent.method.as_str(), part) {
        ("GET", "data") => match found {
            Some((version, secret, false)) => {
                Answer::json(200, &json!({"data": {"data": secret, "metadata": {"version": version}}}).to_string())
            }
            Some((version, _, true)) => {
                Answer::json(404, &json!({"data": {"data": null, "metadata": {"version": version}}}).to_string())
            }
            None => Answer::json(404, r#"{"errors":[]}"#),
        },
        ("POST", "data") => {
            let newest = found.map_or(0, |(version, ..)| version);
            if body["options"]["cas"].as_u64().is_some_and(|cas| cas != newest) {
                return Answer::json(
                    400,
                    r#"{"errors":["check-and-set parameter did not match the current version"]}"#,
                );
            }
            kept.insert(key.to_owned(), (newest + 1, body["data"].clone(), false));
            Answer::json(200, &json!({"data": {"version": newest + 1, "destroyed": false}}).to_string())
        }
        ("POST", "delete") => {
            if let Some((version, _, deleted)) = kept.get_mut(key) {
                *deleted |= body["versions"] == json!([*version]);
            }
            Answer::new(204, "")
        }
        ("GET", "metadata?list=true") => {
            let keys: Vec<&String> = kept.keys().collect();
            Answer::json(200, &json!({"data": {"keys": keys}}).to_string())
        }
        other => panic!("{other:?}"),
    }
}

fn put(key: &str, value: &str, options: WriteOptions) -> Result<String> {
    OpenBaoPlugin::put(key.into(), value.into(), None, options).map(|entry| entry.revision)
}

fn only(precondition: Precondition) -> WriteOptions {
    WriteOptions { precondition: Some(precondition), ..WriteOptions::default() }
}

fn got(key: &str) -> Option<(String, String)> {
    let entry = OpenBaoPlugin::get(key.into()).unwrap()?;
    Some((String::from_utf8(entry.value).unwrap(), entry.revision))
}

#[test]
fn a_key_has_the_version_of_its_secret_as_revision_and_no_revision_comes_back() {
    let engine = engine();
    assert_eq!(got("app/db"), None);
    assert_eq!(put("app/db", "one", WriteOptions::default()).unwrap(), "1");
    assert_eq!(got("app/db"), Some(("one".into(), "1".into())));
    assert_eq!(engine.borrow()["app/db"].1, json!({"value": "one"}));
    assert_eq!(OpenBaoPlugin::delete("app/db".into(), WriteOptions::default()).unwrap().deleted, 1);
    assert_eq!(
        (got("app/db"), OpenBaoPlugin::delete("app/db".into(), WriteOptions::default()).unwrap().deleted),
        (None, 0)
    );
    assert_eq!(put("app/db", "two", only(Precondition::Absent)).unwrap(), "2");
}

#[test]
fn a_write_is_made_only_if_what_it_expects_holds() {
    engine();
    put("a", "one", WriteOptions::default()).unwrap();
    assert!(put("a", "x", only(Precondition::Absent)).unwrap_err().is_conflict());
    assert!(put("a", "x", only(Precondition::Revision("7".into()))).unwrap_err().is_conflict());
    assert!(put("b", "x", only(Precondition::Present)).unwrap_err().is_conflict());
    assert_eq!(put("a", "two", only(Precondition::Revision("1".into()))).unwrap(), "2");
    let set = |expected: Option<&str>, value: &str| {
        let expected = expected.map(|text| text.as_bytes().to_vec());
        OpenBaoPlugin::compare_and_set("a".into(), expected, value.into(), WriteOptions::default())
    };
    assert!(set(Some("one"), "x").unwrap_err().is_conflict());
    assert!(set(None, "x").unwrap_err().is_conflict());
    assert_eq!(set(Some("two"), "three").unwrap().revision, "3");
    let gone = only(Precondition::Revision("1".into()));
    assert!(OpenBaoPlugin::delete("a".into(), gone).unwrap_err().is_conflict());
    assert_eq!(got("a"), Some(("three".into(), "3".into())));
}

#[test]
fn who_comes_between_is_not_overwritten() {
    let engine = engine();
    put("a", "one", WriteOptions::default()).unwrap();
    let kept = engine.clone();
    testing::answer(move |sent| {
        let reply = answer(&mut kept.borrow_mut(), sent);
        if sent.method == "GET" {
            // Another writes as soon as it was read.
            kept.borrow_mut().insert("a".into(), (2, json!({"value": "theirs"}), false));
        }
        reply
    });
    assert!(put("a", "mine", only(Precondition::Revision("1".into()))).unwrap_err().is_conflict());
    engine.borrow_mut().insert("a".into(), (1, json!({"value": "one"}), false));
    OpenBaoPlugin::delete("a".into(), WriteOptions::default()).unwrap();
    assert_eq!(engine.borrow()["a"], (2, json!({"value": "theirs"}), false));
}

#[test]
fn a_dry_run_checks_and_writes_nothing() {
    engine();
    let dry = |precondition| WriteOptions { dry_run: true, precondition, idempotency_key: None };
    assert_eq!(put("a", "x", dry(None)).unwrap(), "0");
    assert!(put("a", "x", dry(Some(Precondition::Present))).unwrap_err().is_conflict());
    put("a", "one", WriteOptions::default()).unwrap();
    assert_eq!(OpenBaoPlugin::delete("a".into(), dry(None)).unwrap().deleted, 1);
    assert_eq!(got("a"), Some(("one".into(), "1".into())));
}

#[test]
fn pages_hold_every_key_once_and_leave_out_what_is_deleted() {
    engine();
    for number in 0..25 {
        put(&format!("k{number:02}"), "x", WriteOptions::default()).unwrap();
    }
    OpenBaoPlugin::delete("k07".into(), WriteOptions::default()).unwrap();
    let (mut keys, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = OpenBaoPlugin::list("k".into(), Page { cursor, limit: Some(10) }).unwrap();
        keys.extend(page.items.into_iter().map(|entry| entry.key));
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((keys.len(), pages), (24, 3));
    assert!(keys.is_sorted() && !keys.contains(&"k07".to_owned()));
    let other = Page { cursor: Some(paging::seal("z")), limit: None };
    assert!(matches!(OpenBaoPlugin::list("k".into(), other).unwrap_err().kind, ErrorKind::Invalid(_)));
}

#[test]
fn what_openbao_has_no_means_for_is_refused_with_a_reason() {
    engine();
    let feed = OpenBaoPlugin::poll_changes("a".into(), None, 0).unwrap_err();
    let leased = OpenBaoPlugin::put("a".into(), vec![], Some("7".into()), WriteOptions::default()).unwrap_err();
    assert_eq!((feed.kind, leased.kind), (ErrorKind::Unsupported, ErrorKind::Unsupported));
    assert!(testing::sent().is_empty());
}

#[test]
fn an_engine_that_is_not_there_is_not_a_missing_key() {
    testing::reset();
    testing::set_config(r#"{"mount": "secretx"}"#);
    let answer = r#"{"errors":["no handler for route \"secretx/data/a\". route entry not found."]}"#;
    testing::answer(move |_| Answer::json(404, answer));
    assert_eq!(OpenBaoPlugin::get("a".into()).unwrap_err().kind, ErrorKind::Unsupported);
    assert_eq!(OpenBaoPlugin::list(String::new(), Page::default()).unwrap_err().kind, ErrorKind::Unsupported);
}
