//! The service registry, and the change feeds of both capabilities.

use std::thread::sleep;
use std::time::{Duration, Instant};

use jackfield_sdk::types::{Error, ErrorKind, Page, Precondition, WriteOptions, label};
use plugin_playground::Playground;
use plugin_playground::wit::key_value::Change as KeyChange;
use plugin_playground::wit::service_discovery::{Change, Instance, InstanceHealth, Registration};
use plugin_playground::wit::{KeyValue, ServiceDiscovery};

fn options() -> WriteOptions {
    WriteOptions::default()
}

fn registration(service: &str, id: &str) -> Registration {
    Registration {
        service: service.into(),
        id: id.into(),
        address: "10.0.0.1".into(),
        port: 80,
        labels: vec![label("zone", "a")],
        ttl_ms: None,
    }
}

fn register(service: &str, id: &str) -> Instance {
    Playground::register(registration(service, id), options()).unwrap()
}

fn ids(service: &str, passing_only: bool) -> Vec<String> {
    let page = Playground::resolve(service.into(), passing_only, Page::default()).unwrap();
    page.items.into_iter().map(|instance| instance.id).collect()
}

fn put(key: &str, value: &str) {
    Playground::put(key.into(), value.into(), None, options()).unwrap();
}

/// The keys that changed after a cursor, those that went with a `-`, and the next cursor.
fn changed(prefix: &str, cursor: Option<String>) -> (Vec<String>, String) {
    let batch = <Playground as KeyValue>::poll_changes(prefix.into(), cursor, 0).unwrap();
    let keys = batch.changes.into_iter().map(|change| match change {
        KeyChange::Put(entry) => entry.key,
        KeyChange::Deleted(gone) => format!("-{}", gone.key),
    });
    (keys.collect(), batch.next)
}

#[test]
fn what_is_registered_is_listed_resolved_and_gone_when_deregistered() {
    let web = register("web", "1");
    register("web", "2/b");
    register("db", "1");
    Playground::set_health("web".into(), "2/b".into(), InstanceHealth::Critical, options()).unwrap();
    let services = ServiceDiscoveryList::of(Page::default());
    assert_eq!(services, [("db".to_owned(), 1, 1), ("web".to_owned(), 2, 1)]);
    assert_eq!(ids("web", false), ["1", "2/b"]);
    assert_eq!(ids("web", true), ["1"]);
    assert_eq!(ids("nothing", false), Vec::<String>::new());
    assert_eq!(Playground::health("web".into(), "1".into()).unwrap(), web);
    Playground::deregister("web".into(), "1".into(), options()).unwrap();
    Playground::deregister("web".into(), "1".into(), options()).unwrap();
    assert!(Playground::health("web".into(), "1".into()).unwrap_err().is_not_found());
}

struct ServiceDiscoveryList;

impl ServiceDiscoveryList {
    fn of(page: Page) -> Vec<(String, u32, u32)> {
        let page = <Playground as ServiceDiscovery>::list(page).unwrap();
        page.items.into_iter().map(|service| (service.name, service.instances, service.passing)).collect()
    }
}

#[test]
fn a_registration_with_a_time_to_live_goes_unless_it_is_made_anew() {
    let brief = Registration { ttl_ms: Some(120), ..registration("web", "1") };
    let first = Playground::register(brief.clone(), options()).unwrap();
    for _ in 0..4 {
        sleep(Duration::from_millis(50));
        assert_eq!(Playground::register(brief.clone(), options()).unwrap(), first, "nothing people watch has changed");
    }
    sleep(Duration::from_millis(150));
    assert_eq!(ids("web", false), Vec::<String>::new());
}

#[test]
fn registering_anew_keeps_the_health_and_forgets_the_time_to_live() {
    let brief = Registration { ttl_ms: Some(40), ..registration("web", "1") };
    Playground::register(brief, options()).unwrap();
    Playground::set_health("web".into(), "1".into(), InstanceHealth::Warning, options()).unwrap();
    let again = register("web", "1");
    assert_eq!(again.health, InstanceHealth::Warning);
    sleep(Duration::from_millis(60));
    assert_eq!(ids("web", false), ["1"]);
}

#[test]
fn a_registration_that_makes_no_sense_is_refused_with_its_field() {
    let refused = |change: fn(&mut Registration), pointer: &str| {
        let mut wrong = registration("web", "1");
        change(&mut wrong);
        let error = Playground::register(wrong, options()).unwrap_err();
        assert!(matches!(&error.kind, ErrorKind::Invalid(v) if v.field == pointer), "{error:?}");
    };
    refused(|r| r.service = "a/b".into(), "/registration/service");
    refused(|r| r.id.clear(), "/registration/id");
    refused(|r| r.address = "a b".into(), "/registration/address");
    refused(|r| r.ttl_ms = Some(0), "/registration/ttl-ms");
    refused(|r| r.labels.push(label("zone", "b")), "/registration/labels");
}

