//! The files of an index of plugins, and what it is built from. What is read is written as the same again, whatever it says of
//! places stays below it, and what is chosen of it depends on no order. A refusal fits a terminal and obeys nothing there. An
//! input is a root and a page if it begins with `{`, otherwise each of the texts that people write.

use std::{
    collections::BTreeMap,
    path::{Component, Path},
};

use jackfield_index::{
    Advisory, Location, Need, Notes, Page, Root, Settings, Severity, Site, Source, Subject, Timestamp, Want, resolve,
};
use jackfield_registry::Digest;

/// Checks a file of an index or what one is built from.
pub fn check(input: &[u8]) {
    match input.first() {
        Some(b'{') => {
            root(input);
            page(input);
        }
        _ => crate::text(input).into_iter().for_each(text),
    }
}

fn refused(error: &dyn std::fmt::Display) {
    let words = error.to_string();
    assert!(!words.is_empty() && words.len() < 4096, "more words than anybody reads, or none");
    assert!(words.chars().all(|c| c == '\n' || !c.is_control()), "a terminal would obey it");
}

fn root(input: &[u8]) {
    let root = match Root::read(input) {
        Ok(root) => root,
        Err(error) => return refused(&error),
    };
    let written = root.to_bytes();
    assert_eq!(Root::read(&written).as_ref(), Ok(&root), "another root comes out of its bytes");
    root.follows(input, &root.seen(input)).expect("it follows itself");
    root.is_fresh(root.published).expect("it is fresh when it is published");
    root.is_fresh(root.expires).expect_err("it is not when it expires");
    for advisory in &root.advisories {
        let fixed = advisory.fixed.as_ref();
        assert!(fixed.is_none_or(|fixed| !advisory.affects(fixed)), "what is fixed is affected");
    }
    for (name, listing) in &root.plugins {
        refused(&root.page(name, b"").expect_err("nothing has no bytes' digest but nothing, which is no page"));
        let newest = listing.newest.iter();
        newest.for_each(|version| drop(root.affecting(&Subject::Plugin(name.clone()), version)));
    }
}

fn page(input: &[u8]) {
    let digest = Digest::of(input);
    let page = match Page::read(input, &digest) {
        Ok(page) => page,
        Err(error) => return refused(&error),
    };
    Page::read(input, &Digest::of(b"something else")).expect_err("it has another digest");
    let written = page.to_bytes();
    assert_eq!(Page::read(&written, &Digest::of(&written)).as_ref(), Ok(&page), "another page comes out of its bytes");
    assert!(page.releases.is_sorted_by(|a, b| a.version < b.version), "not in the order of versions");
    page.releases.iter().for_each(|release| below(&release.place));
    choose(&page);
}

/// Whatever is chosen of a page is chosen of it in another order.
fn choose(page: &Page) {
    let root = format!(
        r#"{{"format": 1, "name": "a", "description": "A", "serial": 1, "published": "2026-01-01T00:00:00Z",
        "expires": "2027-01-01T00:00:00Z", "plugins": {{"{}": {{"page": "{}", "size": 0, "description": "A"}}}}}}"#,
        page.name,
        Digest::of(b"")
    );
    let root = Root::read(root.as_bytes()).expect("it is a root");
    let mut turned = page.clone();
    turned.releases.reverse();
    let mut site = Site::new("0.1.0".parse().expect("a version"), root.published);
    site.refuse_from = Some(Severity::Low);
    let wants = ["", "@^1", "@1.0.0"].map(|range| format!("{}{range}", page.name).parse::<Want>().expect("a want"));
    for want in wants {
        let of = |page: &Page| {
            let pages = BTreeMap::from([(page.name.clone(), page.clone())]);
            let source = Source { name: "a", root: Some(&root), pages: &pages };
            resolve(std::slice::from_ref(&want), &[source], &site)
        };
        let chosen = of(page);
        assert_eq!(chosen, of(&turned), "the order of releases is a reason");
        match chosen {
            Ok(chosen) => assert!(chosen.iter().all(|one| page.releases.contains(&one.release))),
            // A host's range and a reason are the index's words, as long as it likes within bounds.
            Err(conflict) => assert!(conflict.to_string().chars().all(|c| c == '\n' || !c.is_control())),
        }
    }
}

fn below(place: &Location) {
    if place.is_beside() {
        let path = Path::new(place.as_str());
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{place} leads somewhere else");
        assert!(!place.as_str().contains(['\\', ':']), "{place} leads somewhere else on another platform");
    }
}

fn text(text: &str) {
    if let Err(error) = Settings::parse(text, "index.toml") {
        refused(&error);
    }
    match Notes::parse(text, "plugins/a.toml") {
        Ok(notes) => notes.release.iter().filter_map(|release| release.place.as_ref()).for_each(below),
        Err(error) => refused(&error),
    }
    match Advisory::from_toml(text, "advisories/a.toml") {
        Ok(advisory) => assert!(!advisory.description.contains('\n')),
        Err(error) => refused(&error),
    }
    match text.parse::<Location>() {
        Ok(place) => {
            assert_eq!(place.as_str(), text);
            below(&place);
        }
        Err(error) => refused(&error),
    }
    match text.parse::<Want>() {
        Ok(want) => assert_eq!(want.to_string().parse(), Ok(want)),
        Err(error) => refused(&error),
    }
    match text.parse::<Need>() {
        Ok(need) => assert_eq!(need.to_string().parse(), Ok(need)),
        Err(error) => refused(&error),
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string(), text);
    }
}
