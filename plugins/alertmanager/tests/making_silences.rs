//! Silences are made once, whatever goes wrong.

mod common;

use common::{Mishap, Shared, start};
use jackfield_sdk::state::{self, Expect};
use jackfield_sdk::time::now_ms;
use jackfield_sdk::types::{Error, ErrorKind, ErrorSource, Precondition, WriteOptions};
use plugin_alertmanager::Alertmanager;
use plugin_alertmanager::wit::Silences;
use plugin_alertmanager::wit::silences::{SilenceInfo, SilenceSpec, SilenceState};

const HOUR: i64 = 3_600_000;

fn spec(end: i64) -> SilenceSpec {
    SilenceSpec {
        matchers: vec!["alertname=\"DiskFull\"".into(), "zone=~\"a|b\"".into()],
        starts_at: None,
        ends_at: end,
        created_by: "ann".into(),
        comment: "moving disks".into(),
    }
}

fn keyed(key: &str) -> WriteOptions {
    WriteOptions { idempotency_key: Some(key.into()), ..WriteOptions::default() }
}

fn only(precondition: Precondition) -> WriteOptions {
    WriteOptions { precondition: Some(precondition), ..WriteOptions::default() }
}

fn make(spec: &SilenceSpec, options: &WriteOptions) -> Result<SilenceInfo, Error> {
    Alertmanager::silence(spec.clone(), options.clone())
}

fn field(result: Result<SilenceInfo, Error>) -> String {
    match result.unwrap_err().kind {
        ErrorKind::Invalid(violation) => violation.field,
        other => panic!("{other:?}"),
    }
}

fn count(server: &Shared) -> (usize, usize) {
    (server.borrow().silences.len(), server.borrow().posts)
}

/// Lets the claims of calls that died end.
fn end_claims() {
    for item in state::list_all("making/").unwrap() {
        state::set(item.key, format!("{{\"until\":{}}}", now_ms())).unwrap();
    }
}

#[test]
fn a_silence_is_made_as_it_was_asked_for() {
    let server = start();
    let end = now_ms() + HOUR;
    let made = make(&spec(end), &WriteOptions::default()).unwrap();
    assert_eq!(made.matchers, ["alertname=\"DiskFull\"", "zone=~\"a|b\""]);
    assert_eq!((made.ends_at, made.created_by.as_str(), made.comment.as_str()), (end, "ann", "moving disks"));
    assert!(made.state == SilenceState::Active && (now_ms() - made.starts_at) < 1000);
    assert_eq!(Alertmanager::get_silence(made.id.clone()).unwrap(), made);
    let sent = server.borrow().silences[0].clone();
    assert_eq!(
        sent["matchers"],
        serde_json::json!([
            {"name": "alertname", "value": "DiskFull", "isRegex": false, "isEqual": true},
            {"name": "zone", "value": "a|b", "isRegex": true, "isEqual": true},
        ])
    );
    // Nothing is left behind by a write without a key.
    assert!(state::list_all("").unwrap().is_empty());
    let later = SilenceSpec { starts_at: Some(now_ms() + HOUR), ends_at: end + HOUR, ..spec(end) };
    let pending = make(&later, &WriteOptions::default()).unwrap();
    assert_eq!((pending.state, Some(pending.starts_at)), (SilenceState::Pending, later.starts_at));
}

#[test]
fn the_same_silence_is_not_made_twice_without_a_key() {
    let server = start();
    let end = now_ms() + HOUR;
    let first = make(&spec(end), &WriteOptions::default()).unwrap();
    let mut turned = spec(end);
    turned.matchers.reverse();
    turned.matchers.push("alertname = DiskFull".into());
    let past = SilenceSpec { starts_at: Some(now_ms() - HOUR), ..spec(end) };
    for same in [spec(end), turned, past] {
        assert_eq!(make(&same, &WriteOptions::default()).unwrap(), first);
    }
    assert_eq!(count(&server), (1, 1));
    for other in [
        SilenceSpec { ends_at: end + 1, ..spec(end) },
        SilenceSpec { comment: "x".into(), ..spec(end) },
        SilenceSpec { created_by: "bob".into(), ..spec(end) },
        SilenceSpec { matchers: vec!["alertname=\"DiskFull\"".into(), "zone=\"a|b\"".into()], ..spec(end) },
        SilenceSpec { matchers: vec!["alertname=\"DiskFull\"".into()], ..spec(end) },
        SilenceSpec { starts_at: Some(now_ms() + HOUR / 2), ..spec(end) },
    ] {
        assert_ne!(make(&other, &WriteOptions::default()).unwrap().id, first.id);
    }
    assert_eq!(count(&server), (7, 7));
    // One that is over is made again.
    Alertmanager::expire(first.id.clone(), WriteOptions::default()).unwrap();
    assert_ne!(make(&spec(end), &WriteOptions::default()).unwrap().id, first.id);
}

