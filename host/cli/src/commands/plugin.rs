//! `jackfield plugin`: install, inspect, list, show, remove; packing is in [`super::pack`], publishing in
//! [`super::publish`], what is outdated in [`super::outdated`], what has to do with lock files in [`super::lock`].

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use http::{Method, StatusCode};
use serde_json::json;

use super::{
    Context, every,
    lock::{self, LockFile},
    outdated, pack,
    place::Arrival,
    plugin_views as views, publish,
};
use crate::{
    api::{Query, Request, segment},
    args::{Format, InstallArgs, PluginVerb},
    failure::Failure,
    output::{Tree, printable, printable_lines},
};

pub(super) async fn run(context: &Context, verb: PluginVerb) -> Result<(), Failure> {
    match verb {
        PluginVerb::Install(args) => install(context, args).await,
        PluginVerb::Lock { file } => lock::write(context, file).await,
        PluginVerb::Inspect(args) => {
            let request = Arrival::read(&args.place, &args.vouching, Some(&args.choosing))?.dry_run(None)?;
            context.show(request, |plan| views::plan(plan, context.ui.style)).await
        }
        PluginVerb::List(page) => {
            let mut query = Query::default();
            query.add_some("limit", page.limit);
            query.add_some("cursor", page.cursor);
            let request = Request::get(format!("/v1/plugins{}", query.as_str()));
            context.show_page(request, |items| views::list(items, context.ui.style)).await
        }
        PluginVerb::Show { name, readme: true, .. } => text(context, &name, "readme").await,
        PluginVerb::Show { name, license: true, .. } => text(context, &name, "license").await,
        PluginVerb::Show { name, sbom: true, .. } => sbom(context, &name).await,
        PluginVerb::Show { name, .. } => {
            let request = Request::get(format!("/v1/plugins/{}", segment(&name)));
            context.show(request, |plugin| views::show(plugin, context.ui.style)).await
        }
        PluginVerb::Outdated => outdated::run(context).await,
        PluginVerb::Pin { name, version } => {
            let address = format!("/v1/plugins/{}/pin", segment(&name));
            let request = Request::new(Method::PUT, address).json(&json!({ "version": version }))?;
            context.show(request, |plugin| format!("pinned {}\n", printable(plugin.text("id")))).await
        }
        PluginVerb::Unpin { name } => {
            let request = Request::new(Method::DELETE, format!("/v1/plugins/{}/pin", segment(&name)));
            context.show(request, |_| format!("{} is not pinned\n", printable(&name))).await
        }
        PluginVerb::Upgrade { name, dry_run } => every::upgrade(context, &name, dry_run).await,
        PluginVerb::Rollback { name, dry_run } => every::roll_back(context, &name, dry_run).await,
        PluginVerb::Remove { name } => {
            let request = Request::new(Method::DELETE, format!("/v1/plugins/{}", segment(&name)));
            context.show(request, |_| format!("removed plugin {}\n", printable(&name))).await
        }
        PluginVerb::Pack(args) => pack::run(context, &args),
        PluginVerb::Push(args) => publish::push(context, &args).await,
        PluginVerb::Pull { place, file } => publish::pull(context, &place, file).await,
        PluginVerb::Sign(args) => publish::sign(context, &args).await,
        PluginVerb::Verify(args) => publish::verify(context, &args).await,
        PluginVerb::Keygen { name } => publish::keygen(context, &name),
    }
}

/// Prints a text that a plugin's author gave along. It is text in every format.
async fn text(context: &Context, name: &str, which: &str) -> Result<(), Failure> {
    context.ui.print(&shown(&given_along(context, name, which).await?))
}

async fn sbom(context: &Context, name: &str) -> Result<(), Failure> {
    let body = given_along(context, name, "sbom").await?;
    match context.ui.format {
        // It is not taken apart for that: some lists are JSON by the letter and hold what few readers do.
        Format::Table => context.ui.print(&shown(&body)),
        _ => context.ui.answer(&body, |_| String::new()),
    }
}

async fn given_along(context: &Context, name: &str, which: &str) -> Result<bytes::Bytes, Failure> {
    let request = Request::get(format!("/v1/plugins/{}/{which}", segment(name)));
    Ok(context.with(async |api| api.request(request).await).await?.body)
}

/// A stranger's text as a terminal may have it, up to the end of a line.
fn shown(text: &[u8]) -> String {
    // Ends of lines as some systems write them are no attempt at anything.
    let text = String::from_utf8_lossy(text).replace("\r\n", "\n");
    let mut shown = printable_lines(&text).into_owned();
    if !shown.is_empty() && !shown.ends_with('\n') {
        shown.push('\n');
    }
    shown
}

async fn install(context: &Context, args: InstallArgs) -> Result<(), Failure> {
    // Without one `--locked` is there: the command line says so.
    let Some(place) = args.place.as_deref().filter(|_| !args.lock.locked) else {
        return lock::install(context, &args).await;
    };
    let lock = LockFile::that_records(&args.lock)?;
    let arrival = Arrival::read(place, &args.vouching, Some(&args.choosing))?;
    let (answer, behind) = context
        .with(async |api| {
            if let Some(choice) = arrival.choice() {
                let chosen = api.request(choice).await?;
                views::chosen(&serde_json::from_slice(&chosen.body).unwrap_or(Tree::Null))
                    .iter()
                    .for_each(|line| context.ui.note(line));
            }
            let (mut accept, mut digest) = (args.accept, None);
            if accept.is_none() && place != "-" && may_ask() {
                let plan = api.request(arrival.dry_run(None)?).await?;
                let plan = serde_json::from_slice(&plan.body).unwrap_or(Tree::Null);
                accept = ask_if_possible(context, &plan)?;
                // What is installed is what was looked at, whatever is there by then.
                digest = Some(plan.text("digest").to_owned()).filter(|digest| !digest.is_empty());
            }
            let answer = api.request(arrival.install(accept.as_deref(), digest.as_deref())?).await?;
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
    if let Some(lock) = lock {
        lock.record(context, place, &answer.body)?;
    }
    if let Some(next) = next {
        context.ui.note(&next);
    }
    if !behind.is_empty() {
        context.ui.note(&outdated::hint(&behind));
    }
    Ok(())
}

/// Whether there is somebody to ask.
fn may_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks whether what a plugin asks for is accepted, where it asks for something and there is somebody to ask. Returns what
/// says so.
pub(super) fn ask_if_possible(context: &Context, plan: &Tree) -> Result<Option<String>, Failure> {
    let accept = plan.text("accept");
    // Who is refused anyhow is not asked first.
    if plan.list("new-rights").is_empty() || !plan.text("refused").is_empty() || !may_ask() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_is_shown_and_not_obeyed() {
        assert_eq!(shown(b"# Echo\r\n\tone\x1b]0;title\x07"), "# Echo\n\tone\\u{1b}]0;title\\u{7}\n");
        assert_eq!(shown("a\u{9b}2J\u{202e}\rb\n\u{fffd}\n".as_bytes()), "a\\u{9b}2J\\u{202e}\\rb\n\u{fffd}\n");
        assert_eq!(shown(b"\xff"), "\u{fffd}\n");
        assert_eq!(shown(b""), "");
    }
}
