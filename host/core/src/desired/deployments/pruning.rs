//! Deployments that no document wants any more: of those, the ones that Jackfield applied are removed, and no others.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;

use super::{
    KIND, Planned, call,
    form::Form,
    making::{is_over, key},
    records::{DeploymentRecord, may_be_one},
    title,
};
use crate::{
    EventKind, Result,
    desired::{
        DesiredChange,
        apply::{Applied, DesiredAction, DesiredFailure},
        documents::DesiredDeployment,
    },
    integrations::Integration,
    shared::{About, Shared},
    view::View,
};

/// How often a write is named anew whose name turns out to be that of an earlier one.
const NAMES: u32 = 3;

/// A deployment that is to go.
pub(in crate::desired) struct Surplus {
    integration: Arc<Integration>,
    record: DeploymentRecord,
    applied: DesiredDeployment,
}

/// What is applied and not wanted. What may be one that is wanted stays: a plugin may name the same deployment more fully, or less,
/// than another version of it did when that was applied. Nothing of an orchestrator that could not be asked about each of its deployments: what
/// names those may go without saying, so one that is wanted could be taken for another.
pub(in crate::desired) fn prunable(shared: &Shared, view: &View, planned: &[Planned<'_>]) -> Vec<Surplus> {
    let unknown: BTreeSet<&str> = planned
        .iter()
        .filter(|planned| !matches!(planned.seen, Some(Ok(_))))
        .map(|planned| planned.wanted.orchestrator.as_str())
        .collect();
    let wanted = |integration: &Integration, record: &DeploymentRecord| {
        planned.iter().any(|planned| match &planned.seen {
            Some(Ok(look)) => {
                let same_block = || {
                    let said = |block: &DesiredDeployment| look.form.said(block);
                    record.applied.as_ref().is_some_and(|applied| said(applied) == said(&planned.wanted))
                };
                planned.wanted.orchestrator == *integration.name
                    && (may_be_one(&look.target, &record.target) || same_block())
            }
            _ => false,
        })
    };
    let mut surplus = Vec::new();
    for integration in view.integrations.values().filter(|integration| !unknown.contains(&*integration.name)) {
        for record in shared.deployments.of(&integration.record.incarnation) {
            let Some(applied) = record.applied.clone().filter(|_| !wanted(integration, &record)) else { continue };
            let applied = DesiredDeployment { orchestrator: integration.name.to_string(), ..applied };
            surplus.push(Surplus { integration: integration.clone(), record, applied });
        }
    }
    surplus
}

/// Removes what is to go, or only tries; the integrations of which something is left.
pub(in crate::desired) async fn prune(
    shared: &Shared,
    surplus: Vec<Surplus>,
    dry_run: bool,
    applied: &mut Applied,
) -> BTreeSet<String> {
    let mut left = BTreeSet::new();
    for surplus in surplus {
        let name = title(&surplus.applied);
        match remove(shared, &surplus, dry_run).await {
            Ok(()) => {
                let action = DesiredAction::Remove;
                applied.changes.push(DesiredChange { kind: KIND, name, action, fields: Vec::new() });
            }
            Err(error) => {
                let message = format!("{KIND} `{name}` cannot be removed: {}", error.message);
                applied.failed.push(DesiredFailure { kind: KIND, name, field: None, error: error.kind, message });
                left.insert(surplus.integration.name.to_string());
            }
        }
    }
    left
}

async fn remove(shared: &Shared, surplus: &Surplus, dry_run: bool) -> Result<()> {
    let Surplus { integration, record, applied } = surplus;
    integration.running()?;
    let view = shared.view.load_full();
    let code = view.plugin_of(&integration.record)?.code.as_ref().map_err(Clone::clone)?;
    let form = Form::of(&code.reflection)?;
    let ask = |options| form.ask_delete(&record.target, &options);
    if dry_run {
        let (delete, params) = ask(json!({"dry-run": true}))?;
        return call(shared, applied, &form.capability, &delete.name, &params, None).await.map(drop);
    }
    let sentence = format!("the deployment `{}` was removed", title(applied));
    let incarnation = &integration.record.incarnation;
    let work = async {
        let mut result = Ok(());
        for name in 0..NAMES {
            let (delete, params) = ask(json!({}))?;
            let key = key(&json!(["delete", record.target, record.writes, name]));
            match call(shared, applied, &form.capability, &delete.name, &params, Some(key)).await {
                // Removed under that name before, and applied again since.
                Ok((_, true)) => {}
                Ok((_, false)) => break,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        match &result {
            Ok(()) => shared.deployments.drop(&*shared.store, incarnation, &record.target).await?,
            Err(error) if is_over(error) => {
                let now = DeploymentRecord { writes: record.writes + 1, ..record.clone() };
                shared.deployments.set(&*shared.store, incarnation, now).await?;
            }
            Err(_) => {}
        }
        result.map(|()| ((), sentence.clone()))
    };
    shared.act(EventKind::DeploymentRemoved, About::integration(&integration.name), &sentence, work).await
}