#[test]
fn a_key_makes_its_silence_once_even_after_that_is_over() {
    let server = start();
    let end = now_ms() + HOUR;
    let first = make(&spec(end), &keyed("k1")).unwrap();
    assert_eq!(make(&spec(end), &keyed("k1")).unwrap(), first);
    let over = Alertmanager::expire(first.id.clone(), WriteOptions::default()).unwrap();
    assert_eq!(make(&spec(end), &keyed("k1")).unwrap(), over);
    assert_eq!(count(&server), (1, 1));
    // Another request under the key, another way to ask, another operation.
    let other = SilenceSpec { comment: "x".into(), ..spec(end) };
    assert!(make(&other, &keyed("k1")).unwrap_err().is_conflict());
    let held = WriteOptions { precondition: Some(Precondition::Absent), ..keyed("k1") };
    assert!(make(&spec(end), &held).unwrap_err().is_conflict());
    assert!(Alertmanager::expire(first.id.clone(), keyed("k1")).unwrap_err().is_conflict());
    // Alertmanager forgets it.
    server.borrow_mut().silences.clear();
    let forgotten = make(&spec(end), &keyed("k1")).unwrap();
    assert_eq!((forgotten.id, forgotten.state), (first.id, SilenceState::Expired));
    assert_eq!(server.borrow().posts, 1);
    for key in ["", &"k".repeat(257)] {
        assert_eq!(field(make(&spec(end), &keyed(key))), "/options/idempotency-key");
    }
}

#[test]
fn what_was_made_and_not_told_is_found_at_once() {
    for mishap in [Mishap::AnswerLost, Mishap::Garbage, Mishap::BadGateway] {
        for options in [WriteOptions::default(), keyed("k")] {
            let server = start();
            let end = now_ms() + HOUR;
            server.borrow_mut().mishap = Some(mishap);
            let made = make(&spec(end), &options).unwrap();
            assert_eq!(make(&spec(end), &options).unwrap(), made);
            assert_eq!(count(&server), (1, 1), "{mishap:?}");
        }
    }
}

#[test]
fn what_may_have_been_made_is_outcome_unknown_and_found_by_the_next_try() {
    let server = start();
    let end = now_ms() + HOUR;
    // The answer is lost and Alertmanager cannot be asked any more.
    let inside = server.clone();
    jackfield_sdk::testing::answer_with({
        let mut first = true;
        move |sent| {
            if sent.method == "POST" && std::mem::take(&mut first) {
                let mut made: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
                made["id"] = "00000000-0000-4000-8000-00000000abcd".into();
                made["updatedAt"] = made["startsAt"].clone();
                made["status"] = serde_json::json!({"state": "active"});
                inside.borrow_mut().silences.push(made);
                inside.borrow_mut().down = true;
                return Err(Error::outcome_unknown("the connection broke").downstream());
            }
            let server = inside.borrow();
            if server.down {
                return Err(Error::unavailable("connection refused").downstream());
            }
            assert_ne!(sent.method, "POST", "a second silence would be made");
            let body = match sent.path_and_query.as_str() {
                "/api/v2/silences" => serde_json::Value::Array(server.silences.clone()),
                _ => server.silences[0].clone(),
            };
            Ok(jackfield_sdk::testing::Answer::json(200, &body.to_string()))
        }
    });
    let options = WriteOptions { precondition: Some(Precondition::Absent), ..keyed("k") };
    let error = make(&spec(end), &options).unwrap_err();
    assert_eq!((error.kind, error.source), (ErrorKind::OutcomeUnknown, ErrorSource::Downstream));
    assert!(error.message.contains("sent again"), "{}", error.message);
    // Another request under the key is a conflict even now.
    assert!(make(&SilenceSpec { comment: "x".into(), ..spec(end) }, &options).unwrap_err().is_conflict());
    assert_eq!(make(&spec(end), &options).unwrap_err().kind, ErrorKind::Unavailable);
    server.borrow_mut().down = false;
    // The precondition held when it was made; that it is there now is its own doing.
    let found = make(&spec(end), &options).unwrap();
    assert_eq!(found.id, "00000000-0000-4000-8000-00000000abcd");
    assert_eq!(make(&spec(end), &options).unwrap().id, found.id);
}

