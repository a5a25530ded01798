//! A deployment made what it is to be.

use serde_json::{Value, json};

use super::{Look, Planned, call, change, failure, look, records::DeploymentRecord, title};
use crate::{
    Error, ErrorKind, EventKind, Result,
    desired::{DesiredChange, apply::Applied, documents::DesiredDeployment},
    shared::{About, Shared},
};
use jackfield_registry::Digest;

/// How often a write is named anew whose name turns out to be that of an earlier one.
const NAMES: u32 = 3;

/// Makes deployments what they are to be, one after another; one that fails stops none of the others.
pub(in crate::desired) async fn make(shared: &Shared, planned: &mut [Planned<'_>], applied: &mut Applied) {
    for Planned { place, wanted, seen, .. } in planned {
        match make_one(shared, wanted).await {
            Ok((change, look)) => {
                match change {
                    Some(change) => applied.changes.push(change),
                    None => applied.unchanged += 1,
                }
                *seen = Some(Ok(look));
            }
            Err(error) => {
                applied.failed.push(failure(error.clone(), place, wanted));
                *seen = Some(Err(error));
            }
        }
    }
}

async fn make_one(shared: &Shared, wanted: &DesiredDeployment) -> Result<(Option<DesiredChange>, Look)> {
    // Asked again: what was before may have been with another orchestrator, and whoever changed something since is not overruled.
    let mut seen = look(shared, wanted).await?;
    let incarnation = seen.integration.record.incarnation.clone();
    let before = shared.deployments.get(&incarnation, &seen.target);
    let as_applied = DeploymentRecord { applied: Some(wanted.clone()), ..before.clone() };
    let (there, fields) = (seen.there, seen.fields.clone());
    if there && fields.is_empty() {
        remember(shared, &seen, wanted, as_applied).await?;
        return Ok((None, seen));
    }
    let sentence = format!("the deployment `{}` was applied", title(wanted));
    let work = async {
        // Remembered before it is sent: what a crash leaves is Jackfield's, and is pruned as such.
        shared.deployments.set(&*shared.store, &incarnation, as_applied.clone()).await?;
        for name in 0..NAMES {
            match send(shared, wanted, &seen, before.writes, name).await {
                // The answer of an earlier write of the same name; if that is not so any more, this is another one.
                Ok(true) => {
                    seen = look(shared, wanted).await?;
                    if seen.there && seen.fields.is_empty() {
                        break;
                    }
                }
                Ok(false) => break,
                Err(error) => {
                    if is_over(&error) {
                        let left = DeploymentRecord { writes: before.writes + 1, ..before.clone() };
                        match left.applied {
                            Some(_) => shared.deployments.set(&*shared.store, &incarnation, left).await?,
                            None => shared.deployments.drop(&*shared.store, &incarnation, &left.target).await?,
                        }
                    }
                    return Err(error);
                }
            }
        }
        let done = DeploymentRecord { writes: before.writes + 1, ..as_applied };
        remember(shared, &seen, wanted, done).await?;
        Ok((seen, sentence.clone()))
    };
    let seen =
        shared.act(EventKind::DeploymentApplied, About::integration(&wanted.orchestrator), &sentence, work).await?;
    Ok((Some(change(wanted, there, fields)), seen))
}

/// Remembers one that is as it is to be, under no other name than the one that it has now.
async fn remember(shared: &Shared, seen: &Look, wanted: &DesiredDeployment, record: DeploymentRecord) -> Result<()> {
    let said = seen.form.said(wanted);
    let names_it = |block: &DesiredDeployment| seen.form.said(block) == said;
    shared.deployments.replace(&*shared.store, &seen.integration.record.incarnation, record, &names_it).await
}

/// Whether a write that failed came to an end. Where nobody knows what came of it, or it still runs, the next attempt must be
/// the same write.
pub(super) fn is_over(error: &Error) -> bool {
    error.kind != ErrorKind::OutcomeUnknown && error.code.as_deref() != Some("write-in-progress")
}

/// Has a deployment written; whether that had been done before.
async fn send(shared: &Shared, wanted: &DesiredDeployment, seen: &Look, writes: u64, name: u32) -> Result<bool> {
    let key = key(&json!(["apply", seen.target, seen.spec, seen.precondition, writes, name]));
    let (apply, params) = seen.form.ask_apply(&seen.spec, &json!({"precondition": seen.precondition}));
    let sent = call(shared, wanted, &seen.form.capability, &apply.name, &params, Some(key)).await;
    sent.map(|(_, replayed)| replayed).map_err(|error| {
        let field = error.field.as_deref().map(|field| seen.form.place(wanted, field));
        Error { field, ..error }
    })
}

/// The key that a write has, of whatever it is about.
pub(super) fn key(about: &Value) -> String {
    let digits = Digest::of(about.to_string().as_bytes()).hex();
    format!("deployment-{}", digits.get(..40).unwrap_or(&digits))
}
