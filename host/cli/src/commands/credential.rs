//! `jackfield credential`: set, list, show, promote, roll back, revoke, delete.

use std::{collections::BTreeMap, path::Path};

use http::Method;
use jackfield_core::{CredentialKind, Form, Secret, Source, Sources};
use serde_json::json;

use super::{Context, kubeconfig};
use crate::{
    api::{Query, Request, segment},
    args::{CredentialVerb, FieldArgs, Pair},
    failure::Failure,
    output::{Cell, Colour, Style, Table, Tree, printable, rfc3339_of},
    secret,
};

pub(super) async fn run(context: &Context, verb: CredentialVerb) -> Result<(), Failure> {
    let style = context.ui.style;
    let post = |name: &str, verb: &str| Request::new(Method::POST, format!("{}/{verb}", path(name)));
    let request = match verb {
        CredentialVerb::Set(args) => {
            let body = version(&args.new, "staged", args.staged)?;
            Request::new(Method::PUT, path(&args.new.name)).json(&body)?
        }
        CredentialVerb::Rotate(args) => {
            let body = version(&args.new, "revoke-old", args.revoke_old)?;
            let request = post(&args.new.name, "rotate").json(&body)?;
            return context.show(request, |rotation| rotated(rotation, args.revoke_old, style)).await;
        }
        CredentialVerb::List(page) => {
            let mut query = Query::default();
            query.add_some("limit", page.limit);
            query.add_some("cursor", page.cursor);
            let request = Request::get(format!("/v1/credentials{}", query.as_str()));
            return context.show_page(request, |items| list(items, style)).await;
        }
        CredentialVerb::Show { name } => Request::get(path(&name)),
        CredentialVerb::Promote { name, version } => post(&name, "promote").json(&json!({"version": version}))?,
        CredentialVerb::Rollback { name } => post(&name, "rollback"),
        CredentialVerb::Revoke { name, version } => post(&name, "revoke").json(&json!({"version": version}))?,
        CredentialVerb::Delete { name } => {
            let request = Request::new(Method::DELETE, path(&name));
            return context.show(request, |_| format!("deleted credential {}\n", printable(&name))).await;
        }
    };
    context.show(request, |credential| show(credential, style)).await
}

fn path(name: &str) -> String {
    format!("/v1/credentials/{}", segment(name))
}

/// A version, with one thing more that is said of it.
fn version(args: &FieldArgs, more: &str, is: bool) -> Result<serde_json::Value, Failure> {
    let kind = CredentialKind::parse(&args.kind)
        .ok_or_else(|| Failure::Usage(format!("there is no credential type `{}`", args.kind)))?;
    let sources = sources(&args.from)?;
    let fields = fields(kind, args, &sources)?;
    let mut texts = BTreeMap::new();
    for (name, value) in &fields {
        let text = value.expose_str().ok_or_else(|| Failure::Usage(format!("the field `{name}` is not UTF-8")))?;
        texts.insert(name, text);
    }
    let mut version = json!({"type": kind, "fields": texts, more: is});
    if !sources.is_empty() {
        version["sources"] = json!(sources);
    }
    Ok(version)
}

/// Where fields come from that are not given.
fn sources(from: &[Pair]) -> Result<Sources, Failure> {
    let one = |Pair { name, value }: &Pair| {
        let source = match value.split_once(':') {
            Some(("file", path)) => Source::File(path.into()),
            Some(("env", variable)) => Source::Env(variable.to_owned()),
            _ => {
                let message = format!("--from {name}: `{value}` is neither `file:PATH` nor `env:NAME`");
                return Err(Failure::Usage(message));
            }
        };
        Ok((name.clone(), source))
    };
    from.iter().map(one).collect()
}

fn rotated(rotation: &Tree, revoke_old: bool, style: Style) -> String {
    let verified = match rotation.texts("verified") {
        none if none.is_empty() => "not tried out".to_owned(),
        verified => format!("tried out by {verified}"),
    };
    let untested = match rotation.texts("untested") {
        none if none.is_empty() => String::new(),
        untested => format!("; nobody knows whether it works for {untested}, whose checks do not use it"),
    };
    let is = |name: &str| rotation.get(name).is_some_and(|value| value.to_string() == "true");
    let old = match (is("drained"), is("revoked")) {
        (_, true) => "the old version is revoked",
        (true, false) if revoke_old => "no call uses the old version any more, but it was NOT revoked",
        (true, false) => "no call uses the old version any more",
        (false, false) => "calls that began with the old version are still under way, so it was not revoked",
    };
    let credential = rotation.get("credential").map(|credential| show(credential, style)).unwrap_or_default();
    format!("{verified}{untested}; {old}\n\n{credential}")
}

