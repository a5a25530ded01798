//! Which release is chosen, and what is said where none is.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{advisory, now, page, pages, read_root, release, root_of, time, version};
use jackfield_index::{
    Change, Choice, Conflict, Deprecation, Page, Problem, Release, Root, Severity, Site, Source, Want, Wanted, resolve,
};
use serde_json::json;

/// An index: what the operator calls it, its root and its pages.
struct Index(&'static str, Root, BTreeMap<String, Page>);

impl Index {
    fn new(name: &'static str, all: impl IntoIterator<Item = Page>) -> Self {
        let pages = pages(all);
        Self(name, read_root(&root_of(&pages)), pages)
    }

    fn with(name: &'static str, all: impl IntoIterator<Item = Page>, advisories: serde_json::Value) -> Self {
        let pages = pages(all);
        let mut json = root_of(&pages);
        json["advisories"] = advisories;
        Self(name, read_root(&json), pages)
    }
}

fn sources(indexes: &[Index]) -> Vec<Source<'_>> {
    indexes.iter().map(|Index(name, root, pages)| Source { name, root: Some(root), pages }).collect()
}

fn site() -> Site {
    Site::new(version("0.1.0"), now())
}

fn want(text: &str) -> Want {
    text.parse().unwrap()
}

fn ask(indexes: &[Index], site: &Site, wants: &[Want]) -> Result<Vec<Choice>, Conflict> {
    resolve(wants, &sources(indexes), site)
}

/// The version that is chosen for one want.
fn chosen(indexes: &[Index], site: &Site, want: Want) -> String {
    let choices = ask(indexes, site, &[want]).unwrap();
    assert_eq!(choices.len(), 1);
    format!("{}/{}", choices[0].index, choices[0].release.version)
}

fn conflict(indexes: &[Index], site: &Site, want: Want) -> String {
    ask(indexes, site, &[want]).unwrap_err().to_string()
}

fn yanked(text: &str) -> Release {
    Release { yanked: Some("Loses keys".into()), ..release(text) }
}

fn needs(text: &str, host: &str) -> Release {
    Release { host: host.parse().unwrap(), ..release(text) }
}

fn offers(text: &str, capabilities: &[&str]) -> Release {
    let capabilities = capabilities.iter().map(|name| name.parse().unwrap()).collect();
    Release { capabilities, ..release(text) }
}

#[test]
fn the_newest_release_in_the_range_is_chosen() {
    let all = ["0.9.0", "1.0.0", "1.2.0", "1.10.0", "2.0.0-rc.1"].map(release);
    let index = [Index::new("acme", [page("etcd", all.to_vec())])];
    for (wanted, expected) in [
        ("etcd", "acme/1.10.0"),
        ("etcd@^1.0, <1.10", "acme/1.2.0"),
        ("etcd@1.2.0", "acme/1.2.0"),
        ("etcd@2.0.0-rc.1", "acme/2.0.0-rc.1"),
        ("acme/etcd@<1", "acme/0.9.0"),
    ] {
        assert_eq!(chosen(&index, &site(), want(wanted)), expected, "{wanted}");
    }
    let with_prereleases = Want { prereleases: true, ..want("etcd") };
    assert_eq!(chosen(&index, &site(), with_prereleases), "acme/2.0.0-rc.1");
}

#[test]
fn a_plugin_of_an_earlier_index_is_not_taken_from_a_later_one_that_offers_more() {
    let two = [
        Index::new("ours", [page("etcd", vec![release("1.0.0")])]),
        Index::new("theirs", [page("etcd", vec![release("99.0.0")]), page("consul", vec![release("1.0.0")])]),
    ];
    assert_eq!(chosen(&two, &site(), want("etcd")), "ours/1.0.0");
    assert_eq!(chosen(&two, &site(), want("theirs/etcd")), "theirs/99.0.0");
    assert_eq!(chosen(&two, &site(), want("consul")), "theirs/1.0.0");
    // Not even where it has none that will do, is past its time, or lacks the page.
    assert!(conflict(&two, &site(), want("etcd@99.0.0")).contains("in the index `ours`"));
    let late = Site { now: time("2027-03-01T00:00:00Z"), ..site() };
    let error = conflict(&two, &late, want("etcd"));
    assert!(error.contains("the index `ours` expired on 2027-02-01T00:00:00Z"), "{error}");
    let none = BTreeMap::new();
    let mut sources = sources(&two);
    sources[0].pages = &none;
    let error = resolve(&[want("etcd")], &sources, &site()).unwrap_err();
    assert_eq!(error.unmet[0].problem, Problem::NoPage { index: "ours".into() });
    // Nor where it was never had, so that nobody knows what it has.
    sources[0].root = None;
    let error = resolve(&[want("consul")], &sources, &site()).unwrap_err();
    assert_eq!(error.unmet[0].problem, Problem::NotHere { index: "ours".into() });
    assert!(resolve(&[want("theirs/consul")], &sources, &site()).is_ok());
}

