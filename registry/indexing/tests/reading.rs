//! Reading what a stranger hosts: what is taken, and that everything else is refused with the place and the remedy.

mod common;

use common::{advisory, now, page, pages, read_root, release, root_of, time, version};
use jackfield_index::{IndexError, MAX_PAGE_BYTES, MAX_ROOT_BYTES, Page, Root, Subject, verify};
use jackfield_registry::Digest;
use jackfield_trust::{PrivateKey, SignerRule, Signers};
use serde_json::{Value, json};

fn index() -> Value {
    root_of(&pages([page("etcd", vec![release("1.0.0"), release("1.1.0")])]))
}

fn refused(json: &Value) -> String {
    Root::read(json.to_string().as_bytes()).unwrap_err().to_string()
}

fn page_json() -> Value {
    serde_json::to_value(page("etcd", vec![release("1.0.0"), release("1.1.0")])).unwrap()
}

fn read_page(json: &Value) -> Result<Page, IndexError> {
    let bytes = json.to_string();
    Page::read(bytes.as_bytes(), &Digest::of(bytes.as_bytes()))
}

#[test]
fn what_is_written_is_what_is_read() {
    let etcd = page("etcd", vec![release("1.1.0"), release("1.0.0")]);
    let root = read_root(&root_of(&pages([etcd.clone()])));
    assert_eq!(root.page("etcd", &etcd.to_bytes()).unwrap(), etcd);
    assert_eq!(Root::read(&root.to_bytes()).unwrap(), root);
}

#[test]
fn releases_in_any_order_are_one_page() {
    let mut json = page_json();
    let sorted = read_page(&json).unwrap();
    json["releases"].as_array_mut().unwrap().reverse();
    assert_eq!(read_page(&json).unwrap(), sorted);
    assert_eq!(sorted.newest().unwrap().version, version("1.1.0"));
}

#[test]
fn a_page_of_another_digest_or_of_another_plugin_is_refused() {
    let etcd = page("etcd", vec![release("1.0.0")]);
    let mut all = pages([etcd.clone(), page("consul", vec![release("1.0.0")])]);
    let root = read_root(&root_of(&all));
    let error = root.page("etcd", &all["consul"].to_bytes()).unwrap_err();
    assert!(matches!(error, IndexError::OtherPage { .. }), "{error}");
    // A root that names the page of one plugin for another.
    all.insert("consul".into(), etcd.clone());
    let root = read_root(&root_of(&all));
    let error = root.page("consul", &etcd.to_bytes()).unwrap_err().to_string();
    assert!(error.contains("plugins/consul.json: name: is `etcd`"), "{error}");
    let error = root.page("vault", b"").unwrap_err().to_string();
    assert!(error.contains("has no plugin `vault`"), "{error}");
}

#[test]
fn a_byte_that_changed_is_seen_or_says_the_same() {
    let bytes = page("etcd", vec![release("1.0.0")]).to_bytes();
    let digest = Digest::of(&bytes);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(matches!(Page::read(&damaged, &digest), Err(IndexError::OtherPage { .. })), "{at}");
    }
    for at in 0..bytes.len() {
        let cut = &bytes[..at];
        assert!(Page::read(cut, &Digest::of(cut)).is_err() || at == bytes.len() - 1, "{at}");
    }
}