/// Every field of the type: given, from a file, from standard input, or asked for.
fn fields(
    kind: CredentialKind,
    args: &FieldArgs,
    sources: &Sources,
) -> Result<BTreeMap<&'static str, Secret>, Failure> {
    let mut fields = BTreeMap::new();
    let known = |name: &str| {
        kind.fields().iter().find(|field| field.name == name).ok_or_else(|| {
            let names: Vec<_> = kind.fields().iter().map(|field| format!("`{}`", field.name)).collect();
            Failure::Usage(format!("a {kind} credential has no field `{name}`; it has {}", names.join(" and ")))
        })
    };
    for Pair { name, value } in &args.fields {
        let field = known(name)?;
        if field.secret {
            return Err(Failure::Usage(format!(
                "the field `{name}` is secret, and other programs can read a command line; leave it out to be asked for \
                 it, or use --file {name}=PATH or --stdin"
            )));
        }
        fields.insert(field.name, Secret::from(value.clone()));
    }
    let mut place = kubeconfig::Place::Input;
    for Pair { name, value } in &args.files {
        let field = known(name)?;
        let path = Path::new(value);
        let value = if (kind, field.name) == (CredentialKind::Kubeconfig, "config") {
            place = kubeconfig::Place::File(path);
            secret::from_long_file(path)?
        } else {
            secret::from_file(path, field.form != Form::Lines)?
        };
        fields.insert(field.name, value);
    }
    for name in sources.keys() {
        known(name)?;
    }
    let missing: Vec<_> = kind.missing(|name| fields.contains_key(name) || sources.contains_key(name)).collect();
    match (&missing[..], args.stdin) {
        ([field], true) => {
            fields.insert(field.name, secret::from_stdin(field.form != Form::Lines)?);
        }
        (several, true) => {
            let names: Vec<_> = several.iter().map(|field| format!("`{}`", field.name)).collect();
            let missing = if names.is_empty() { "none".to_owned() } else { names.join(" and ") };
            return Err(Failure::Usage(format!("--stdin is for the one field that is missing; missing: {missing}")));
        }
        (several, false) => {
            for field in several {
                let lines = field.form == Form::Lines;
                if lines || !field.secret {
                    let how = if lines { format!("--file {}=PATH", field.name) } else { format!("{}=…", field.name) };
                    return Err(Failure::Usage(format!(
                        "the field `{}` ({}) is missing: {how}",
                        field.name, field.label
                    )));
                }
                fields.insert(field.name, secret::ask(&format!("{} of {}", field.label, args.name))?);
            }
        }
    }
    if let (CredentialKind::Kubeconfig, Some(config)) = (kind, fields.get("config")) {
        let small = kubeconfig::minify(config, fields.get("context"), &place)?;
        fields.insert("config", small);
    }
    Ok(fields)
}

fn list(items: &[Tree], style: Style) -> String {
    let mut table = Table::new(["name", "type", "version", "used by", "made"]);
    for item in items {
        let current = item.list("versions").iter().find(|version| version.text("state") == "current");
        table.row([
            Cell::from(item.text("name")),
            Cell::from(item.text("type")),
            Cell::from(current.and_then(|version| version.get("version")).map(ToString::to_string).unwrap_or_default()),
            Cell::from(item.texts("used-by")),
            Cell::from(rfc3339_of(item, "created-at")),
        ]);
    }
    if table.is_empty() {
        return "(no credentials; set one with `jackfield credential set NAME --type TYPE`)\n".into();
    }
    table.render(style)
}

fn show(credential: &Tree, style: Style) -> String {
    let mut facts = Table::plain();
    let mut fact = |name: &str, value: &str| facts.row([Cell::from(name), Cell::from(value)]);
    fact("name", credential.text("name"));
    fact("type", credential.text("type"));
    fact("used by", &credential.texts("used-by"));
    fact("made", &rfc3339_of(credential, "created-at"));
    for (what, is) in credential.get("about").map(Tree::members).unwrap_or_default() {
        let Tree::Text(is) = is else { continue };
        fact(&printable(what).replace('-', " "), &printable(is));
    }
    let mut out = facts.render(Style { width: None, ..style });
    out.push('\n');
    let mut versions = Table::new(["version", "state", "since", "made", "uses"]);
    for version in credential.list("versions") {
        let number = |name: &str| version.get(name).map(ToString::to_string).unwrap_or_default();
        let colour = (version.text("state") == "current").then_some(Colour::Good);
        versions.row([
            Cell::from(number("version")),
            Cell::from(version.text("state")).coloured(colour),
            Cell::from(rfc3339_of(version, "since")),
            Cell::from(rfc3339_of(version, "created-at")),
            Cell::from(number("uses")),
        ]);
    }
    out.push_str(&versions.render(style));
    for version in credential.list("versions") {
        for (field, source) in version.get("sources").map(Tree::members).unwrap_or_default() {
            let (field, number) = (printable(field), version.get("version").map(ToString::to_string));
            let place = match (source.text("file"), source.text("env")) {
                ("", variable) => format!("the variable {}", printable(variable)),
                (path, _) => format!("the file {}", printable(path)),
            };
            out.push_str(&format!("`{field}` of version {} comes from {place}\n", number.unwrap_or_default()));
        }
    }
    out
}