#[test]
fn what_was_taken_back_is_for_whoever_names_it_or_has_it() {
    let index = [Index::new("acme", [page("etcd", vec![release("1.0.0"), yanked("1.1.0")])])];
    assert_eq!(chosen(&index, &site(), want("etcd")), "acme/1.0.0");
    assert_eq!(chosen(&index, &site(), want("etcd@1.1.0")), "acme/1.1.0");
    let held = BTreeMap::from([("etcd".to_owned(), BTreeSet::from([version("1.1.0")]))]);
    assert_eq!(chosen(&index, &Site { held, ..site() }, want("etcd")), "acme/1.1.0");
}

#[test]
fn a_pinned_plugin_stays_where_it_is() {
    let index = [Index::new("acme", [page("etcd", vec![release("1.0.0"), release("1.1.0")])])];
    let pinned = Site { pinned: BTreeMap::from([("etcd".to_owned(), version("1.0.0"))]), ..site() };
    assert_eq!(chosen(&index, &pinned, want("etcd")), "acme/1.0.0");
    let error = conflict(&index, &pinned, want("etcd@1.1.0"));
    assert!(error.contains("1.1.0: pinned to 1.0.0"), "{error}");
}

#[test]
fn a_known_fault_is_refused_from_a_severity_on_and_told_below_it() {
    let faults = json!([advisory("A-1", "plugin:etcd", ">=1.1.0", "high"), advisory("A-2", "plugin:etcd", "*", "low")]);
    let all = vec![release("1.0.0"), release("1.1.0"), release("1.2.0-rc.1")];
    let index = [Index::with("acme", [page("etcd", all)], faults)];
    let choices = ask(&index, &site(), &[want("etcd")]).unwrap();
    let told: Vec<_> = choices[0].advisories.iter().map(|one| one.id.as_str()).collect();
    assert_eq!((choices[0].release.version.clone(), told), (version("1.1.0"), vec!["A-1", "A-2"]));
    let careful = Site { refuse_from: Some(Severity::High), ..site() };
    let choices = ask(&index, &careful, &[want("etcd")]).unwrap();
    assert_eq!(choices[0].release.version, version("1.0.0"));
    let over: Vec<_> = choices[0].passed_over.iter().map(ToString::to_string).collect();
    assert_eq!(over[0], "1.1.0: has a known fault (A-1, high)");
    // Naming it is no way around the policy.
    let error = conflict(&index, &careful, want("etcd@1.1.0"));
    assert!(error.contains("the nearest is 1.0.0: ask for exactly 1.0.0"), "{error}");
}

#[test]
fn what_is_to_be_used_no_more_is_chosen_and_told() {
    let gone = |reason: &str| Some(Deprecation { reason: reason.into(), replacement: None });
    let mut etcd = page("etcd", vec![Release { deprecated: gone("this one"), ..release("1.0.0") }, release("1.1.0")]);
    etcd.deprecated = gone("all of it");
    let index = [Index::new("acme", [etcd])];
    let told = |wanted: &str| ask(&index, &site(), &[want(wanted)]).unwrap()[0].deprecated.clone().unwrap().reason;
    assert_eq!((told("etcd").as_str(), told("etcd@1.0.0").as_str()), ("all of it", "this one"));
}

