//! Deployments: what is to run, routed to the orchestrator that a document names.
//!
//! What there is and what there would be the orchestrator says itself, by `get` and by `apply` with `dry-run`; where the two
//! are the same, nothing is sent. What differs is written through the journal, at the revision that was seen, under a key that
//! is made of the document: sent again after a crash it is the same write. An orchestrator that is down fails its own
//! deployments and nothing else.

mod form;
mod making;
mod pruning;
mod records;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{
    apply::{Applied, DesiredAction, DesiredFailure},
    difference::{FieldChange, between},
    documents::{Desired, DesiredDeployment},
};
use crate::{
    CallRequest, Error, ErrorKind, Result, calls,
    integrations::Integration,
    names::{self},
    plugins::Installed,
    shared::Shared,
    view::View,
};
use form::{Form, Params};
pub(crate) use records::{Deployments, prefix};

/// What a kind of change is called in what is told.
const KIND: &str = "deployment";

/// A deployment that is wanted.
pub(super) struct Planned<'a> {
    place: &'a str,
    wanted: DesiredDeployment,
    /// The integration is not there yet, or is to be another: only then it can be asked.
    waits: bool,
    seen: Option<Result<Look>>,
}

/// What was found of a deployment, and what it would be.
struct Look {
    form: Form,
    integration: Arc<Integration>,
    spec: Params,
    /// What names it, with what goes without saying.
    target: Params,
    there: bool,
    precondition: Value,
    fields: Vec<FieldChange>,
}

/// What is wanted as its orchestrator is called here, which has no `_`.
fn orchestrator(wanted: &DesiredDeployment) -> String {
    wanted.orchestrator.replace('_', "-")
}

/// Judges deployments as far as that goes without asking anybody: whether there is such an orchestrator, and whether it takes
/// what is said.
pub(super) fn plan<'a>(
    view: &View,
    desired: &'a Desired,
    prune: bool,
    changing: &dyn Fn(&str) -> bool,
) -> Result<Vec<Planned<'a>>> {
    let mut planned = Vec::new();
    for (place, wanted) in &desired.deployments {
        let mut wanted = DesiredDeployment { orchestrator: orchestrator(wanted), ..wanted.clone() };
        if wanted.name.is_none() {
            wanted.name = wanted.config.get("name").and_then(Value::as_str).map(str::to_owned);
        }
        let found = plugin(view, desired, &wanted.orchestrator, prune);
        let judged = found.and_then(|plugin| match plugin.as_ref().and_then(|plugin| plugin.code.as_ref().ok()) {
            Some(code) => {
                let form = Form::of(&code.reflection).map_err(|error| {
                    let message = format!("the integration `{}`: {}", wanted.orchestrator, error.message);
                    Error { message, ..error }.at("/orchestrator")
                })?;
                form.spec(&wanted).map(drop)
            }
            None => Ok(()),
        });
        judged.map_err(|error| placed(error, place, &title(&wanted)))?;
        let waits = changing(&wanted.orchestrator);
        planned.push(Planned { place, wanted, waits, seen: None });
    }
    Ok(planned)
}

/// The plugin that an orchestrator runs with once all is as it is wanted; none where that is still to be installed.
fn plugin(view: &View, desired: &Desired, name: &str, prune: bool) -> Result<Option<Arc<Installed>>> {
    let there = view.integrations.get(name);
    let wanted = desired.integrations.iter().map(|(_, wanted)| wanted).find(|wanted| wanted.name == name);
    match (there, wanted) {
        (_, Some(wanted)) => {
            let now = there.map(|there| &there.record.plugin_version);
            let id = wanted.with_version(wanted.version.as_ref().or(now)).plugin;
            Ok(view.plugin(&id).ok().cloned())
        }
        (Some(_), None) if prune && !desired.integrations.is_empty() => {
            let message =
                format!("the integration `{name}` is in no document, so it would be pruned; write it down too");
            Err(Error::invalid(message).at("/orchestrator"))
        }
        (Some(there), None) => Ok(view.plugin_of(&there.record).ok().cloned()),
        (None, None) => {
            let wanted = desired.integrations.iter().map(|(_, wanted)| wanted.name.as_str());
            let known = view.integrations.keys().map(String::as_str).chain(wanted);
            let error = names::unknown("integration", name, known);
            let message = format!(
                "an orchestrator is an integration that offers the capability `orchestrator`: {} Add it (`jackfield \
                 integration add`), or write it down beside the deployment",
                error.message
            );
            Err(Error { message, ..error }.at("/orchestrator"))
        }
    }
}

