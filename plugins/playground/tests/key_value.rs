//! Keys, transactions and what makes a write happen once.

use jackfield_sdk::types::{Error, ErrorKind, Page, Precondition, WriteOptions};
use plugin_playground::Playground;
use plugin_playground::wit::transactions::{Condition, Predicate, PutStep, Step, StepResult};
use plugin_playground::wit::{KeyValue, Transactions};

fn put(key: &str, value: &str) -> plugin_playground::wit::key_value::Entry {
    Playground::put(key.into(), value.into(), None, WriteOptions::default()).unwrap()
}

fn value(key: &str) -> Option<String> {
    <Playground as KeyValue>::get(key.into()).unwrap().map(|entry| String::from_utf8(entry.value).unwrap())
}

fn is_invalid(error: &Error, pointer: &str) -> bool {
    matches!(&error.kind, ErrorKind::Invalid(violation) if violation.field == pointer)
}

#[test]
fn a_key_holds_what_was_put_until_it_is_deleted() {
    assert_eq!(value("a"), None);
    let entry = put("a", "1");
    assert_eq!(<Playground as KeyValue>::get("a".into()).unwrap(), Some(entry.clone()));
    assert_ne!(put("a", "1").revision, entry.revision);
    assert_eq!(Playground::delete("a".into(), WriteOptions::default()).unwrap().deleted, 1);
    assert_eq!(Playground::delete("a".into(), WriteOptions::default()).unwrap().deleted, 0);
    assert_eq!(value("a"), None);
}

#[test]
fn a_list_has_every_key_of_the_prefix_once_and_in_order() {
    for key in ["b/3", "b/1", "a", "b/2", "c", "b"] {
        put(key, key);
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = Page { cursor, limit: Some(2) };
        let page = <Playground as KeyValue>::list("b".into(), page).unwrap();
        seen.extend(page.items.into_iter().map(|entry| entry.key));
        put("b/15", "between the pages");
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, ["b", "b/1", "b/15", "b/2", "b/3"]);
}

#[test]
fn a_page_of_large_values_ends_early_and_loses_nothing() {
    for n in 0..12 {
        put(&format!("large/{n:02}"), &"x".repeat(120_000));
    }
    let first = <Playground as KeyValue>::list("large/".into(), Page::default()).unwrap();
    assert!(first.items.len() < 12);
    let rest = <Playground as KeyValue>::list("large/".into(), Page { cursor: first.next, limit: None }).unwrap();
    assert_eq!((first.items.len() + rest.items.len(), rest.next), (12, None));
}

#[test]
fn what_cannot_be_kept_is_refused_with_its_field() {
    let put =
        |key: &str, value: Vec<u8>| Playground::put(key.into(), value, None, WriteOptions::default()).unwrap_err();
    assert!(is_invalid(&put("", vec![]), "/key"));
    assert!(is_invalid(&put(&"k".repeat(481), vec![]), "/key"));
    assert!(is_invalid(&put("k", vec![0; 200_000]), "/value"));
    let page = Page { cursor: Some("made up".into()), limit: None };
    assert!(is_invalid(&<Playground as KeyValue>::list(String::new(), page).unwrap_err(), "/page/cursor"));
    let options = WriteOptions { idempotency_key: Some(String::new()), ..WriteOptions::default() };
    assert!(is_invalid(&Playground::delete("k".into(), options).unwrap_err(), "/options/idempotency-key"));
}

#[test]
fn a_write_whose_precondition_does_not_hold_changes_nothing() {
    let seen = put("a", "1");
    let only = |precondition| WriteOptions { precondition: Some(precondition), ..WriteOptions::default() };
    put("a", "2");
    let at = only(Precondition::Revision(seen.revision));
    assert!(Playground::put("a".into(), "3".into(), None, at.clone()).unwrap_err().is_conflict());
    assert!(Playground::delete("a".into(), at).unwrap_err().is_conflict());
    assert!(Playground::put("a".into(), "3".into(), None, only(Precondition::Absent)).unwrap_err().is_conflict());
    assert!(Playground::delete("b".into(), only(Precondition::Present)).unwrap_err().is_conflict());
    assert_eq!(value("a").as_deref(), Some("2"));
    Playground::put("b".into(), "1".into(), None, only(Precondition::Absent)).unwrap();
}

#[test]
fn compare_and_set_changes_only_what_is_as_expected() {
    let set = |expected: Option<&str>, value: &str| {
        Playground::compare_and_set("a".into(), expected.map(Into::into), value.into(), WriteOptions::default())
    };
    assert!(set(Some("1"), "2").unwrap_err().is_conflict());
    set(None, "1").unwrap();
    assert!(set(None, "2").unwrap_err().is_conflict());
    assert!(set(Some("0"), "2").unwrap_err().is_conflict());
    set(Some("1"), "2").unwrap();
    assert_eq!(value("a").as_deref(), Some("2"));
}

