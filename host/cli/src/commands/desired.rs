//! `jackfield apply` and `jackfield export`. Files of plugins are read here, and installed once everything was tried; the rest
//! is the host's.

use http::Method;
use serde_json::{Value, json};

use jackfield_core::Place;

use super::{
    Context,
    lock::{LockFile, Told},
    place::Arrival,
    plugin,
};
use crate::{
    api::{Api, Request, Response, segment},
    args::{ApplyArgs, VouchingArgs},
    documents::{self, Document},
    failure::Failure,
    output::{Cell, Style, Table, Tree, cell},
};

pub(super) async fn apply(context: &Context, args: ApplyArgs) -> Result<(), Failure> {
    let mut documents = documents::read(&args.files)?;
    documents::name_deployments(&mut documents);
    let holds = args.lock.locked.then(|| LockFile::that_holds(&args.lock)).transpose()?;
    let records = if holds.is_some() { None } else { LockFile::that_records(&args.lock)? };
    let mut refused = false;
    let answer = context
        .with(async |api| {
            // Everything is asked and tried before anything is installed.
            let mut search =
                Search { context, api, args: &args, holds: holds.as_ref(), differs: Vec::new(), other_trust: false };
            let policies = other_policies(api, &documents, &args).await?;
            search.other_trust = !policies.is_empty();
            let mut missing = Vec::new();
            for document in &documents {
                for plugin in document.plugins() {
                    let found = search.find(document, plugin).await?;
                    refused |= found.as_ref().is_some_and(|missing| missing.refused);
                    missing.extend(found);
                }
                for integration in document.integrations() {
                    search.judge_integration(document, integration).await?;
                }
            }
            if let Some(lock) = holds.as_ref().filter(|_| !search.differs.is_empty()) {
                return Err(lock.refuse("nothing was changed", &search.differs));
            }
            for Missing { id, place, .. } in &missing {
                documents.iter_mut().for_each(|document| document.fill_source(id, place));
            }
            let tried = send(api, &documents, &args, true).await?;
            if args.dry_run {
                return Ok(tried);
            }
            if !policies.is_empty() {
                // As late as it can be: what is installed is judged by it.
                send_with(api, &policies, false, false).await?;
                context.ui.note("set the trust policy");
                search.judge_again(&missing).await?;
            }
            for Missing { id, accept, arrival, place, digest, .. } in missing {
                let answer = api.request(arrival.install(accept.as_deref(), Some(&digest))?).await?;
                context.ui.note(&format!("installed {id}"));
                if let Some(lock) = &records {
                    lock.record(context, &place, &answer.body)?;
                }
            }
            send(api, &documents, &args, false).await
        })
        .await?;
    context.ui.answer(&answer.body, |applied| show(applied, context.ui.style))?;
    let applied: Tree = serde_json::from_slice(&answer.body).unwrap_or(Tree::Null);
    let failed = applied.list("failed");
    for failure in failed {
        context.ui.say(&format!("failed: {}", documents::told(failure.text("message"), &documents)));
    }
    let differs = args.exit_code && !applied.list("changes").is_empty();
    if refused || differs || !failed.is_empty() { Err(Failure::Told) } else { Ok(()) }
}

/// The trust policy that documents have, where it is another than there is and plugins are to be judged by it. It is set once
/// everything else was found and tried, and before anything is installed.
async fn other_policies(api: &Api, documents: &[Document], args: &ApplyArgs) -> Result<Vec<Document>, Failure> {
    let policies: Vec<Document> = documents.iter().filter_map(Document::trust).collect();
    if policies.is_empty() || documents.iter().all(|document| document.plugins().is_empty()) {
        return Ok(Vec::new());
    }
    let tried: Tree = serde_json::from_slice(&send(api, &policies, args, true).await?.body).unwrap_or(Tree::Null);
    Ok(if tried.list("changes").is_empty() { Vec::new() } else { policies })
}

async fn send(api: &Api, documents: &[Document], args: &ApplyArgs, dry_run: bool) -> Result<Response, Failure> {
    send_with(api, documents, args.prune, dry_run).await
}

async fn send_with(api: &Api, documents: &[Document], prune: bool, dry_run: bool) -> Result<Response, Failure> {
    let values: Vec<&Value> = documents.iter().map(|document| &document.value).collect();
    let wanted = json!({"documents": values, "dry-run": dry_run, "prune": prune});
    let request = Request::new(Method::POST, "/v1/apply").json(&wanted)?;
    api.request(request).await.map_err(|failure| documents::placed(failure, documents))
}

/// A plugin that is wanted and not installed, and that may be.
struct Missing {
    id: String,
    accept: Option<String>,
    arrival: Arrival,
    place: String,
    /// The file that was looked at.
    digest: String,
    /// It would not be installed: what it asks for is not accepted.
    refused: bool,
}

