//! From what runs to something else: that is started beside it, judged, tried out where that is wanted, and takes its place in
//! one commit. Calls under way end on what they began with. A switch that fails has changed nothing.

use std::sync::Arc;

use jackfield_store::{Bucket, Expect, Mutation};

use super::{
    Integration, IntegrationRecord, Runtime, build, build::For, enabling::disabled, judge, moved_on, same, share,
};
use crate::{
    Error, EventKind, Result, health,
    plugins::Installed,
    registrar::{Change, Decision, encode},
    shared::Shared,
    view::View,
};

/// How an integration is switched to another record.
pub(super) struct Switch<'a> {
    /// What is told of it.
    pub(super) kind: EventKind,
    pub(super) message: String,
    /// The outside system has to be found healthy first.
    pub(super) checked: bool,
    /// What to do where it is not.
    pub(super) remedy: String,
    /// Everything is tried and nothing changed.
    pub(super) dry_run: bool,
    /// Judges what would run.
    pub(super) fits: &'a (dyn Fn(&Runtime) -> Result<()> + Sync),
}

impl Switch<'_> {
    /// One that is checked.
    pub(super) fn to(kind: EventKind, message: String) -> Self {
        let remedy = "Upgrade it when that is well, or with `--unchecked`".to_owned();
        Self { kind, message, checked: true, remedy, dry_run: false, fits: &|_| Ok(()) }
    }

    /// Nobody asks the outside system how it is.
    pub(super) fn unchecked(self) -> Self {
        Self { checked: false, ..self }
    }
}

/// Switches an integration to a record with this plugin, which has to be there only where something else is to run. What a
/// disabled integration would run is built and judged all the same, but for its outside system, which is asked nothing.
pub(super) async fn switch(
    shared: &Shared,
    old: &Arc<Integration>,
    mut record: IntegrationRecord,
    plugin: Result<&Arc<Installed>>,
    how: Switch<'_>,
) -> Result<()> {
    if record.disabled {
        // Nothing runs that could do worse than before.
        record.probation = None;
    }
    let stays = runs_as(&record, &old.record) && (record.disabled || !old.record.disabled);
    let rehearsed = old.shadow.clone().filter(|_| stays && !record.disabled);
    share::may_change(old, record.plugin_digest)?;
    (record.same_since, record.share) = (None, None);
    if rehearsed.is_none() {
        record.shadow = None;
    }
    let mut checked = None;
    let mut needed = None;
    let runtime = match &old.runtime {
        running if stays => running.clone(),
        _ => {
            let plugin = plugin?;
            needed = Some(plugin.clone());
            let made_for = |purpose| build::runtime(shared, &old.name, &record, plugin, &old.live, purpose);
            let runtime = Arc::new(made_for(For::Calls)?);
            judge(&old.name, &runtime, plugin).await?;
            if how.checked && !record.disabled {
                let tried = health::try_out(old, &made_for(For::Version)?).await;
                checked = Some(tried.map_err(|error| not_well(old, &record, error, &how.remedy))?.1);
            }
            Ok(runtime)
        }
    };
    if let Ok(runtime) = &runtime {
        (how.fits)(runtime)?;
    }
    if how.dry_run {
        return Ok(());
    }
    let runtime = if record.disabled { Err(disabled(&old.name)) } else { runtime };
    let value = encode(&record)?;
    let (old, kind, message) = (old.clone(), how.kind, how.message);
    let decide = move |view: &View| {
        let current = view.integration(&old.name)?;
        if current.revision != old.revision {
            return Err(moved_on(&old.name, None, current.revision));
        }
        if record.plugin_digest != old.record.plugin_digest && kind != EventKind::IntegrationRolledBack {
            view.pins.allow(&record.plugin, &record.plugin_version).map_err(|e| e.at("/version"))?;
        }
        let mut mutations =
            vec![Mutation::set(Bucket::Integrations, &*old.name, value).expect(Expect::Revision(old.revision))];
        if let Some(plugin) = needed {
            same(view, &plugin)?;
            mutations.push(Mutation::require(Bucket::Plugins, plugin.id().to_string(), Expect::Present));
        }
        let (name, live) = (old.name.clone(), old.live.clone());
        Ok(Decision::Change(Change {
            mutations,
            event: (kind, Some(name.to_string()), Some(record.plugin.clone()), message),
            apply: Box::new(move |view, revision| {
                match checked {
                    None if record.disabled => live.health.disabled(),
                    Some(checked) => live.health.begin(checked),
                    None if stays => {}
                    None => live.health.forget(),
                }
                let integration =
                    Integration { name: name.clone(), record, revision, runtime, live, shadow: rehearsed, share: None };
                view.integrations.insert(name.to_string(), Arc::new(integration));
            }),
        }))
    };
    shared.registrar.change(decide).await.map(drop)
}

/// Whether two records differ in nothing that runs.
fn runs_as(one: &IntegrationRecord, other: &IntegrationRecord) -> bool {
    one.plugin_digest == other.plugin_digest
        && one.config == other.config
        && one.endpoints == other.endpoints
        && one.limits == other.limits
}

fn not_well(old: &Integration, record: &IntegrationRecord, error: Error, remedy: &str) -> Error {
    let message = format!(
        "`{}` stays at {}: {} finds its outside system not healthy: {}. {remedy}",
        old.name, old.record.plugin_version, record.plugin_version, error.message
    );
    Error { message, ..error }
}