/// Asks the orchestrators what there is and what would be. One that is down stops nobody; what one refuses is refused here.
/// One that is to be another can only be asked as it is, which is told in a dry run and binds nobody.
pub(super) async fn try_all(shared: &Shared, planned: &mut [Planned<'_>], dry_run: bool) -> Result<()> {
    for planned in planned {
        let there = shared.view.load().integrations.contains_key(&planned.wanted.orchestrator);
        if planned.waits && !(dry_run && there) {
            continue;
        }
        match look(shared, &planned.wanted).await {
            Err(error) if !planned.waits && !is_down(&error) => {
                return Err(placed(error, planned.place, &title(&planned.wanted)));
            }
            seen => planned.seen = Some(seen),
        }
    }
    Ok(())
}

/// What is told of deployments that were only tried.
pub(super) fn told(planned: Vec<Planned<'_>>, applied: &mut Applied) {
    for Planned { place, wanted, seen, .. } in planned {
        match seen {
            Some(Ok(look)) if look.there && look.fields.is_empty() => applied.unchanged += 1,
            Some(Ok(look)) => applied.changes.push(change(&wanted, look.there, look.fields)),
            Some(Err(error)) => applied.failed.push(failure(error, place, &wanted)),
            // Its orchestrator is still to come, so nothing is known of it.
            None => applied.changes.push(change(&wanted, false, Vec::new())),
        }
    }
}

fn change(wanted: &DesiredDeployment, there: bool, fields: Vec<FieldChange>) -> super::DesiredChange {
    let action = if there { DesiredAction::Update } else { DesiredAction::Add };
    let fields = if there { fields } else { Vec::new() };
    super::DesiredChange { kind: KIND, name: title(wanted), action, fields }
}

fn failure(error: Error, place: &str, wanted: &DesiredDeployment) -> DesiredFailure {
    let name = title(wanted);
    let error = placed(error, place, &name);
    DesiredFailure { kind: KIND, name, field: error.field, error: error.kind, message: error.message }
}

/// `ORCHESTRATOR/NAME`, with the namespace between them where one is said.
fn title(wanted: &DesiredDeployment) -> String {
    let namespace = wanted.config.get("namespace").and_then(Value::as_str).map(|namespace| format!("{namespace}/"));
    let name = wanted.name.as_deref().unwrap_or("?");
    format!("{}/{}{name}", wanted.orchestrator, namespace.unwrap_or_default())
}

/// An error that says which document it is about.
fn placed(error: Error, place: &str, name: &str) -> Error {
    let message = format!("{KIND} `{name}`: {}", error.message);
    Error { message, field: Some(format!("{place}{}", error.field.unwrap_or_default())), ..error }
}

/// Whether an orchestrator cannot be asked now, rather than saying no.
fn is_down(error: &Error) -> bool {
    !error.kind.says_no() || error.code.as_deref() == Some("integration-disabled")
}

/// What there is of a deployment, and what it would be.
async fn look(shared: &Shared, wanted: &DesiredDeployment) -> Result<Look> {
    let view = shared.view.load_full();
    let integration = view.integration(&wanted.orchestrator).map_err(|error| error.at("/orchestrator"))?.clone();
    // That it cannot run is no word of the orchestrator's.
    integration.running().map_err(|error| Error { kind: ErrorKind::Unavailable, ..error.clone() })?;
    let code = view.plugin_of(&integration.record)?.code.as_ref().map_err(Clone::clone)?;
    let form = Form::of(&code.reflection).map_err(|error| error.at("/orchestrator"))?;
    let spec = form.spec(wanted)?;
    let asked = |error: Error, into: &dyn Fn(&str) -> String| {
        let field = error.field.as_deref().map(|field| form.place(wanted, &into(field)));
        let message = match is_down(&error) {
            true => format!("its orchestrator `{}` cannot be asked: {}", wanted.orchestrator, error.message),
            false => error.message.clone(),
        };
        Error { field, message, ..error }
    };
    let (get, params) = form.ask_get(&form.target(&spec));
    let found = match call(shared, wanted, &form.capability, &get.name, &params, None).await {
        Ok((answer, _)) => Some(form.got(&answer)?),
        Err(error) if error.kind == ErrorKind::NotFound => None,
        // What `get` is asked stands in the record too, under the same names.
        Err(error) => return Err(asked(error, &|field| form.pointer_to(field))),
    };
    let (apply, params) = form.ask_apply(&spec, &json!({"dry-run": true}));
    let answer = call(shared, wanted, &form.capability, &apply.name, &params, None).await;
    let (answer, _) = answer.map_err(|error| asked(error, &str::to_owned))?;
    let to_be = form.applied(&answer)?;
    let target = match &to_be {
        Value::Object(members) => form.target(members),
        _ => form.target(&spec),
    };
    let (there, fields, precondition) = match found {
        None => (false, Vec::new(), json!({"absent": null})),
        Some((is, revision)) => {
            let fields = between(&is, &to_be).into_iter().map(|change| {
                let field = form.place(wanted, &form.pointer_to(&change.field));
                FieldChange { field, ..change }
            });
            let precondition = revision.map_or(json!({"present": null}), |revision| json!({ "revision": revision }));
            (true, fields.collect(), precondition)
        }
    };
    Ok(Look { integration, spec, target, there, precondition, fields, form })
}

/// Calls an operation of an orchestrator; its answer, and whether that is one that was given before.
async fn call(
    shared: &Shared,
    wanted: &DesiredDeployment,
    capability: &str,
    operation: &str,
    params: &Value,
    key: Option<String>,
) -> Result<(Value, bool)> {
    let request = CallRequest::new(&wanted.orchestrator, capability, operation, params.to_string());
    let answer = calls::call(shared, CallRequest { idempotency_key: key, ..request }).await?;
    let value = serde_json::from_slice(&answer.json).map_err(|error| calls::malformed(operation, &error))?;
    Ok((value, answer.replayed))
}

/// What was applied, as documents, by integration. Two records may be of blocks that name the same, where what goes without saying
/// is another by now: the later one counts, since no two documents may.
pub(super) fn export(shared: &Shared, view: &View) -> Vec<Value> {
    let of = |integration: &Arc<Integration>| {
        let mut latest: BTreeMap<String, (u64, DesiredDeployment)> = BTreeMap::new();
        for record in shared.deployments.of(&integration.record.incarnation) {
            let Some(applied) = record.applied else { continue };
            let name = title(&applied);
            if latest.get(&name).is_none_or(|(writes, _)| *writes < record.writes) {
                latest.insert(name, (record.writes, applied));
            }
        }
        let name = integration.name.to_string();
        let document = move |(_, applied)| {
            let deployment = DesiredDeployment { orchestrator: name.clone(), ..applied };
            json!({ "deployment": deployment })
        };
        latest.into_values().map(document).collect::<Vec<_>>()
    };
    view.integrations.values().flat_map(of).collect()
}

pub(super) use making::make;
pub(super) use pruning::{prunable, prune};