/// Finds what documents name, and judges it by the lock where one must hold.
struct Search<'a> {
    context: &'a Context,
    api: &'a Api,
    args: &'a ApplyArgs,
    holds: Option<&'a LockFile>,
    /// What is not as it is locked, a line each.
    differs: Vec<String>,
    /// The documents set another trust policy than the one that plugins are judged by now: what that says of them is not known
    /// before it is set.
    other_trust: bool,
}

impl Search<'_> {
    /// What the host has under an address, if it has something there.
    async fn installed(&self, address: String) -> Result<Option<Response>, Failure> {
        match self.api.request(Request::get(address)).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Failure::Api(problem)) if problem.parts.kind == "not-found" => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Holds what is installed against the lock.
    fn judge(&mut self, installed: &Response) -> Result<(), Failure> {
        let Some(lock) = self.holds else { return Ok(()) };
        let told = Told::read(&installed.body)?;
        // Where a file lay that was handed over, the host does not know.
        let place = told.pinned.clone().unwrap_or_else(|| "-".to_owned());
        self.differs.extend(lock.compare(told, &place, None)?.1);
        Ok(())
    }

    /// Holds the plugin that an integration runs with, or is to run with, against the lock.
    async fn judge_integration(&mut self, document: &Document, wanted: &Value) -> Result<(), Failure> {
        let Some(lock) = self.holds else { return Ok(()) };
        let text = |name: &str| wanted.get(name).and_then(Value::as_str);
        let Some(name) = text("name") else { return Ok(()) };
        let plugin = text("plugin").unwrap_or(name);
        if lock.lock.versions(plugin).next().is_none() {
            self.differs.push(format!("{}: `{plugin}` of integration `{name}` is not in it", document.place()));
            return Ok(());
        }
        let mut id = plugin.to_owned();
        if let Some(version) = text("version") {
            id = format!("{plugin}@{version}");
        } else if let Some(there) = self.installed(format!("/v1/integrations/{}", segment(name))).await? {
            let there: Tree = serde_json::from_slice(&there.body).unwrap_or(Tree::Null);
            id = format!("{plugin}@{}", there.text("plugin-version"));
        }
        match self.installed(format!("/v1/plugins/{}", segment(&id))).await? {
            Some(installed) => self.judge(&installed),
            // It is one of those that documents want installed, or the host refuses the integration.
            None => Ok(()),
        }
    }

    /// Has the trust policy that is set now judge what was found under another one, all of it before any of it is installed.
    async fn judge_again(&mut self, missing: &[Missing]) -> Result<(), Failure> {
        let mut refused = None;
        for Missing { id, arrival, place, digest, .. } in missing {
            let answer = self.api.request(arrival.dry_run(Some(digest))?).await?;
            let told = Told::read(&answer.body)?;
            if let Some(lock) = self.holds {
                self.differs.extend(lock.compare(told, place, None)?.1);
            } else if let Some(why) = told.refused {
                refused.get_or_insert_with(|| format!("plugin `{id}`: {why}"));
            }
        }
        let outcome = "the trust policy was set, and nothing else was changed";
        match (self.holds, refused) {
            (Some(lock), _) if !self.differs.is_empty() => Err(lock.refuse(outcome, &self.differs)),
            (_, Some(refused)) => Err(Failure::Failed(format!("{refused}\n({outcome})"))),
            _ => Ok(()),
        }
    }

    /// Finds the file of a plugin that is wanted and is not there, if its document or the lock says where it is, and has it
    /// accepted.
    async fn find(&mut self, document: &Document, wanted: &Value) -> Result<Option<Missing>, Failure> {
        let text = |name: &str| wanted.get(name).and_then(Value::as_str);
        let (Some(name), Some(version)) = (text("name"), text("version")) else { return Ok(None) };
        let id = format!("{name}@{version}");
        if let Some(installed) = self.installed(format!("/v1/plugins/{}", segment(&id))).await? {
            return self.judge(&installed).map(|()| None);
        }
        let locked = self.holds.and_then(|lock| Some((lock, lock.lock.get(name, &version.parse().ok()?)?)));
        if self.holds.is_some() && locked.is_none() {
            self.differs.push(format!("`{id}` is not in it"));
            return Ok(None);
        }
        let place = match (text("source"), locked) {
            (Some(source), _) if Place::is_meant(source) => source.to_owned(),
            (Some(source), _) => document.resolve(source).display().to_string(),
            (None, Some((lock, entry))) => lock.place(entry)?,
            (None, None) => return Ok(None),
        };
        let wrong = |what: String| Failure::Usage(format!("{}: plugin `{id}`: {what}", document.place()));
        // Not the command line's fault, but what there is.
        let failed = |what: String| Failure::Failed(format!("{}: plugin `{id}`: {what}", document.place()));
        let vouching = VouchingArgs {
            allow_unsigned: self.args.allow_unsigned,
            allow_other_signer: self.args.allow_other_signer,
            signature: None,
            allow_advisories: Vec::new(),
        };
        let arrival = Arrival::read(&place, &vouching, None).map_err(|failure| match failure {
            Failure::Usage(reason) => wrong(reason),
            other => other,
        })?;
        let answer = self.api.request(arrival.dry_run(text("digest"))?).await?;
        let plan: Tree = serde_json::from_slice(&answer.body).unwrap_or(Tree::Null);
        if plan.text("id") != id {
            return Err(failed(format!("{place} holds `{}`", plan.text("id"))));
        }
        if let Some(digest) = text("digest").filter(|digest| *digest != plan.text("digest")) {
            return Err(failed(format!("{place} is {}, not {digest}", plan.text("digest"))));
        }
        let mut locked = None;
        if let Some(lock) = self.holds {
            let mut told = Told::read(&answer.body)?;
            told.unjudged = self.other_trust;
            let (entry, lines) = lock.compare(told, &place, None)?;
            if !lines.is_empty() {
                self.differs.extend(lines);
                return Ok(None);
            }
            locked = entry.and_then(|entry| entry.accept.clone());
        }
        if !plan.text("refused").is_empty() {
            let told = failed(plan.text("refused").to_owned());
            if !self.other_trust {
                return Err(told);
            }
            // Only once the policy is set it is known what becomes of the plugin.
            if self.args.dry_run {
                told.lines().iter().for_each(|(_, line)| self.context.ui.say(line));
                self.context
                    .ui
                    .say("that is the trust policy that is set now; applied, the documents set another one first");
            }
        }
        let asked_for = if plan.list("new-rights").is_empty() { "" } else { plan.text("accept") };
        let accept = match text("accept").map(str::to_owned).or(locked) {
            Some(accept) => Some(accept),
            None if self.args.dry_run => None,
            None => plugin::ask_if_possible(self.context, &plan)?,
        };
        let refused = !asked_for.is_empty() && accept.as_deref() != Some(asked_for);
        if refused {
            let lines = plan.list("new-rights").iter().map(|right| format!("\n  - {right}"));
            let what = format!("it asks for what nobody accepted:{}", lines.collect::<String>());
            let told = failed(format!("{what}\nTo accept that, and nothing else, write `accept: {asked_for}`"));
            if !self.args.dry_run {
                return Err(told);
            }
            told.lines().iter().for_each(|(_, line)| self.context.ui.say(line));
        }
        let digest = plan.text("digest").to_owned();
        Ok(Some(Missing { id, accept, arrival, place, digest, refused }))
    }
}