#[test]
fn writes_to_the_registry_honour_their_options() {
    let dry = WriteOptions { dry_run: true, ..options() };
    assert_eq!(Playground::register(registration("web", "1"), dry).unwrap().revision, "0");
    assert_eq!(ids("web", false), Vec::<String>::new());
    let once = WriteOptions { idempotency_key: Some("r".into()), ..options() };
    let first = Playground::register(registration("web", "1"), once.clone()).unwrap();
    Playground::deregister("web".into(), "1".into(), options()).unwrap();
    assert_eq!(Playground::register(registration("web", "1"), once).unwrap(), first);
    assert_eq!(ids("web", false), Vec::<String>::new());
    let held = WriteOptions { precondition: Some(Precondition::Revision("999".into())), ..options() };
    register("web", "1");
    for refused in [
        Playground::register(registration("web", "1"), held.clone()).map(|_| ()),
        Playground::deregister("web".into(), "1".into(), held.clone()),
        Playground::set_health("web".into(), "1".into(), InstanceHealth::Warning, held).map(|_| ()),
    ] {
        assert!(refused.as_ref().is_err_and(Error::is_conflict), "{refused:?}");
    }
}

#[test]
fn a_feed_tells_each_change_once_in_order_and_resumes_by_cursor() {
    put("a/before", "not told: the feed starts now");
    let (keys, start) = changed("a/", None);
    assert_eq!(keys, Vec::<String>::new());
    put("a/1", "1");
    put("b/1", "another prefix");
    put("a/1", "2");
    Playground::delete("a/1".into(), options()).unwrap();
    let (keys, next) = changed("a/", Some(start.clone()));
    assert_eq!(keys, ["a/1", "a/1", "-a/1"]);
    assert_eq!(changed("a/", Some(next.clone())), (vec![], next));
    assert_eq!(changed("", Some(start)).0, ["a/1", "b/1", "a/1", "-a/1"]);
}

#[test]
fn a_feed_gives_the_values_of_the_time() {
    let (_, start) = changed("", None);
    put("a", "1");
    put("a", "2");
    let batch = <Playground as KeyValue>::poll_changes(String::new(), Some(start), 0).unwrap();
    let values: Vec<_> = batch
        .changes
        .iter()
        .map(|c| match c {
            KeyChange::Put(entry) => entry.value.clone(),
            KeyChange::Deleted(_) => panic!("{c:?}"),
        })
        .collect();
    assert_eq!(values, [b"1", b"2"]);
    let latest = <Playground as KeyValue>::get("a".into()).unwrap().unwrap();
    assert_eq!(batch.changes.last(), Some(&KeyChange::Put(latest)));
}

#[test]
fn long_batches_are_cut_and_go_on_at_the_cut() {
    let (_, mut cursor) = changed("", None);
    for n in 0..250 {
        put("a", &n.to_string());
    }
    let mut told = 0;
    for _ in 0..3 {
        let (keys, next) = changed("", Some(cursor));
        told += keys.len();
        cursor = next;
    }
    assert_eq!(told, 250);
}

#[test]
fn a_cursor_that_is_too_old_says_how_to_start_again() {
    let (_, start) = changed("", None);
    for n in 0..1100 {
        put("a", &n.to_string());
    }
    let error = <Playground as KeyValue>::poll_changes(String::new(), Some(start), 0).unwrap_err();
    assert!(error.is_conflict() && error.message.contains("read the whole list again"), "{error:?}");
    assert!(jackfield_sdk::state::list_all("log/").unwrap().len() <= 1000);
}

#[test]
fn large_values_leave_room_in_the_log() {
    for n in 0..40 {
        put("a", &format!("{n}{}", "x".repeat(100_000)));
    }
    let kept: usize = jackfield_sdk::state::list_all("log/").unwrap().iter().map(|item| item.value.len()).sum();
    assert!(kept <= 1024 * 1024 && kept > 500_000, "{kept}");
}

#[test]
fn a_cursor_from_elsewhere_is_refused() {
    let ahead = jackfield_sdk::paging::seal("change:99");
    for cursor in ["", "17", &jackfield_sdk::paging::seal("offset:1"), &ahead] {
        let error = <Playground as KeyValue>::poll_changes(String::new(), Some(cursor.into()), 0).unwrap_err();
        assert!(matches!(&error.kind, ErrorKind::Invalid(v) if v.field == "/cursor"), "{error:?}");
    }
}

#[test]
fn a_poll_waits_no_longer_than_it_is_told() {
    let start = Instant::now();
    <Playground as KeyValue>::poll_changes(String::new(), None, 60).unwrap();
    assert!((60..1000).contains(&start.elapsed().as_millis()));
}

#[test]
fn a_waiting_poll_ends_with_a_registration_that_expires() {
    let brief = Registration { ttl_ms: Some(50), ..registration("web", "1") };
    Playground::register(brief, options()).unwrap();
    let batch = <Playground as ServiceDiscovery>::poll_changes(Some("web".into()), None, 5000).unwrap();
    assert!(matches!(&batch.changes[..], [Change::Deleted(gone)] if gone.id == "1"), "{batch:?}");
}

#[test]
fn the_feed_of_a_service_tells_nothing_of_another_or_of_keys() {
    let start = <Playground as ServiceDiscovery>::poll_changes(None, None, 0).unwrap().next;
    register("web", "1");
    register("web2", "1");
    put("sd/web/9", "a key that looks like a registration");
    Playground::set_health("web".into(), "1".into(), InstanceHealth::Passing, options()).unwrap();
    Playground::set_health("web".into(), "1".into(), InstanceHealth::Warning, options()).unwrap();
    let poll = |service: Option<&str>| {
        <Playground as ServiceDiscovery>::poll_changes(service.map(Into::into), Some(start.clone()), 0).unwrap().changes
    };
    let web = poll(Some("web"));
    assert!(
        matches!(&web[..], [Change::Put(_), Change::Put(last)] if last.health == InstanceHealth::Warning),
        "{web:?}"
    );
    assert_eq!(poll(None).len(), 3);
}