#[test]
fn a_conflict_says_of_each_version_why_and_what_to_change() {
    let all = vec![
        release("0.1.0"),
        release("0.2.0"),
        release("0.3.0"),
        yanked("1.0.0"),
        needs("1.1.0", ">=0.3.0"),
        needs("1.2.0", ">=0.3.0"),
        offers("1.3.0", &["jackfield:key-value@0.3.0", "jackfield:key-value/locks@0.1.0"]),
        offers("1.4.0", &["acme:echo@1.0.0"]),
        release("1.5.0"),
        release("1.6.0-rc.1"),
    ];
    let faults = json!([advisory("CVE-2026-1", "plugin:etcd", "=1.5.0", "critical")]);
    let index = [Index::with("acme", [page("etcd", all)], faults)];
    let careful = Site { refuse_from: Some(Severity::High), ..site() };
    let wanted = Want { capabilities: vec!["jackfield:key-value@^0.1".parse().unwrap()], ..want("etcd@^1") };
    assert_eq!(
        conflict(&index, &careful, wanted),
        "`etcd@^1`: no version in the index `acme` will do for a host 0.1.0\n  \
         - 3 versions from 0.1.0 to 0.3.0: not in the range\n  \
         - 1.0.0: taken back (Loses keys)\n  \
         - 1.1.0 and 1.2.0: needs a host >=0.3.0\n  \
         - 1.3.0: offers jackfield:key-value 0.3.0, wanted ^0.1\n  \
         - 1.4.0: does not offer jackfield:key-value\n  \
         - 1.5.0: has a known fault (CVE-2026-1, critical)\n  \
         - 1.6.0-rc.1: a prerelease\n  \
         the nearest is 1.6.0-rc.1: ask for exactly 1.6.0-rc.1"
    );
    assert!(conflict(&index, &careful, want("etcd@^2")).contains("the nearest is 1.6.0-rc.1"));
}