#[test]
fn what_never_arrived_is_made_once_the_claim_has_ended() {
    for options in [WriteOptions::default(), keyed("k")] {
        let server = start();
        let end = now_ms() + HOUR;
        server.borrow_mut().mishap = Some(Mishap::RequestLost);
        assert_eq!(make(&spec(end), &options).unwrap_err().kind, ErrorKind::OutcomeUnknown);
        assert_eq!((count(&server), state::list_all("making/").unwrap().len()), ((0, 0), 1));
        let waits = now_ms() + 400;
        let key = state::list_all("making/").unwrap().remove(0).key;
        state::set(key, format!("{{\"until\":{waits}}}")).unwrap();
        make(&spec(end), &options).unwrap();
        assert!(now_ms() >= waits);
        assert_eq!((count(&server), state::list_all("making/").unwrap().len()), ((1, 1), 0));
    }
}

#[test]
fn a_call_that_died_before_it_sent_anything_stops_nobody_for_long() {
    let server = start();
    let end = now_ms() + HOUR;
    // What a call leaves that dies between its intent and its request, or its request and its memory.
    server.borrow_mut().mishap = Some(Mishap::RequestLost);
    make(&spec(end), &keyed("k")).unwrap_err();
    state::set("making/0123456789abcdef", "{\"until\":1}").unwrap();
    end_claims();
    let made = make(&spec(end), &keyed("k")).unwrap();
    assert_eq!(make(&spec(end), &keyed("k")).unwrap(), made);
    assert_eq!(count(&server), (1, 1));
    assert!(state::list_all("making/").unwrap().is_empty());
}

