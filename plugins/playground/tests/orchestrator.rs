//! The orchestrator: workloads, their history, their instances.

use jackfield_sdk::types::{Error, ErrorKind, Page, Precondition, WriteOptions, label};
use plugin_playground::Playground;
use plugin_playground::wit::Orchestrator;
use plugin_playground::wit::orchestrator::{Mode, RolloutState, Strategy, Workload, WorkloadSpec};

fn options() -> WriteOptions {
    WriteOptions::default()
}

fn keyed(key: &str) -> WriteOptions {
    WriteOptions { idempotency_key: Some(key.into()), ..options() }
}

fn dry_run() -> WriteOptions {
    WriteOptions { dry_run: true, ..options() }
}

/// What says nothing but a name.
fn shop() -> WorkloadSpec {
    WorkloadSpec {
        namespace: None,
        name: "shop".into(),
        image: None,
        command: None,
        args: None,
        env: None,
        mode: None,
        replicas: None,
        memory_mib: None,
        strategy: None,
        parallel: None,
        labels: None,
        extra: None,
    }
}

fn image(image: &str) -> WorkloadSpec {
    WorkloadSpec { image: Some(image.into()), ..shop() }
}

fn apply(spec: WorkloadSpec) -> Workload {
    Playground::apply(spec, options()).unwrap()
}

fn get() -> Workload {
    Playground::get(None, "shop".into()).unwrap()
}

fn instances() -> Vec<String> {
    let page = Playground::instances(None, "shop".into(), Page::default()).unwrap();
    page.items.into_iter().map(|instance| instance.id).collect()
}

fn versions() -> Vec<(String, Option<u32>, bool)> {
    let page = Playground::history(None, "shop".into(), Page::default()).unwrap();
    page.items.into_iter().map(|past| (past.version, past.spec.replicas, past.current)).collect()
}

fn is_invalid(error: &Error, pointer: &str) -> bool {
    matches!(&error.kind, ErrorKind::Invalid(violation) if violation.field == pointer)
}

#[test]
fn what_is_not_said_stays_and_what_is_said_again_changes_nothing() {
    let first = apply(WorkloadSpec { env: Some(vec![label("B", "2"), label("A", "1")]), ..image("shop:1") });
    assert_eq!((first.spec.replicas, first.spec.strategy), (Some(1), Some(Strategy::Rolling)));
    assert_eq!(first.spec.env, Some(vec![label("A", "1"), label("B", "2")]), "by name");
    let more = apply(WorkloadSpec { replicas: Some(3), strategy: Some(Strategy::Recreate), ..shop() });
    assert_eq!((more.spec.image.as_deref(), more.spec.env.map(|env| env.len())), (Some("shop:1"), Some(2)));
    assert_eq!(more.version, "2");
    let again = apply(WorkloadSpec { replicas: Some(3), ..shop() });
    assert_eq!((again.revision, again.version), (more.revision, more.version));
    assert_eq!(get().spec.namespace.as_deref(), Some("default"));
}

#[test]
fn a_dry_run_answers_what_would_be_and_changes_nothing() {
    let planned = Playground::apply(image("shop:1"), dry_run()).unwrap();
    assert_eq!((planned.spec.replicas, planned.revision.as_str()), (Some(1), "0"));
    assert!(Playground::get(None, "shop".into()).unwrap_err().is_not_found());
    apply(image("shop:1"));
    assert_eq!(Playground::scale(None, "shop".into(), 7, dry_run()).unwrap().spec.replicas, Some(7));
    assert_eq!(get().spec.replicas, Some(1));
}

#[test]
fn scaling_keeps_the_instances_and_restarting_replaces_them() {
    apply(image("shop:1"));
    let one = instances();
    Playground::scale(None, "shop".into(), 3, options()).unwrap();
    let three = instances();
    assert!(three.len() == 3 && three.starts_with(&one), "{three:?}");
    let status = Playground::status(None, "shop".into()).unwrap();
    assert_eq!((status.state, status.desired, status.ready), (RolloutState::Complete, 3, 3));
    Playground::restart(None, "shop".into(), options()).unwrap();
    assert!(instances().iter().all(|id| !three.contains(id)));
    apply(image("shop:2"));
    let page = Playground::instances(None, "shop".into(), Page::default()).unwrap();
    assert!(page.items.iter().all(|instance| instance.image == "shop:2"));
}

