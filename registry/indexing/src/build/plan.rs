//! What an index is to say: a pure function of what it is built from and what it said before.

use std::{collections::BTreeMap, time::Duration};

use super::{Before, BuildError, packed::Packed};
use crate::{
    Advisory, IndexError, IndexFile, Listing, Location, MAX_PAGE_BYTES, Notes, Page, Release, Root, Settings, Subject,
    Timestamp, package_path, page::Format, source::fill,
};

const DAY: u64 = 86_400;

/// What an index is built from, once it is read.
pub(super) struct Plan<'a> {
    pub(super) settings: &'a Settings,
    /// By plugin: the file's path for errors, and what it says.
    pub(super) notes: BTreeMap<String, (String, Notes)>,
    pub(super) advisories: Vec<Advisory>,
    pub(super) packed: Vec<Packed>,
    pub(super) before: Option<&'a Before>,
    pub(super) now: Timestamp,
}

impl Plan<'_> {
    /// The root and the pages.
    pub(super) fn index(&self) -> Result<(Root, BTreeMap<String, Page>), BuildError> {
        let named = &self.settings.name;
        if let Some(before) = self.before.filter(|before| before.root.name != *named) {
            return Err(BuildError::OtherIndex { named: named.clone(), found: before.root.name.clone() });
        }
        let mut pages = self.before.map(|before| before.pages.clone()).unwrap_or_default();
        for packed in &self.packed {
            self.add(packed, &mut pages)?;
        }
        self.note(&mut pages)?;
        let mut plugins = BTreeMap::new();
        for (name, page) in &mut pages {
            page.sort();
            let file = || IndexFile::Page(name.clone());
            page.check().map_err(|(place, reason)| IndexError::Form { file: file(), place, reason })?;
            let bytes = page.to_bytes();
            if bytes.len() > MAX_PAGE_BYTES {
                let (size, most) = (bytes.len(), MAX_PAGE_BYTES);
                return Err(IndexError::TooLarge { file: file(), size, most }.into());
            }
            plugins.insert(name.clone(), Listing::of(page, &bytes));
        }
        let serial = self.before.map_or(0, |before| before.root.serial).checked_add(1).ok_or(BuildError::NoSerial)?;
        // A clock that was put back makes no older index.
        let published = self.before.map_or(self.now, |before| before.root.published.max(self.now));
        let root = Root {
            format: Format,
            name: named.clone(),
            description: self.settings.description.clone(),
            serial,
            published,
            expires: published.after(Duration::from_secs(u64::from(self.settings.lifetime_days) * DAY)),
            plugins,
            advisories: self.advisories(&pages)?,
        };
        root.check().map_err(|(place, reason)| IndexError::Form { file: IndexFile::Root, place, reason })?;
        Ok((root, pages))
    }

    /// Adds a plugin's file to its page, or says anew what it says of itself where the page has it.
    fn add(&self, packed: &Packed, pages: &mut BTreeMap<String, Page>) -> Result<(), BuildError> {
        let page = pages
            .entry(packed.name.clone())
            .or_insert_with(|| Page::new(packed.name.clone(), packed.description.clone(), Vec::new()));
        let known = page.releases.iter().position(|release| release.version == packed.version);
        let known = known.map(|at| page.releases.remove(at));
        if let Some(known) = known.as_ref().filter(|known| known.digest != packed.digest) {
            return Err(packed.is_not(&known.digest));
        }
        let published = known.map_or(self.now, |known| known.published);
        let place = self.place(&packed.name, packed)?;
        page.releases.push(packed.release(place, published));
        if page.newest().is_some_and(|newest| newest.version == packed.version) {
            page.description = packed.description.clone();
        }
        Ok(())
    }

    fn place(&self, name: &str, packed: &Packed) -> Result<Location, BuildError> {
        let digest = packed.digest.hex();
        let Some(template) = &self.settings.place else { return Ok(Location::Beside(package_path(&packed.digest))) };
        let fault = |error: crate::LocationError| IndexError::Form {
            file: IndexFile::Source("index.toml".into()),
            place: "place".into(),
            reason: error.to_string(),
        };
        Ok(fill(template, name, &packed.version, &digest).parse().map_err(fault)?)
    }

    /// Says of each plugin and each release what the notes say, and nothing that they do not say any more.
    fn note(&self, pages: &mut BTreeMap<String, Page>) -> Result<(), BuildError> {
        let nothing = Notes::default();
        for (name, page) in pages.iter_mut() {
            let notes = self.notes.get(name).map_or(&nothing, |(_, notes)| notes);
            page.deprecated = notes.deprecated.clone();
            for release in &mut page.releases {
                let said = notes.of(&release.version);
                if let Some(place) = said.and_then(|said| said.place.clone()) {
                    release.place = place;
                }
                release.signer = said.and_then(|said| said.signer.clone());
                release.yanked = said.and_then(|said| said.yanked.clone());
                release.deprecated = said.and_then(|said| said.deprecated.clone());
            }
        }
        for (name, (path, notes)) in &self.notes {
            let missing = |release: String| BuildError::NoSuchRelease { path: path.clone(), release };
            let page = pages.get(name).ok_or_else(|| missing(name.clone()))?;
            let unknown = notes.release.iter().find(|said| page.release(&said.version).is_none());
            if let Some(unknown) = unknown {
                return Err(missing(format!("{name}@{}", unknown.version)));
            }
        }
        Ok(())
    }

    fn advisories(&self, pages: &BTreeMap<String, Page>) -> Result<Vec<Advisory>, BuildError> {
        let published = self.before.map(|before| before.root.advisories.as_slice()).unwrap_or_default();
        let is_gone = |old: &&Advisory| self.advisories.iter().all(|new| new.id != old.id);
        if let Some(gone) = published.iter().find(is_gone) {
            return Err(BuildError::Dropped { id: gone.id.clone() });
        }
        for Advisory { id, subject, .. } in &self.advisories {
            if let Subject::Plugin(plugin) = subject
                && !pages.contains_key(plugin)
            {
                return Err(BuildError::NothingAffected { id: id.clone(), plugin: plugin.clone() });
            }
        }
        let mut all = self.advisories.clone();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }
}

/// The releases that an index did not have before.
pub(super) fn added(pages: &BTreeMap<String, Page>, before: Option<&Before>) -> Vec<String> {
    let had = |name: &str, release: &Release| {
        let page = before.and_then(|before| before.pages.get(name));
        page.is_some_and(|page| page.release(&release.version).is_some())
    };
    let all = pages.iter().flat_map(|(name, page)| page.releases.iter().map(move |release| (name, release)));
    all.filter(|(name, release)| !had(name, release))
        .map(|(name, release)| format!("{name}@{}", release.version))
        .collect()
}