#[test]
fn the_nearest_is_the_one_that_asks_least_and_then_the_one_closest_to_the_range() {
    let nearest = |releases: Vec<Release>, wanted: &str| {
        let index = [Index::new("acme", [page("etcd", releases)])];
        let Conflict { unmet } = ask(&index, &site(), &[want(wanted)]).unwrap_err();
        match &unmet[0].problem {
            Problem::NoVersion { nearest: Some(nearest), .. } => nearest.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let some = || ["0.9.0", "1.0.0", "1.4.9", "3.0.0"].map(release).to_vec();
    assert_eq!(nearest(some(), "etcd@^1.5"), "1.4.9: ask for exactly 1.4.9");
    assert_eq!(nearest(some(), "etcd@^2.1"), "3.0.0: ask for exactly 3.0.0");
    assert_eq!(nearest(some(), "etcd@<0.9"), "0.9.0: ask for exactly 0.9.0");
    assert_eq!(nearest(some(), "etcd@1.4.8"), "1.4.9: ask for exactly 1.4.9");
    assert_eq!(nearest(vec![needs("1.0.0", "^0.2"), release("9.0.0")], "etcd@^1"), "9.0.0: ask for exactly 9.0.0");
    assert_eq!(nearest(vec![needs("1.0.0", "^0.2"), yanked("1.1.0")], "etcd@^1"), "1.0.0: use a host ^0.2");
    assert_eq!(nearest(vec![yanked("1.1.0")], "etcd@^1"), "1.1.0: ask for exactly 1.1.0");
}

#[test]
fn a_name_that_there_is_not_is_met_with_those_it_may_have_been() {
    let index = [Index::new("acme", [page("alertmanager", vec![]), page("etcd", vec![])])];
    let error = conflict(&index, &site(), want("alert-manager"));
    assert!(error.contains("did you mean alertmanager?"), "{error}");
    assert!(conflict(&index, &site(), want("zzz")).contains("jackfield registry search"));
    assert!(conflict(&index, &site(), want("other/etcd")).contains("there are acme"));
    assert!(conflict(&[], &site(), want("etcd")).contains("jackfield registry add"));
    assert!(conflict(&index, &site(), want("etcd")).contains("it has no versions yet"));
}

#[test]
fn every_want_that_nothing_will_do_for_is_told_at_once() {
    let index = [Index::new("acme", [page("etcd", vec![release("1.0.0")])])];
    let wants = [want("etcd@^3"), want("etcd"), want("consul"), want("etcd@^3")];
    let Conflict { unmet } = ask(&index, &site(), &wants).unwrap_err();
    let told: Vec<_> = unmet.iter().map(|unmet| unmet.want.to_string()).collect();
    assert_eq!(told, ["consul", "etcd@^3"]);
}

mod properties {
    use proptest::{prelude::*, sample::subsequence};

    use super::*;

    const HOSTS: [&str; 3] = ["0.1.0", "0.2.0", "0.3.0"];

    fn a_version() -> impl Strategy<Value = String> {
        let pre = prop_oneof![4 => Just(""), 1 => Just("-rc.1"), 1 => Just("-rc.2")];
        (0_u64..3, 0_u64..3, 0_u64..3, pre)
            .prop_map(|(major, minor, patch, pre)| format!("{major}.{minor}.{patch}{pre}"))
    }

    fn a_release() -> impl Strategy<Value = Release> {
        let host = prop::sample::select(vec!["*", "^0.1", "^0.2", ">=0.2.0, <0.4.0"]);
        let capabilities = subsequence(vec!["a:b@0.1.0", "a:b@0.2.0", "a:b/c@0.1.0", "d:e@1.0.0"], 1..=4);
        (a_version(), host, capabilities, prop::bool::weighted(0.2)).prop_map(
            |(text, host, capabilities, is_yanked)| {
                let yanked = is_yanked.then(|| "Loses keys".to_owned());
                let host = host.parse().unwrap();
                Release { yanked, host, ..offers(&text, &capabilities) }
            },
        )
    }

    fn some_releases() -> impl Strategy<Value = Vec<Release>> {
        prop::collection::vec(a_release(), 0..12).prop_map(|mut releases| {
            releases.sort_by(|a, b| a.version.cmp(&b.version));
            releases.dedup_by(|a, b| a.version == b.version);
            releases
        })
    }

    fn a_range() -> impl Strategy<Value = String> {
        let op = prop::sample::select(vec!["^", "~", ">=", "<", "="]);
        prop_oneof![
            Just("*".to_owned()),
            (op, a_version()).prop_map(|(op, version)| format!("{op}{version}")),
            (0_u64..3, 0_u64..3).prop_map(|(major, minor)| format!("^{major}.{minor}")),
        ]
    }

    fn a_want() -> impl Strategy<Value = Want> {
        let needs = subsequence(vec!["a:b@^0.1", "a:b@*", "a:b/c@^0.2", "d:e@1"], 0..=2);
        (a_range(), needs, any::<bool>()).prop_map(|(range, needs, prereleases)| Want {
            capabilities: needs.iter().map(|need| need.parse().unwrap()).collect(),
            prereleases,
            ..want(&format!("etcd@{range}"))
        })
    }

    fn some_faults() -> impl Strategy<Value = serde_json::Value> {
        let severity = prop::sample::select(vec!["low", "medium", "high", "critical"]);
        prop::collection::vec((a_range(), severity), 0..3).prop_map(|all| {
            let each = all.iter().enumerate();
            each.map(|(number, (range, severity))| advisory(&format!("A-{number}"), "plugin:etcd", range, severity))
                .collect()
        })
    }

    fn a_site() -> impl Strategy<Value = Site> {
        let refuse =
            prop::sample::select(vec![None, Some(Severity::Low), Some(Severity::High), Some(Severity::Critical)]);
        let pinned = prop::option::weighted(0.2, a_version());
        let held = prop::collection::btree_set(a_version().prop_map(|text| version(&text)), 0..3);
        (prop::sample::select(HOSTS.to_vec()), refuse, pinned, held).prop_map(|(host, refuse_from, pinned, held)| {
            Site {
                refuse_from,
                pinned: pinned.map(|text| ("etcd".to_owned(), version(&text))).into_iter().collect(),
                held: BTreeMap::from([("etcd".to_owned(), held)]),
                ..Site::new(version(host), now())
            }
        })
    }

    /// Whether a release will do, said in other words than where it is decided.
    fn will_do(release: &Release, want: &Want, index: &Index, site: &Site) -> bool {
        let of = &release.version;
        let names = want.version == Wanted::Exactly(of.clone());
        let in_range = match &want.version {
            Wanted::Exactly(wanted) => wanted == of,
            // Whether prereleases are in a range is told by the tests of ranges; a release of one must be wanted.
            Wanted::Range(range) => range.matches(of) || (want.prereleases && !of.pre.is_empty()),
        };
        let held = site.held.get("etcd").is_some_and(|held| held.contains(of));
        let faults = index.1.advisories.iter().filter(|one| one.affects(of));
        in_range
            && (release.yanked.is_none() || names || held)
            && release.host.matches(&site.host)
            && want.capabilities.iter().all(|need| release.capabilities.iter().any(|one| need.is_met_by(one)))
            && site.pinned.get("etcd").is_none_or(|pinned| pinned == of)
            && site.refuse_from.is_none_or(|from| faults.into_iter().all(|one| one.severity < from))
    }

    /// Does what a conflict says.
    fn follow(changes: &[Change], want: &mut Want, site: &mut Site) {
        for change in changes {
            match change {
                Change::AskFor(version) => want.version = Wanted::Exactly(version.clone()),
                Change::Pin(version) => _ = site.pinned.insert("etcd".into(), version.clone()),
                Change::Host(range) => {
                    let fits = HOSTS.iter().map(|host| version(host)).find(|host| range.matches(host));
                    site.host = fits.unwrap();
                }
                Change::Need { need, offered } => {
                    for one in want.capabilities.iter_mut().filter(|one| *one == need) {
                        one.range = format!("={offered}").parse().unwrap();
                    }
                }
                Change::DoWithout(need) => want.capabilities.retain(|one| one != need),
                Change::Accept { severity, .. } => {
                    let above = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
                    site.refuse_from = above.into_iter().find(|one| one > severity && Some(*one) >= site.refuse_from);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_is_chosen_will_do_and_nothing_newer_would(
            releases in some_releases(), faults in some_faults(), want in a_want(), site in a_site(),
        ) {
            let index = Index::with("acme", [page("etcd", releases.clone())], faults);
            let good: Vec<_> = releases.iter().filter(|one| will_do(one, &want, &index, &site)).collect();
            match ask(std::slice::from_ref(&index), &site, std::slice::from_ref(&want)) {
                Ok(choices) => {
                    prop_assert!(good.contains(&&choices[0].release));
                    // Of prereleases the oracle takes too many, so what is newer is one of those.
                    let newer = good.iter().filter(|one| one.version > choices[0].release.version);
                    prop_assert!(newer.into_iter().all(|one| want.prereleases && !one.version.pre.is_empty()));
                }
                Err(conflict) => {
                    prop_assert!(good.iter().all(|one| want.prereleases && !one.version.pre.is_empty()), "{}", conflict);
                }
            }
        }

        #[test]
        fn the_order_of_what_is_given_does_not_matter(
            releases in some_releases(), faults in some_faults(), wants in prop::collection::vec(a_want(), 1..4),
            site in a_site(), seed in any::<u64>(),
        ) {
            let index = Index::with("acme", [page("etcd", releases)], faults);
            let Index(name, mut root, mut pages) = index;
            let once = resolve(&wants, &[Source { name, root: Some(&root), pages: &pages }], &site);
            let turn = |length: usize| if length == 0 { 0 } else { usize::try_from(seed % length as u64).unwrap() };
            let mut turned = wants.clone();
            turned.rotate_left(turn(wants.len()));
            turned.reverse();
            turned.iter_mut().for_each(|want| want.capabilities.reverse());
            let releases = &mut pages.get_mut("etcd").unwrap().releases;
            let by = turn(releases.len());
            releases.rotate_left(by);
            releases.reverse();
            root.advisories.reverse();
            let again = resolve(&turned, &[Source { name, root: Some(&root), pages: &pages }], &site);
            let told = |outcome: &Result<Vec<Choice>, Conflict>| match outcome {
                Ok(choices) => choices.iter().map(|one| format!("{} {} {:?}", one.want, one.release.version, one.advisories)).collect(),
                Err(conflict) => conflict.to_string(),
            };
            let told: (String, String) = (told(&once), told(&again));
            prop_assert_eq!(told.0, told.1);
        }

        #[test]
        fn whoever_does_what_a_conflict_says_gets_a_release(
            releases in some_releases(), faults in some_faults(), want in a_want(), site in a_site(),
        ) {
            let index = [Index::with("acme", [page("etcd", releases.clone())], faults)];
            let Err(conflict) = ask(&index, &site, std::slice::from_ref(&want)) else { return Ok(()) };
            let Problem::NoVersion { nearest, excluded, .. } = &conflict.unmet[0].problem else {
                return Err(TestCaseError::fail(conflict.to_string()));
            };
            let told: usize = excluded.iter().map(|group| group.versions.len()).sum();
            prop_assert_eq!(told, releases.len(), "each is told of once");
            let Some(nearest) = nearest else {
                prop_assert!(releases.is_empty());
                return Ok(());
            };
            let (mut want, mut site) = (want, site);
            follow(&nearest.changes, &mut want, &mut site);
            let choices = ask(&index, &site, std::slice::from_ref(&want));
            prop_assert!(choices.is_ok(), "{}\n{:?}\n{:?}", conflict, nearest.changes, choices);
            want.version = Wanted::Exactly(nearest.version.clone());
            prop_assert_eq!(&ask(&index, &site, &[want]).unwrap()[0].release.version, &nearest.version);
        }
    }
}
