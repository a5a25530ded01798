//! `jackfield registry` and `jackfield advisories`: what the host knows of registries. Making an index and copying one is in
//! [`super::index`].

use http::{Method, StatusCode};
use serde_json::json;

use super::{Context, index, place, publish};
use crate::{
    api::{Query, Request, segment},
    args::{AddRegistryArgs, AdvisoriesArgs, IndexSignerArgs, RegistryVerb},
    failure::Failure,
    output::{Cell, Colour, Style, Table, Tree, printable, rfc3339_of},
};

pub(super) async fn run(context: &Context, verb: RegistryVerb) -> Result<(), Failure> {
    match verb {
        RegistryVerb::Add(args) => add(context, &args).await,
        RegistryVerb::List => context.show(Request::get("/v1/registries"), |all| list(all, context.ui.style)).await,
        RegistryVerb::Show { name } => context.show(Request::get(of(&name)), show).await,
        RegistryVerb::Remove { name } => {
            let request = Request::new(Method::DELETE, of(&name));
            context.show(request, |_| format!("removed registry {}\n", printable(&name))).await
        }
        RegistryVerb::Sync { name } => sync(context, name).await,
        RegistryVerb::Search { words } => {
            let mut query = Query::default();
            query.add("query", &words.join(" "));
            let request = Request::get(format!("/v1/search{}", query.as_str()));
            context.show(request, |all| found(all, context.ui.style)).await
        }
        RegistryVerb::Mirror(args) => index::mirror(context, &args).await,
        RegistryVerb::Build(args) => index::build(context, &args),
    }
}

fn of(name: &str) -> String {
    format!("/v1/registries/{}", segment(name))
}

/// Who signs an index, as the API has it.
pub(super) fn signers(args: &IndexSignerArgs) -> Result<Vec<serde_json::Value>, Failure> {
    let key = |file: &std::path::PathBuf| {
        let pem = String::from_utf8_lossy(&place::file(file)?).into_owned();
        publish::public_key(&pem, file).map(|_| json!({"key": pem}))
    };
    let mut all = args.key.iter().map(key).collect::<Result<Vec<_>, _>>()?;
    if let (Some(issuer), Some(subject)) = (&args.issuer, &args.subject) {
        all.push(json!({"issuer": issuer, "subject": subject}));
    }
    Ok(all)
}

/// The address of an index: a folder is named from here, where that is where the host runs too.
pub(super) fn from_here(address: &str) -> String {
    match std::fs::canonicalize(address) {
        Ok(folder) if folder.is_dir() && !address.contains("://") => folder.display().to_string(),
        _ => address.to_owned(),
    }
}

async fn add(context: &Context, args: &AddRegistryArgs) -> Result<(), Failure> {
    let body = json!({
        "address": from_here(&args.address),
        "signer": signers(&args.signers)?,
        "unsigned": if args.signers.allow_unsigned { "allow" } else { "refuse" },
        "position": args.position,
    });
    let request = Request::new(Method::PUT, of(&args.name)).json(&body)?;
    let answer = context.with(async |api| api.request(request).await).await?;
    let did = if answer.status == StatusCode::CREATED { "added" } else { "changed" };
    context.ui.answer(&answer.body, |registry| format!("{did} registry {}\n", told(registry)))
}

async fn sync(context: &Context, name: Option<String>) -> Result<(), Failure> {
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    context
        .with(async |api| {
            let names = match &name {
                Some(name) => vec![name.clone()],
                None => {
                    let all = api.request(Request::get("/v1/registries")).await?;
                    let all: Tree = serde_json::from_slice(&all.body).unwrap_or(Tree::Null);
                    all.list("items").iter().map(|registry| registry.text("name").to_owned()).collect()
                }
            };
            for name in names {
                let request = Request::new(Method::POST, format!("{}/sync", of(&name))).json(&json!({}))?;
                match api.request(request).await {
                    Ok(answer) => answers.push(answer.body),
                    // One that cannot be had does not hold up the others.
                    Err(failure) => failures.push(super::lock::about(failure, &format!("registry `{name}`: "))),
                }
            }
            Ok(())
        })
        .await?;
    let items = answers.iter().map(|body| serde_json::from_slice::<serde_json::Value>(body));
    let items = items.collect::<Result<Vec<_>, _>>();
    let items = items.map_err(|error| Failure::Failed(format!("an answer is not JSON: {error}")))?;
    if name.is_none() || !items.is_empty() {
        let none = items.is_empty() && failures.is_empty();
        context.ui.answer(json!({"items": items}).to_string().as_bytes(), |all| {
            let lines = all.list("items").iter().map(|registry| format!("synced {}\n", told(registry)));
            if none { NONE.to_owned() } else { lines.collect() }
        })?;
    }
    let Some(last) = failures.pop() else { return Ok(()) };
    failures.iter().for_each(|failure| context.ui.failure(failure));
    Err(last)
}

