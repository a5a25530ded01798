//! `jackfield plugin`: install, inspect, list, show, remove; packing is in [`super::pack`], what is outdated in [`super::outdated`].

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::Path,
};

use http::{Method, StatusCode};

use super::{Context, outdated, pack, plugin_views as views, read_stdin};
use crate::{
    api::{Query, Request, segment},
    args::PluginVerb,
    failure::Failure,
    output::{Tree, printable},
};

pub(super) async fn run(context: &Context, verb: PluginVerb) -> Result<(), Failure> {
    match verb {
        PluginVerb::Install { file, accept } => install(context, &file, accept).await,
        PluginVerb::Inspect { file } => {
            let request = dry_run(read(&file)?);
            context.show(request, |plan| views::plan(plan, context.ui.style)).await
        }
        PluginVerb::List(page) => {
            let mut query = Query::default();
            query.add_some("limit", page.limit);
            query.add_some("cursor", page.cursor);
            let request = Request::get(format!("/v1/plugins{}", query.as_str()));
            context.show_page(request, |items| views::list(items, context.ui.style)).await
        }
        PluginVerb::Show { name } => {
            let request = Request::get(format!("/v1/plugins/{}", segment(&name)));
            context.show(request, |plugin| views::show(plugin, context.ui.style)).await
        }
        PluginVerb::Outdated => outdated::run(context).await,
        PluginVerb::Remove { name } => {
            let request = Request::new(Method::DELETE, format!("/v1/plugins/{}", segment(&name)));
            context.show(request, |_| format!("removed plugin {}\n", printable(&name))).await
        }
        PluginVerb::Pack(args) => pack::run(context, &args),
    }
}

async fn install(context: &Context, file: &Path, accept: Option<String>) -> Result<(), Failure> {
    let bytes = read(file)?;
    let (answer, behind) = context
        .with(async |api| {
            let accept = match accept {
                None if file != Path::new("-") && may_ask() => {
                    let plan = api.request(dry_run(bytes.clone())).await?;
                    ask_if_possible(context, &serde_json::from_slice(&plan.body).unwrap_or(Tree::Null))?
                }
                given => given,
            };
            let answer = api.request(upload(accept, bytes)).await?;
            // It is installed: whatever comes of looking who could run with it, that is no failure.
            let behind = match answer.status {
                StatusCode::CREATED => outdated::behind(api, &answer.body).await.unwrap_or_default(),
                _ => Vec::new(),
            };
            Ok((answer, behind))
        })
        .await?;
    let new = answer.status == StatusCode::CREATED;
    let mut next = None;
    context.ui.answer(&answer.body, |plugin| {
        if new && behind.is_empty() {
            next = Some(views::how_to_go_on(plugin));
        }
        views::installed(plugin, new)
    })?;
    if let Some(next) = next {
        context.ui.note(&next);
    }
    if !behind.is_empty() {
        context.ui.note(&outdated::hint(&behind));
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = if file == Path::new("-") { read_stdin() } else { std::fs::read(file) };
    bytes.map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", file.display())))
}

/// What installs a plugin's file, with what says that what it asks for is accepted.
pub(super) fn upload(accept: Option<String>, bytes: Vec<u8>) -> Request {
    let mut query = Query::default();
    query.add_some("accept", accept);
    send(&query, bytes)
}

/// What asks what installing a file would do.
pub(super) fn dry_run(bytes: Vec<u8>) -> Request {
    let mut query = Query::default();
    query.add("dry-run", "true");
    send(&query, bytes)
}

fn send(query: &Query, bytes: Vec<u8>) -> Request {
    Request::new(Method::POST, format!("/v1/plugins{}", query.as_str())).body("application/wasm", bytes)
}

/// Whether there is somebody to ask.
fn may_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks whether what a plugin asks for is accepted, where it asks for something and there is somebody to ask. Returns what
/// says so.
pub(super) fn ask_if_possible(context: &Context, plan: &Tree) -> Result<Option<String>, Failure> {
    let accept = plan.text("accept");
    if plan.list("new-rights").is_empty() || !may_ask() {
        return Ok(None);
    }
    context.ui.say(&views::plan(plan, context.ui.style));
    let asked = |error: std::io::Error| Failure::Failed(format!("you cannot be asked whether to install it: {error}"));
    let mut terminal = std::io::stderr().lock();
    write!(terminal, "Install it, and accept that? [y/N] ").and_then(|()| terminal.flush()).map_err(asked)?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(asked)?;
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(Some(accept.to_owned())),
        _ => Err(Failure::Failed("nothing was installed: what it asks for was not accepted".to_owned())),
    }
}