#[test]
fn a_rollback_goes_to_a_version_of_the_history_and_is_one_itself() {
    apply(WorkloadSpec { replicas: Some(1), ..image("shop:1") });
    for replicas in [2, 3] {
        Playground::scale(None, "shop".into(), replicas, options()).unwrap();
    }
    assert_eq!(Playground::rollback(None, "shop".into(), None, options()).unwrap().spec.replicas, Some(2));
    assert_eq!(Playground::rollback(None, "shop".into(), Some("1".into()), options()).unwrap().spec.replicas, Some(1));
    let of = |version: &str, replicas, current| (version.to_owned(), Some(replicas), current);
    let all = [of("5", 1, true), of("4", 2, false), of("3", 3, false), of("2", 2, false), of("1", 1, false)];
    assert_eq!(versions(), all);
    let error = Playground::rollback(None, "shop".into(), Some("9".into()), options()).unwrap_err();
    assert!(is_invalid(&error, "/version") && error.message.contains("1, 2, 3, 4, 5"), "{error:?}");
    for replicas in 6..20 {
        Playground::scale(None, "shop".into(), replicas, options()).unwrap();
    }
    assert_eq!(versions().len(), 10, "only the latest are kept");
}

#[test]
fn a_write_with_a_key_that_came_before_is_made_once() {
    apply(image("shop:1"));
    let first = Playground::restart(None, "shop".into(), keyed("k")).unwrap();
    let after = instances();
    assert_eq!(Playground::restart(None, "shop".into(), keyed("k")).unwrap(), first);
    assert_eq!(instances(), after);
    assert!(Playground::scale(None, "shop".into(), 2, keyed("k")).unwrap_err().is_conflict());
    let made = Playground::apply(image("shop:2"), keyed("a")).unwrap();
    Playground::delete(None, "shop".into(), keyed("d")).unwrap();
    assert_eq!(Playground::apply(image("shop:2"), keyed("a")).unwrap(), made);
    assert!(Playground::get(None, "shop".into()).is_err(), "what was answered before is not done again");
    assert!(Playground::apply(image("shop:3"), keyed("a")).unwrap_err().is_conflict());
}

#[test]
fn preconditions_hold_for_every_write() {
    let absent = WriteOptions { precondition: Some(Precondition::Absent), ..options() };
    let first = Playground::apply(image("shop:1"), absent.clone()).unwrap();
    assert!(Playground::apply(image("shop:2"), absent).unwrap_err().is_conflict());
    let at = WriteOptions { precondition: Some(Precondition::Revision(first.revision)), ..options() };
    Playground::scale(None, "shop".into(), 2, at.clone()).unwrap();
    assert!(Playground::delete(None, "shop".into(), at).unwrap_err().is_conflict());
    Playground::delete(None, "shop".into(), options()).unwrap();
    Playground::delete(None, "shop".into(), options()).unwrap();
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    let refused = |spec: WorkloadSpec| Playground::apply(spec, options()).unwrap_err();
    assert!(is_invalid(&refused(shop()), "/workload/image"), "a new one needs an image");
    assert!(is_invalid(&refused(WorkloadSpec { name: "Shop".into(), ..image("a") }), "/workload/name"));
    let namespace = Some("a/b".into());
    assert!(is_invalid(&refused(WorkloadSpec { namespace, ..image("a") }), "/workload/namespace"));
    let extra = Some(vec![label("gpu", "1")]);
    assert!(is_invalid(&refused(WorkloadSpec { extra, ..image("a") }), "/workload/extra"));
    let mode = Some(Mode::PerNode);
    assert!(is_invalid(&refused(WorkloadSpec { mode, replicas: Some(2), ..image("a") }), "/workload/replicas"));
    let env = Some(vec![label("A", "1"), label("A", "2")]);
    assert!(is_invalid(&refused(WorkloadSpec { env, ..image("a") }), "/workload/env"));
    assert!(is_invalid(&refused(WorkloadSpec { replicas: Some(100_000), ..image("a") }), "/workload/replicas"));
    apply(WorkloadSpec { mode, ..image("a") });
    assert_eq!(Playground::scale(None, "shop".into(), 2, options()).unwrap_err().kind, ErrorKind::Unsupported);
    assert_eq!(instances().len(), 1);
}

#[test]
fn workloads_are_listed_by_namespace_and_name() {
    for (namespace, name) in [("b", "x"), ("a", "y"), ("a", "x")] {
        let spec = WorkloadSpec { namespace: Some(namespace.into()), name: name.into(), ..image("i") };
        apply(spec);
    }
    let list = |namespace: Option<&str>, page| {
        let page = Playground::list(namespace.map(str::to_owned), page).unwrap();
        let names = page.items.into_iter().map(|w| format!("{}/{}", w.spec.namespace.unwrap_or_default(), w.spec.name));
        (names.collect::<Vec<_>>(), page.next)
    };
    assert_eq!(list(None, Page::default()).0, ["a/x", "a/y", "b/x"]);
    assert_eq!(list(Some("a"), Page::default()).0, ["a/x", "a/y"]);
    let (first, next) = list(None, Page { cursor: None, limit: Some(2) });
    let (rest, end) = list(None, Page { cursor: next, limit: Some(2) });
    assert_eq!((first.len(), rest, end), (2, vec!["b/x".to_owned()], None));
}