fn show(applied: &Tree, style: Style) -> String {
    let dry_run = matches!(applied.get("dry-run"), Some(Tree::Bool(true)));
    let mut table = Table::new(["change", "kind", "name", "field", "is", "to be"]);
    for change in applied.list("changes") {
        let begin = || [change.text("action"), change.text("kind"), change.text("name")].map(Cell::from);
        let [action, kind, name] = begin();
        let none = [Cell::from(""), Cell::from(""), Cell::from("")];
        let fields = change.list("fields");
        if fields.is_empty() {
            let [field, is, to] = none;
            table.row([action, kind, name, field, is, to]);
        }
        for field in fields {
            let [action, kind, name] = begin();
            let value = |name: &str| Cell::from(field.get(name).map(|value| cell(value, None)).unwrap_or_default());
            table.row([action, kind, name, Cell::from(field.text("field")), value("from"), value("to")]);
        }
    }
    let unchanged = applied.get("unchanged").map(ToString::to_string).unwrap_or_default();
    if table.is_empty() {
        return format!("nothing to change: {unchanged} as wanted\n");
    }
    let end = match dry_run {
        true => format!("\nnothing was changed; {unchanged} as wanted already\n"),
        false => format!("\n{unchanged} as wanted already\n"),
    };
    format!("{}{end}", table.render(style))
}

pub(super) async fn export(context: &Context) -> Result<(), Failure> {
    let answer = context.with(async |api| api.request(Request::get("/v1/export")).await).await?;
    let mut failed = None;
    context.ui.answer(&answer.body, |export| {
        let written: Result<Vec<String>, _> = export.list("documents").iter().map(serde_norway::to_string).collect();
        written.map(|documents| documents.join("---\n")).unwrap_or_else(|error| {
            failed = Some(Failure::Failed(format!("a document has no form in YAML: {error}")));
            String::new()
        })
    })?;
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_is_shown_field_by_field() {
        let applied: Tree = serde_json::from_str(
            r#"{"changes":[{"kind":"integration","name":"a","action":"update","fields":[{"field":"/config/url","from":"x","to":"y"}]},
            {"kind":"integration","name":"b","action":"add"}],"unchanged":3,"dry-run":true}"#,
        )
        .unwrap();
        let text = show(&applied, Style::default());
        assert!(text.contains("update  integration  a     /config/url  x   y\n"), "{text}");
        assert!(text.ends_with("nothing was changed; 3 as wanted already\n"), "{text}");
        let nothing: Tree = serde_json::from_str(r#"{"changes":[],"unchanged":2,"dry-run":false}"#).unwrap();
        assert_eq!(show(&nothing, Style::default()), "nothing to change: 2 as wanted\n");
    }
}
