//! Pins: a version that everybody keeps to who names none, until somebody says otherwise. As with `apt-mark hold`, whoever names
//! another one is refused, and is told how to let go; going back after an upgrade is always possible. What is pinned stays
//! installed.

use std::{collections::BTreeMap, sync::Arc};

use jackfield_store::{Bucket, Expect, Mutation, Store};
use semver::Version;
use serde::{Deserialize, Serialize};

use super::Installed;
use crate::{
    Error, ErrorKind, ErrorSource, EventKind, Host, PluginInfo, Result, faults,
    registrar::{Change, Decision},
    shared::Shared,
    view::View,
};

/// What stands before a plugin's name, in [`Bucket::Meta`].
const PREFIX: &str = "plugin-pin/";
/// What a refusal is called by programs.
const CODE: &str = "plugin-pinned";

/// The version that a plugin is to be pinned to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PinPlugin {
    /// An installed version of it.
    pub version: Version,
}

/// The version that each pinned plugin is to stay at; none where what is stored of it cannot be read. It is pinned all the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pins(BTreeMap<String, Option<Version>>);

impl Pins {
    /// The version of a plugin that is pinned.
    pub(crate) fn of(&self, name: &str) -> Option<&Version> {
        self.0.get(name)?.as_ref()
    }

    /// Fails where a plugin is pinned and nobody knows to what: then there is no version for who names none, or another.
    pub(crate) fn known(&self, name: &str) -> Result<()> {
        match self.0.get(name) {
            Some(None) => Err(refused(format!(
                "`{name}` is pinned, but the version cannot be read, so nobody is given any, and who runs with one goes on; pin it \
                 anew (`jackfield plugin pin {name} VERSION`), or let it go (`jackfield plugin unpin {name}`)"
            ))),
            Some(Some(_)) | None => Ok(()),
        }
    }

    /// Refuses what a pin speaks against: to have somebody run with this version from now on.
    pub(crate) fn allow(&self, name: &str, version: &Version) -> Result<()> {
        self.known(name)?;
        match self.of(name).filter(|pinned| *pinned != version) {
            Some(pinned) => Err(refused(format!(
                "`{name}` is pinned to {pinned}, so nobody is given {version}; let it go (`jackfield plugin unpin {name}`), or \
                 pin it to that version (`jackfield plugin pin {name} {version}`)"
            ))),
            None => Ok(()),
        }
    }

    /// Refuses to remove what is pinned.
    pub(super) fn allow_removal(&self, plugin: &Installed) -> Result<()> {
        self.known(plugin.name())?;
        match self.of(plugin.name()).filter(|pinned| *pinned == plugin.version()) {
            Some(_) => Err(refused(format!(
                "`{}` is pinned; let it go first: `jackfield plugin unpin {}`",
                plugin.id(),
                plugin.name()
            ))),
            None => Ok(()),
        }
    }
}

fn refused(message: String) -> Error {
    Error { code: Some(CODE.to_owned()), ..Error::new(ErrorKind::Conflict, ErrorSource::Caller, message) }
}

/// What is stored.
pub(crate) async fn load(store: &dyn Store) -> Result<Pins> {
    let mut pins = Pins::default();
    for (key, stored) in store.list(Bucket::Meta, PREFIX, None, usize::MAX).await.map_err(faults::store)? {
        let Some(name) = key.strip_prefix(PREFIX) else { continue };
        pins.0.insert(name.to_owned(), read(name, &stored.value));
    }
    Ok(pins)
}

/// A stored version. One that cannot be read is one still: without it the newest would be given to who was to keep to another.
fn read(name: &str, stored: &[u8]) -> Option<Version> {
    let version = String::from_utf8_lossy(stored).parse();
    version
        .inspect_err(|error| tracing::error!(plugin = name, %error, "the version that it is pinned to cannot be read"))
        .ok()
}

impl Host {
    /// Has everybody who names no version of a plugin keep to this one, which must be installed, and refuses who names another.
    /// Who runs with another one goes on with it until upgraded. A second time it is pinned anew.
    ///
    /// Fails with `not-found` where there is no such version.
    pub async fn pin_plugin(&self, name: &str, version: &Version) -> Result<PluginInfo> {
        self.shared().open()?;
        pin(self.shared(), name, version).await?;
        let view = self.shared().view.load();
        Ok(view.plugin(&format!("{name}@{version}"))?.info(&view))
    }

    /// Lets a plugin go that is pinned; nothing happens where it is not. Fails with `not-found` where there is no such plugin.
    pub async fn unpin_plugin(&self, name: &str) -> Result<()> {
        self.shared().open()?;
        unpin(self.shared(), name).await
    }
}

async fn pin(shared: &Shared, name: &str, version: &Version) -> Result<()> {
    let (name, version) = (name.to_owned(), version.clone());
    let decide = move |view: &View| {
        let plugin: Arc<Installed> =
            view.plugin(&format!("{name}@{version}")).map_err(|error| error.at("/version"))?.clone();
        let before = view.pins.of(&name);
        if before == Some(&version) {
            return Ok(Decision::Nothing);
        }
        let before = before.map(|before| format!(", after {before}")).unwrap_or_default();
        Ok(Decision::Change(Change {
            mutations: vec![
                Mutation::set(Bucket::Meta, format!("{PREFIX}{name}"), version.to_string()),
                Mutation::require(Bucket::Plugins, plugin.id().to_string(), Expect::Present),
            ],
            event: (
                EventKind::PluginPinned,
                None,
                Some(name.clone()),
                format!("`{name}` was pinned to {version}{before}"),
            ),
            apply: Box::new(move |view, _| {
                view.pins.0.insert(name, Some(version));
            }),
        }))
    };
    shared.registrar.change(decide).await.map(drop)
}

async fn unpin(shared: &Shared, name: &str) -> Result<()> {
    let name = name.to_owned();
    let decide = move |view: &View| {
        let Some(version) = view.pins.0.get(&name) else { return view.plugin(&name).map(|_| Decision::Nothing) };
        let version = version.as_ref().map_or("a version that cannot be read".to_owned(), ToString::to_string);
        Ok(Decision::Change(Change {
            mutations: vec![Mutation::delete(Bucket::Meta, format!("{PREFIX}{name}"))],
            event: (
                EventKind::PluginUnpinned,
                None,
                Some(name.clone()),
                format!("`{name}` was let go, which was pinned to {version}"),
            ),
            apply: Box::new(move |view, _| {
                view.pins.0.remove(&name);
            }),
        }))
    };
    shared.registrar.change(decide).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_that_cannot_be_read_gives_nobody_a_version() {
        let stored = |bytes: &[u8]| Pins(BTreeMap::from([("play".to_owned(), read("play", bytes))]));
        let version = Version::new(1, 0, 0);
        assert!(stored(b"1.0.0").allow("play", &version).is_ok());
        assert!(stored(b"1.1.0").allow("play", &version).is_err());
        let broken = stored(b"one");
        let error = broken.allow("play", &version).unwrap_err();
        assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Conflict, Some(CODE)));
        assert!(error.message.contains("plugin unpin play") && broken.of("play").is_none(), "{error}");
        assert!(broken.allow("other", &version).is_ok());
    }
}