#[test]
fn a_dry_run_answers_and_refuses_like_the_write_and_changes_nothing() {
    let dry = WriteOptions { dry_run: true, idempotency_key: Some("k".into()), precondition: None };
    let entry = Playground::put("a".into(), "1".into(), None, dry.clone()).unwrap();
    assert_eq!((entry.key.as_str(), entry.revision.as_str()), ("a", "0"));
    assert_eq!(value("a"), None);
    put("a", "1");
    assert_eq!(Playground::delete("a".into(), dry.clone()).unwrap().deleted, 1);
    assert_eq!(value("a").as_deref(), Some("1"));
    assert!(Playground::compare_and_set("a".into(), None, "2".into(), dry).unwrap_err().is_conflict());
}

#[test]
fn the_same_idempotency_key_has_its_effect_once() {
    let once = WriteOptions { idempotency_key: Some("7".into()), ..WriteOptions::default() };
    let first = Playground::put("a".into(), "1".into(), None, once.clone()).unwrap();
    put("a", "2");
    assert_eq!(Playground::put("a".into(), "1".into(), None, once.clone()).unwrap(), first);
    assert_eq!(value("a").as_deref(), Some("2"), "the repeated write did nothing");
    assert!(Playground::put("a".into(), "3".into(), None, once.clone()).unwrap_err().is_conflict());
    assert!(Playground::delete("a".into(), once).unwrap_err().is_conflict());
    let deleted = WriteOptions { idempotency_key: Some("8".into()), ..WriteOptions::default() };
    assert_eq!(Playground::delete("a".into(), deleted.clone()).unwrap().deleted, 1);
    assert_eq!(Playground::delete("a".into(), deleted).unwrap().deleted, 1);
}

#[test]
fn a_refused_write_does_not_use_up_its_idempotency_key() {
    let once = WriteOptions { idempotency_key: Some("7".into()), ..WriteOptions::default() };
    let set = || Playground::compare_and_set("a".into(), Some("1".into()), "2".into(), once.clone());
    assert!(set().is_err());
    put("a", "1");
    assert!(set().is_ok());
}

#[test]
fn the_oldest_idempotency_keys_make_room() {
    for n in 0..300 {
        let once = WriteOptions { idempotency_key: Some(format!("n{n}")), ..WriteOptions::default() };
        Playground::put("a".into(), n.to_string().into(), None, once).unwrap();
    }
    assert_eq!(jackfield_sdk::state::list_all("once/").unwrap().len(), 256);
    assert_eq!(jackfield_sdk::state::list_all("once-slot/").unwrap().len(), 256);
}

#[test]
fn a_transaction_is_all_or_nothing_and_sees_its_own_steps() {
    put("a", "1");
    let step = |key: &str, value: &str| Step::Put(PutStep { key: key.into(), value: value.into(), lease: None });
    let when = |key: &str, holds| Condition { key: key.into(), holds };
    let run = |conditions, then, otherwise| Playground::transact(conditions, then, otherwise, WriteOptions::default());

    let outcome = run(
        vec![when("a", Predicate::Value("1".into())), when("b", Predicate::Absent)],
        vec![step("b", "2"), Step::Get("b".into()), Step::Delete("a".into()), Step::Get("a".into())],
        vec![],
    )
    .unwrap();
    assert!(outcome.succeeded);
    let [StepResult::Put(written), StepResult::Got(Some(read)), StepResult::Deleted(1), StepResult::Got(None)] =
        &outcome.results[..]
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(written, read);
    assert_eq!(<Playground as KeyValue>::get("b".into()).unwrap().as_ref(), Some(written));

    let outcome = run(vec![when("a", Predicate::Present)], vec![step("a", "9")], vec![Step::Get("b".into())]).unwrap();
    assert!(!outcome.succeeded);
    assert_eq!(outcome.results, [StepResult::Got(Some(written.clone()))]);

    let broken = run(vec![], vec![step("c", "1"), step("", "1")], vec![]).unwrap_err();
    assert!(is_invalid(&broken, "/then/1/put/key"), "{broken:?}");
    assert_eq!(value("c"), None);
}

#[test]
fn a_repeated_transaction_answers_as_the_first_time() {
    let once = WriteOptions { idempotency_key: Some("t".into()), ..WriteOptions::default() };
    put("a", "1");
    let run = || {
        let steps = vec![
            Step::Get("a".into()),
            Step::Put(PutStep { key: "a".into(), value: "2".into(), lease: None }),
            Step::Get("a".into()),
        ];
        Playground::transact(vec![], steps, vec![], once.clone()).unwrap()
    };
    let first = run();
    put("a", "3");
    assert_eq!(run(), first);
    assert_eq!(value("a").as_deref(), Some("3"));
}