#[test]
fn what_is_too_large_is_not_looked_at() {
    let large = vec![b' '; MAX_ROOT_BYTES + 1];
    assert!(matches!(Root::read(&large), Err(IndexError::TooLarge { .. })));
    let large = vec![b' '; MAX_PAGE_BYTES + 1];
    assert!(matches!(Page::read(&large, &Digest::of(&large)), Err(IndexError::TooLarge { .. })));
    let deep = format!("{{\"format\": 1, \"x-a\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Root::read(deep.as_bytes()).is_err());
}

#[test]
fn a_later_format_is_refused_with_the_remedy_whatever_else_is_in_it() {
    let error = refused(&json!({ "format": 2, "everything": "else" }));
    assert!(error.contains("its format is 2") && error.contains("use a later Jackfield"), "{error}");
    for other in [json!("1"), json!(1.5), json!(-1), json!(null), json!([])] {
        assert!(refused(&json!({ "format": other })).contains("format"), "{other}");
    }
    assert!(refused(&json!({ "name": "acme" })).contains("\"format\": 1"));
    assert!(refused(&json!([1])).contains("format"));
}

#[test]
fn a_member_that_is_not_known_is_refused_and_one_of_others_passed_over() {
    let mut json = index();
    json["plugins"]["etcd"]["x-downloads"] = json!({ "total": 5 });
    json["x-mirror-of"] = json!("elsewhere");
    assert_eq!(read_root(&json), read_root(&index()));
    json["plugins"]["etcd"]["downloads"] = json!(5);
    let error = refused(&json);
    assert!(error.contains("index.json: plugins.etcd") && error.contains("unknown field `downloads`"), "{error}");
    let mut json = page_json();
    json["releases"][0]["yankd"] = json!("broken");
    assert!(read_page(&json).unwrap_err().to_string().contains("releases[0]"));
}

#[test]
fn a_member_that_is_there_twice_is_refused() {
    let text = index().to_string().replacen("\"serial\":7", "\"serial\":7,\"serial\":8", 1);
    let error = Root::read(text.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("`serial` is there twice"), "{error}");
    // In a map too, where a parser would keep the last.
    let listing = index()["plugins"]["etcd"].to_string();
    let text = index().to_string().replacen("\"etcd\":", &format!("\"etcd\":{listing},\"etcd\":"), 1);
    assert!(Root::read(text.as_bytes()).unwrap_err().to_string().contains("`etcd` is there twice"));
}

#[test]
fn two_releases_of_one_version_are_refused_whatever_stands_behind_the_plus() {
    for twice in ["1.1.0", "1.1.0+other"] {
        let mut json = page_json();
        json["releases"].as_array_mut().unwrap().push(serde_json::to_value(release(twice)).unwrap());
        let error = read_page(&json).unwrap_err().to_string();
        assert!(error.contains("is there twice"), "{error}");
    }
}

#[test]
fn what_is_out_of_bounds_is_refused_with_its_place() {
    let many = vec![json!("a:b@1.0.0"); 33];
    for (pointer, value, wanted) in [
        ("/releases/0/place", json!("../../etc/passwd"), "releases[0].place"),
        ("/releases/0/place", json!("oci://ghcr.io/acme/etcd:1"), "releases[0].place"),
        ("/releases/0/size", json!(0), "releases[1.0.0].size"),
        ("/releases/0/size", json!(u64::MAX), "releases[1.0.0].size"),
        ("/releases/0/capabilities", json!(many), "capabilities"),
        ("/releases/0/capabilities", json!([]), "capabilities"),
        ("/releases/0/capabilities", json!(["etcd"]), "releases[0].capabilities[0]"),
        ("/releases/0/accept", json!("0".repeat(32)), "accept"),
        ("/releases/0/rights", json!(["send"]), "accept"),
        ("/releases/0/yanked", json!(""), "yanked"),
        ("/releases/0/yanked", json!("\u{1b}[31m"), "yanked"),
        ("/releases/0/yanked", json!("\u{202e}kcab nekat"), "yanked"),
        ("/releases/0/yanked", json!("x".repeat(501)), "yanked"),
        ("/releases/0/published", json!("yesterday"), "releases[0].published"),
        ("/releases/0/digest", json!("md5:0"), "releases[0].digest"),
        ("/releases/0/version", json!("1"), "releases[0].version"),
        ("/description", json!("two\nlines"), "description"),
        ("/name", json!("../etcd"), "name"),
        ("/deprecated", json!({ "reason": "old", "replacement": "Not a name" }), "deprecated.replacement"),
    ] {
        let mut json = page_json();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        json.pointer_mut(parent).unwrap()[name] = value;
        let error = read_page(&json).unwrap_err().to_string();
        assert!(error.contains(wanted) && error.starts_with("plugins/"), "{pointer}: {error}");
        assert!(!error.contains('\u{1b}') && error.len() < 600, "{error}");
    }
    for (pointer, value, wanted) in [
        ("/name", json!("A"), "name"),
        ("/serial", json!(0), "serial"),
        ("/serial", json!(1_u64 << 53), "serial"),
        ("/serial", json!(-1), "serial"),
        ("/expires", json!("2026-11-01T00:00:00Z"), "expires"),
        ("/plugins", json!({ "../x": index()["plugins"]["etcd"] }), "plugins"),
        ("/advisories", json!([advisory("A", "plugin", "*", "low")]), "advisories[0].subject"),
        ("/advisories", json!([advisory("A/..", "host", "*", "low")]), "advisories[0].id"),
        ("/advisories", json!([advisory("A", "host", "*", "low"), advisory("A", "host", "*", "low")]), "twice"),
        ("/advisories", json!([advisory("A", "host", "x y", "low")]), "advisories[0].affected[0]"),
    ] {
        let mut json = index();
        json.as_object_mut().unwrap().insert(pointer.trim_start_matches('/').into(), value);
        let error = refused(&json);
        assert!(error.contains(wanted) && error.starts_with("index.json"), "{pointer}: {error}");
    }
    let listing = index()["plugins"]["etcd"].clone();
    let plugins: serde_json::Map<_, _> = (0..10_001).map(|number| (format!("p{number}"), listing.clone())).collect();
    let mut json = index();
    json["plugins"] = plugins.into();
    assert!(refused(&json).contains("at most 10000"));
}

#[test]
fn an_index_that_went_back_or_has_two_tongues_or_is_another_is_refused() {
    let bytes = |json: &Value| json.to_string().into_bytes();
    let mut json = index();
    let first = bytes(&json);
    let seen = read_root(&json).seen(&first);
    read_root(&json).follows(&first, &seen).unwrap();

    json["description"] = json!("Something else");
    let error = read_root(&json).follows(&bytes(&json), &seen).unwrap_err();
    assert!(matches!(error, IndexError::Forked { serial: 7, .. }), "{error}");
    json["serial"] = json!(8);
    read_root(&json).follows(&bytes(&json), &seen).unwrap();
    json["serial"] = json!(6);
    let error = read_root(&json).follows(&bytes(&json), &seen).unwrap_err();
    assert!(matches!(error, IndexError::RolledBack { seen: 7, found: 6, .. }), "{error}");
    json["serial"] = json!(9);
    json["name"] = json!("other");
    let error = read_root(&json).follows(&bytes(&json), &seen).unwrap_err();
    assert!(matches!(error, IndexError::OtherIndex { .. }), "{error}");
}

#[test]
fn an_index_is_believed_until_it_expires() {
    let root = read_root(&index());
    root.is_fresh(now()).unwrap();
    root.is_fresh(time("2027-01-31T23:59:59Z")).unwrap();
    let error = root.is_fresh(time("2027-02-01T00:00:00Z")).unwrap_err().to_string();
    assert!(error.contains("expired on 2027-02-01T00:00:00Z") && error.contains("registry sync"), "{error}");
}

#[test]
fn a_root_counts_only_with_the_signature_of_who_is_named() {
    let (key, other) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
    let signers = Signers::new(&[SignerRule::of_key(&key.public())], None).unwrap();
    let bytes = index().to_string().into_bytes();
    let bundle = key.bundle(&Digest::of(&bytes));
    verify(&bytes, Some(&bundle), &signers).unwrap();

    assert_eq!(verify(&bytes, None, &signers), Err(IndexError::Unsigned));
    let not = |bytes: &[u8], bundle: &[u8], signers: &Signers| {
        let error = verify(bytes, Some(bundle), signers).unwrap_err();
        assert!(matches!(&error, IndexError::NotBySigner { reasons } if !reasons.is_empty()), "{error}");
    };
    not(&bytes, &other.bundle(&Digest::of(&bytes)), &signers);
    not(&[&bytes, &b" "[..]].concat(), &bundle, &signers);
    not(&bytes, b"{}", &signers);
    not(&bytes, &vec![b' '; 2 * 1024 * 1024], &signers);
    // Where nobody is named nobody counts.
    not(&bytes, &bundle, &Signers::new(&[], None).unwrap());
}

#[test]
fn advisories_are_told_worst_first_and_not_once_they_are_withdrawn() {
    let mut json = index();
    let mut withdrawn = advisory("D", "plugin:etcd", "*", "critical");
    withdrawn["withdrawn"] = json!("2026-11-02T00:00:00Z");
    json["advisories"] = json!([
        advisory("A", "plugin:etcd", "<1.1.0", "low"),
        advisory("B", "plugin:etcd", "<2", "high"),
        advisory("C", "plugin:consul", "*", "high"),
        withdrawn,
        advisory("E", "host", "<0.2.0", "high"),
        advisory("F", "runtime", "<48.0.9", "critical"),
    ]);
    let root = read_root(&json);
    let ids = |subject: Subject, of: &str| -> Vec<String> {
        root.affecting(&subject, &version(of)).into_iter().map(|advisory| advisory.id.clone()).collect()
    };
    assert_eq!(ids(Subject::Plugin("etcd".into()), "1.0.0"), ["B", "A"]);
    assert_eq!(ids(Subject::Plugin("etcd".into()), "1.1.0-rc.1"), ["B", "A"]);
    assert_eq!(ids(Subject::Plugin("etcd".into()), "1.1.0"), ["B"]);
    assert_eq!(ids(Subject::Host, "0.1.0"), ["E"]);
    assert_eq!(ids(Subject::Runtime, "48.0.8"), ["F"]);
    assert_eq!(ids(Subject::Runtime, "48.0.9"), [""; 0]);
}