#[test]
fn a_silence_that_a_lost_request_made_is_found_even_after_its_end() {
    let server = start();
    let end = now_ms() + 400;
    server.borrow_mut().mishap = Some(Mishap::RequestLost);
    make(&spec(end), &keyed("k")).unwrap_err();
    // It arrives late, runs out, and only then is asked for again.
    make(&spec(end), &WriteOptions { dry_run: true, ..keyed("k") }).unwrap();
    end_claims();
    let made = make(&spec(end), &WriteOptions::default()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let found = make(&spec(end), &keyed("k")).unwrap();
    assert_eq!((found.id, found.state), (made.id, SilenceState::Expired));
    assert_eq!(count(&server), (1, 1));
}

#[test]
fn what_was_surely_not_made_leaves_the_key_free() {
    let server = start();
    let end = now_ms() + HOUR;
    server.borrow_mut().mishap = Some(Mishap::Unreachable);
    assert_eq!(make(&spec(end), &keyed("k")).unwrap_err().kind, ErrorKind::Unavailable);
    let wrong = SilenceSpec { matchers: vec!["a=\"b\"".into(), "zone=~\"(\"".into()], ..spec(end) };
    assert_eq!(field(make(&wrong, &keyed("k"))), "/silence/matchers/1");
    assert!(state::list_all("").unwrap().is_empty());
    make(&spec(end), &keyed("k")).unwrap();
    server.borrow_mut().down = true;
    assert_eq!(make(&spec(end + 1), &keyed("k2")).unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(state::list_all("").unwrap().len(), 1);
}

#[test]
fn a_dry_run_checks_everything_and_changes_nothing() {
    let server = start();
    let end = now_ms() + HOUR;
    let dry = WriteOptions { dry_run: true, ..keyed("k") };
    let would = make(&spec(end), &dry).unwrap();
    assert_eq!((would.id.as_str(), would.state, would.ends_at), ("", SilenceState::Active, end));
    assert_eq!(field(make(&spec(now_ms() - 1), &dry)), "/silence/ends-at");
    let wrong = SilenceSpec { matchers: vec!["a=\"b\"".into(), "zone=~\"(\"".into()], ..spec(end) };
    assert_eq!(field(make(&wrong, &dry)), "/silence/matchers/1");
    let present = WriteOptions { precondition: Some(Precondition::Present), ..dry.clone() };
    assert!(make(&spec(end), &present).unwrap_err().is_conflict());
    assert_eq!((count(&server), state::list_all("").unwrap().len()), ((0, 0), 0));
    let made = make(&spec(end), &WriteOptions::default()).unwrap();
    assert_eq!(make(&spec(end), &dry).unwrap(), made);
    let ended = Alertmanager::expire(made.id.clone(), dry).unwrap();
    assert_eq!(ended.state, SilenceState::Expired);
    assert_eq!(Alertmanager::get_silence(made.id.clone()).unwrap(), made);
    assert_eq!((server.borrow().deletes, state::list_all("").unwrap().len()), (0, 0));
}

#[test]
fn a_precondition_is_held_against_the_silence_that_is_there() {
    let server = start();
    let end = now_ms() + HOUR;
    assert!(make(&spec(end), &only(Precondition::Present)).unwrap_err().is_conflict());
    assert!(make(&spec(end), &only(Precondition::Revision("7".into()))).unwrap_err().is_conflict());
    assert!(state::list_all("").unwrap().is_empty());
    let made = make(&spec(end), &only(Precondition::Absent)).unwrap();
    assert!(make(&spec(end), &only(Precondition::Absent)).unwrap_err().is_conflict());
    let at = |revision: i64| only(Precondition::Revision(revision.to_string()));
    assert_eq!(make(&spec(end), &at(made.updated_at)).unwrap(), made);
    assert!(make(&spec(end), &at(made.updated_at + 1)).unwrap_err().is_conflict());
    let expire = |options| Alertmanager::expire(made.id.clone(), options);
    assert!(expire(only(Precondition::Absent)).unwrap_err().is_conflict());
    assert!(expire(at(made.updated_at + 1)).unwrap_err().is_conflict());
    assert_eq!(server.borrow().deletes, 0);
    assert_eq!(expire(at(made.updated_at)).unwrap().state, SilenceState::Expired);
    assert_eq!(count(&server), (1, 1));
}

#[test]
fn ending_a_silence_twice_is_a_success_and_a_key_passes_its_own_precondition() {
    let server = start();
    let made = make(&spec(now_ms() + HOUR), &WriteOptions::default()).unwrap();
    let options =
        WriteOptions { precondition: Some(Precondition::Revision(made.updated_at.to_string())), ..keyed("end") };
    std::thread::sleep(std::time::Duration::from_millis(2));
    let over = Alertmanager::expire(made.id.clone(), options.clone()).unwrap();
    assert_eq!(over.state, SilenceState::Expired);
    assert_eq!(Alertmanager::expire(made.id.clone(), options).unwrap(), over);
    assert_eq!(Alertmanager::expire(made.id.clone(), WriteOptions::default()).unwrap(), over);
    assert_eq!(server.borrow().deletes, 1);
    let other = make(&spec(now_ms() + HOUR), &WriteOptions::default()).unwrap();
    assert!(Alertmanager::expire(other.id, keyed("end")).unwrap_err().is_conflict());
    for id in ["", "abc", "../silences", "00000000-0000-4000-8000-ffffffffffff"] {
        assert!(Alertmanager::expire(id.into(), WriteOptions::default()).unwrap_err().is_not_found(), "{id}");
        assert!(Alertmanager::get_silence(id.into()).unwrap_err().is_not_found(), "{id}");
    }
}

#[test]
fn what_cannot_be_right_is_refused_before_it_is_sent_with_its_field() {
    start();
    let end = now_ms() + HOUR;
    let with = |matchers: &[&str]| {
        let matchers = matchers.iter().map(|text| (*text).to_owned()).collect();
        field(make(&SilenceSpec { matchers, ..spec(end) }, &WriteOptions::default()))
    };
    assert_eq!(with(&[]), "/silence/matchers");
    assert_eq!(with(&["a=\"b\"", "c"]), "/silence/matchers/1");
    assert_eq!(with(&["a=\"b"]), "/silence/matchers/0");
    assert_eq!(with(&["a=\"\"", "b!=\"x\"", "c=~\".*\"", "d!~\"x\""]), "/silence/matchers");
    let times =
        |starts_at, ends_at| field(make(&SilenceSpec { starts_at, ends_at, ..spec(end) }, &WriteOptions::default()));
    assert_eq!(times(Some(end), end), "/silence/ends-at");
    assert_eq!(times(None, i64::MAX), "/silence/ends-at");
    assert_eq!(times(Some(i64::MIN), end), "/silence/starts-at");
    assert!(jackfield_sdk::testing::sent().is_empty());
    assert_eq!(times(None, now_ms() - 1), "/silence/ends-at");
    assert!(jackfield_sdk::testing::sent().iter().all(|sent| sent.method == "GET"));
}

#[test]
fn a_claim_from_before_the_clock_was_set_back_does_not_last() {
    let server = start();
    let end = now_ms() + HOUR;
    server.borrow_mut().mishap = Some(Mishap::RequestLost);
    make(&spec(end), &WriteOptions::default()).unwrap_err();
    let key = state::list_all("making/").unwrap().remove(0).key;
    state::Batch::new().set(key, format!("{{\"until\":{}}}", now_ms() + 100 * HOUR), Expect::Any).commit().unwrap();
    make(&spec(end), &WriteOptions::default()).unwrap();
    assert_eq!(count(&server), (1, 1));
}