/// What is said where there is no registry.
const NONE: &str = "(no registries; add one with `jackfield registry add`)\n";

/// A registry in a line.
fn told(registry: &Tree) -> String {
    let name = printable(registry.text("name")).into_owned();
    let Some(index) = registry.get("index") else { return name };
    let count = |member: &str| index.number(member).unwrap_or_default();
    format!(
        "{name}: {} plugins, {} advisories, serial {}, expires {}",
        count("plugins"),
        count("advisories"),
        count("serial"),
        printable(index.text("expires"))
    )
}

fn list(all: &Tree, style: Style) -> String {
    let mut table = Table::new(["name", "address", "plugins", "serial", "synced", "expires"]);
    let null = Tree::Null;
    for registry in all.list("items") {
        let index = registry.get("index").unwrap_or(&null);
        let number = |member: &str| index.number(member).map(|number| number.to_string()).unwrap_or_default();
        let expired = matches!(index.get("expired"), Some(Tree::Bool(true)));
        table.row([
            Cell::from(registry.text("name")),
            Cell::from(registry.text("address")),
            Cell::from(number("plugins")),
            Cell::from(number("serial")),
            Cell::from(rfc3339_of(registry, "synced-at")),
            Cell::from(index.text("expires")).coloured(expired.then_some(Colour::Bad)),
        ]);
    }
    if table.is_empty() { NONE.into() } else { table.render(style) }
}

fn show(registry: &Tree) -> String {
    let mut facts = Table::plain();
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            facts.row([Cell::from(name), Cell::from(value)]);
        }
    };
    fact("name", registry.text("name"));
    fact("address", registry.text("address"));
    fact("position", &registry.number("position").map(|at| at.to_string()).unwrap_or_default());
    let may: Vec<String> = registry.list("signer").iter().map(super::trust::signer).collect();
    fact("may be signed by", &may.join(", "));
    fact("unsigned", registry.text("unsigned"));
    fact("signed by", &super::plugin_views::signer_of(registry.get("signed-by")));
    fact("synced", &rfc3339_of(registry, "synced-at"));
    if let Some(index) = registry.get("index") {
        fact("index", index.text("name"));
        fact("description", index.text("description"));
        for member in ["serial", "plugins", "advisories"] {
            fact(member, &index.number(member).unwrap_or_default().to_string());
        }
        fact("published", index.text("published"));
        fact("expires", index.text("expires"));
    }
    facts.render(Style::default())
}

fn found(all: &Tree, style: Style) -> String {
    let mut table = Table::new(["plugin", "newest", "installed", "description"]);
    for plugin in all.list("items") {
        let name = match plugin.text("hidden-by") {
            "" => plugin.text("name").to_owned(),
            // By its name alone another one is meant.
            _ => format!("{}/{}", plugin.text("registry"), plugin.text("name")),
        };
        let deprecated = matches!(plugin.get("deprecated"), Some(Tree::Bool(true)));
        let description = plugin.text("description");
        let description = if deprecated { format!("(deprecated) {description}") } else { description.to_owned() };
        table.row([
            Cell::from(name),
            Cell::from(plugin.text("newest")),
            Cell::from(plugin.texts("installed")),
            Cell::from(description),
        ]);
    }
    if table.is_empty() {
        return "(nothing was found in what is known of registries; `jackfield registry sync` brings that up to date)\n"
            .into();
    }
    table.render(style)
}

/// `jackfield advisories`.
pub(super) async fn advisories(context: &Context, args: &AdvisoriesArgs) -> Result<(), Failure> {
    let answer = context.with(async |api| api.request(Request::get("/v1/advisories")).await).await?;
    context.ui.answer(&answer.body, |all| faults(all, context.ui.style))?;
    let all: Tree = serde_json::from_slice(&answer.body).unwrap_or(Tree::Null);
    if args.exit_code && !all.list("items").is_empty() { Err(Failure::Told) } else { Ok(()) }
}

fn faults(all: &Tree, style: Style) -> String {
    let mut table = Table::new(["severity", "id", "in", "version", "fixed in", "runs in", "what"]);
    for known in all.list("items") {
        let subject = known.text("subject");
        let colour = matches!(known.get("refused"), Some(Tree::Bool(true))).then_some(Colour::Bad);
        let fixed = Some(known.text("fixed")).filter(|fixed| !fixed.is_empty()).unwrap_or("not yet");
        table.row([
            Cell::from(known.text("severity")).coloured(colour),
            Cell::from(known.text("id")),
            Cell::from(subject.strip_prefix("plugin:").unwrap_or(subject)),
            Cell::from(known.text("version")),
            Cell::from(fixed),
            Cell::from(known.texts("integrations")),
            Cell::from(known.text("title")),
        ]);
    }
    if table.is_empty() {
        return "(nothing is known to be wrong with what is here; what is known is as old as `jackfield registry list` says)\n".into();
    }
    table.render(style)
}
