//! `jackfield integration`: add, list, show, check, update, rehearse, upgrade, roll back, enable, disable, remove. Settings are typed by the plugin's own schema, which is
//! asked for only where there are any.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value, json};

use super::{Context, integration_views as views, json_argument, reads_stdin};
use crate::{
    api::{Api, Query, Request, segment},
    args::{AddArgs, EndpointArgs, IntegrationVerb, ListArgs, Pair, UpdateArgs, UpgradeArgs},
    failure::Failure,
    output::{Tree, printable},
    params::{Assignment, Subject, build, merge},
    schema::Schema,
};

pub(super) async fn run(context: &Context, verb: IntegrationVerb) -> Result<(), Failure> {
    let style = context.ui.style;
    match verb {
        IntegrationVerb::Add(args) => add(context, args).await,
        IntegrationVerb::List(args) => context.show_page(list(&args), |items| views::list(items, style)).await,
        IntegrationVerb::Show { name } => {
            context.show(Request::get(path(&name)), |integration| views::show(integration, style)).await
        }
        IntegrationVerb::Check { name } => {
            let answer = context.with(async |api| api.request(post(&name, "check")).await).await?;
            context.ui.answer(&answer.body, |health| views::report(health, style))?;
            let health = serde_json::from_slice(&answer.body).unwrap_or(Tree::Null);
            if views::is_unhealthy(&health) { Err(Failure::Told) } else { Ok(()) }
        }
        IntegrationVerb::Update(args) => update(context, args).await,
        IntegrationVerb::Upgrade(args) => upgrade(context, args).await,
        IntegrationVerb::Shadow(args) => super::shadow::run(context, args).await,
        IntegrationVerb::Rollback { name } => {
            context.show(post(&name, "rollback"), |integration| told("rolled back", integration)).await
        }
        IntegrationVerb::Disable { name } => {
            context.show(post(&name, "disable"), |integration| told("disabled", integration)).await
        }
        IntegrationVerb::Enable { name } => {
            context.show(post(&name, "enable"), |integration| told("enabled", integration)).await
        }
        IntegrationVerb::Remove { name, discard_unknown } => {
            let query = if discard_unknown { "?discard-unknown=true" } else { "" };
            let request = Request::new(Method::DELETE, format!("{}{query}", path(&name)));
            context.show(request, |_| format!("removed integration {}\n", printable(&name))).await
        }
    }
}

fn path(name: &str) -> String {
    format!("/v1/integrations/{}", segment(name))
}

/// What does something with an integration that needs nothing more said.
fn post(name: &str, verb: &str) -> Request {
    Request::new(Method::POST, format!("{}/{verb}", path(name)))
}

fn list(args: &ListArgs) -> Request {
    let mut query = Query::default();
    for Pair { name, value } in &args.labels {
        query.add("label", &format!("{name}={value}"));
    }
    query.add_some("plugin", args.plugin.as_ref());
    query.add_some("limit", args.page.limit);
    query.add_some("cursor", args.page.cursor.as_ref());
    Request::get(format!("/v1/integrations{}", query.as_str()))
}

async fn add(context: &Context, args: AddArgs) -> Result<(), Failure> {
    let settings = Settings::read(args.config.as_deref(), &args.set)?;
    let EndpointArgs { allow_addresses, ca_files, credentials, spends } = &args.endpoints;
    let endpoints = endpoints(allow_addresses, ca_files, credentials, spends)?;
    let labels: BTreeMap<_, _> = args.labels.into_iter().map(|Pair { name, value }| (name, value)).collect();
    let limits = limits(&args.limits)?;
    let (name, plugin) = (&args.name, &args.plugin);
    let answer = context
        .with(async |api| {
            let config = settings.typed(api, plugin).await?;
            let mut new =
                json!({"name": name, "plugin": plugin, "config": config, "labels": labels, "endpoints": endpoints});
            if !limits.is_empty() {
                new["limits"] = Value::Object(limits.clone());
            }
            api.request(Request::new(Method::POST, "/v1/integrations").json(&new)?).await
        })
        .await?;
    context.ui.answer(&answer.body, |integration| told("added", integration))
}

async fn update(context: &Context, args: UpdateArgs) -> Result<(), Failure> {
    let settings = Settings::read(args.config.as_deref(), &args.set)?;
    let endpoints = endpoints(&args.allow_addresses, &args.ca_files, &args.credentials, &args.spends)?;
    let limits = limits(&args.limits)?;
    let path = path(&args.name);
    let answer = context
        .with(async |api| {
            let mut change = Map::new();
            if !settings.is_empty() || !args.unset.is_empty() || !endpoints.is_empty() {
                let current = api.request(Request::get(path.as_str())).await?;
                let current: Value = serde_json::from_slice(&current.body).unwrap_or_default();
                let text = |name: &str| current[name].as_str().unwrap_or_default();
                let plugin = format!("{}@{}", text("plugin"), text("plugin-version"));
                let config = settings.patch(api, &plugin, &args.unset).await?;
                change.insert("config".into(), Value::Object(config));
                if !endpoints.is_empty() {
                    // An endpoint's settings are replaced whole, so those that stay are sent along; if another changed
                    // them meanwhile, the revision tells.
                    change.insert("endpoints".into(), Value::Object(over(&current["endpoints"], endpoints)));
                    change.insert("revision".into(), current["revision"].clone());
                }
            }
            let set = args.labels.iter().map(|Pair { name, value }| (name.clone(), Value::from(value.as_str())));
            let labels: Map<_, _> =
                set.chain(args.remove_labels.iter().map(|name| (name.clone(), Value::Null))).collect();
            if !labels.is_empty() {
                change.insert("labels".into(), Value::Object(labels));
            }
            if !args.reset_endpoints.is_empty() {
                let reset = args.reset_endpoints.iter().map(|name| (name.clone(), Value::Null));
                let endpoints = change.entry("endpoints").or_insert_with(|| Value::Object(Map::new()));
                endpoints.as_object_mut().into_iter().for_each(|endpoints| endpoints.extend(reset.clone()));
            }
            if !limits.is_empty() {
                change.insert("limits".into(), Value::Object(limits.clone()));
            }
            if let Some(revision) = args.revision {
                change.insert("revision".into(), revision.into());
            }
            api.request(Request::new(Method::PATCH, path.as_str()).json(&Value::Object(change))?).await
        })
        .await?;
    context.ui.answer(&answer.body, |integration| told("updated", integration))
}

async fn upgrade(context: &Context, args: UpgradeArgs) -> Result<(), Failure> {
    let settings = Settings::read(args.config.as_deref(), &args.set)?;
    let mut wanted = json!({"dry-run": args.dry_run, "unchecked": args.unchecked});
    if let Some(version) = &args.to {
        wanted["version"] = version.to_string().into();
    }
    if let Some(watch) = args.watch {
        wanted["watch-seconds"] = watch.as_secs().into();
    }
    if let Some(share) = args.share {
        wanted["share"] = share.into();
    }
    let answer = context
        .with(async |api| {
            if !settings.is_empty() || !args.unset.is_empty() {
                let current = api.request(Request::get(path(&args.name))).await?;
                let current: Value = serde_json::from_slice(&current.body).unwrap_or_default();
                let plugin = current["plugin"].as_str().unwrap_or_default();
                // Typed by the version that gets them.
                let plugin = args.to.as_ref().map_or_else(|| plugin.to_owned(), |to| format!("{plugin}@{to}"));
                wanted["config"] = Value::Object(settings.patch(api, &plugin, &args.unset).await?);
            }
            api.request(post(&args.name, "upgrade").json(&wanted)?).await
        })
        .await?;
    context.ui.answer(&answer.body, |upgrade| views::upgraded(upgrade, context.ui.style))
}

fn told(done: &str, integration: &Tree) -> String {
    let text = |name| printable(integration.text(name)).into_owned();
    let health = integration.get("health").unwrap_or(&Tree::Null);
    let state = match (health.text("state"), health.text("message")) {
        ("" | "unknown", _) => String::new(),
        (state, message) => format!(", {}: {}", printable(state), printable(message)),
    };
    format!("{done} integration {} ({} {}){state}\n", text("name"), text("plugin"), text("plugin-version"))
}

/// The plugin's settings as they were given.
pub(super) struct Settings {
    base: Map<String, Value>,
    assignments: Vec<Assignment>,
}

impl Settings {
    pub(super) fn read(config: Option<&str>, set: &[String]) -> Result<Self, Failure> {
        let base = config.map(|text| json_argument("--config", text)).transpose()?.unwrap_or_default();
        Ok(Self { base, assignments: Assignment::read_all(set, reads_stdin(config))? })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.base.is_empty() && self.assignments.is_empty()
    }

    /// The settings, typed by the plugin's schema.
    async fn typed(&self, api: &Api, plugin: &str) -> Result<Map<String, Value>, Failure> {
        let mut config = self.base.clone();
        if self.assignments.is_empty() {
            return Ok(config);
        }
        let answer = api.request(Request::get(format!("/v1/plugins/{}", segment(plugin)))).await?;
        let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let schema = Schema::new(&answer["manifest"]["config"]);
        let owner = format!("the plugin `{plugin}`");
        let given = build(schema, Subject { owner: &owner, noun: "setting" }, &self.assignments)?;
        merge(schema, &mut config, given);
        Ok(config)
    }

    /// The same as a patch, which removes some.
    pub(super) async fn patch(&self, api: &Api, plugin: &str, unset: &[String]) -> Result<Map<String, Value>, Failure> {
        let mut config = self.typed(api, plugin).await?;
        config.extend(unset.iter().map(|name| (name.clone(), Value::Null)));
        Ok(config)
    }
}

/// The limits that are named; null where one is left to the plugin and the host.
fn limits(given: &[Pair]) -> Result<Map<String, Value>, Failure> {
    let one = |Pair { name, value }: &Pair| match value.as_str() {
        "default" => Ok((name.clone(), Value::Null)),
        number => match number.parse::<u64>() {
            Ok(number) => Ok((name.clone(), number.into())),
            Err(_) => {
                Err(Failure::Usage(format!("--limit {name}: `{number}` is neither a whole number nor `default`")))
            }
        },
    };
    given.iter().map(one).collect()
}

/// The settings of each endpoint that is named.
fn endpoints(
    allow_addresses: &[Pair],
    ca_files: &[Pair],
    credentials: &[Pair],
    spends: &[Pair],
) -> Result<BTreeMap<String, Map<String, Value>>, Failure> {
    let mut endpoints: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for Pair { name, value } in allow_addresses {
        let ranges = endpoints.entry(name.clone()).or_default().entry("allow-addresses").or_insert_with(|| json!([]));
        if let Value::Array(ranges) = ranges {
            ranges.push(value.as_str().into());
        }
    }
    for Pair { name, value: file } in ca_files {
        let pem = std::fs::read_to_string(file)
            .map_err(|error| Failure::Usage(format!("--ca-file {name}: {file} cannot be read: {error}")))?;
        if endpoints.entry(name.clone()).or_default().insert("ca-pem".into(), pem.into()).is_some() {
            return Err(Failure::Usage(format!(
                "--ca-file is given twice for `{name}`; one file may hold several certificates"
            )));
        }
    }
    for Pair { name, value } in credentials {
        if endpoints.entry(name.clone()).or_default().insert("credential".into(), binding(value)?).is_some() {
            return Err(Failure::Usage(format!("--credential is given twice for `{name}`")));
        }
    }
    for Pair { name, value } in spends {
        if endpoints.entry(name.clone()).or_default().insert("spend".into(), spend(name, value)?).is_some() {
            return Err(Failure::Usage(format!("--spend is given twice for `{name}`")));
        }
    }
    Ok(endpoints)
}

/// What a request costs, and what a day may.
fn spend(endpoint: &str, text: &str) -> Result<Value, Failure> {
    if text == "none" {
        return Ok(Value::Null);
    }
    let numbers = text.split_once('/').and_then(|(request, day)| Some((request.parse().ok()?, day.parse().ok()?)));
    let Some((request, day)): Option<(f64, f64)> = numbers else {
        return Err(Failure::Usage(format!(
            "--spend {endpoint}: `{text}` is neither `none` nor two prices, e.g. `0.01/5`"
        )));
    };
    Ok(json!({"per-request": request, "per-day": day}))
}

/// A credential's name, and behind commas where in the request it goes.
fn binding(text: &str) -> Result<Value, Failure> {
    let mut parts = text.split(',');
    let mut binding = json!({"name": parts.next()});
    for part in parts {
        match part.split_once('=') {
            None if matches!(part, "plain-http" | "allow-plain-http") => binding["allow-plain-http"] = true.into(),
            Some((
                name @ ("header" | "prefix" | "query" | "region" | "service" | "payload" | "login" | "auth-method"),
                value,
            )) => binding[name] = value.into(),
            _ => {
                let message = format!(
                    "--credential: `{part}` is none of header=NAME, prefix=TEXT, query=NAME, region=NAME, service=NAME, payload=NAME, login=NAME, auth-method=NAME, plain-http"
                );
                return Err(Failure::Usage(message));
            }
        }
    }
    Ok(binding)
}

/// What is given for endpoints, laid over what they have.
fn over(current: &Value, given: BTreeMap<String, Map<String, Value>>) -> Map<String, Value> {
    let laid = |(name, given): (String, Map<String, Value>)| {
        let mut settings = current[&name].as_object().cloned().unwrap_or_default();
        settings.extend(given);
        (name, Value::Object(settings))
    };
    given.into_iter().map(laid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_endpoint_has_stays_when_something_else_of_it_is_set() {
        let current = json!({"api": {"ca-pem": "P", "allow-addresses": ["10.0.0.0/8"]}});
        let pair = |text: &str| text.parse::<Pair>().unwrap();
        let given =
            endpoints(&[pair("api=10.1.0.0/16"), pair("api=10.2.0.0/16"), pair("web=127.0.0.1/32")], &[], &[], &[])
                .unwrap();
        assert_eq!(
            Value::Object(over(&current, given)),
            json!({
                "api": {"ca-pem": "P", "allow-addresses": ["10.1.0.0/16", "10.2.0.0/16"]},
                "web": {"allow-addresses": ["127.0.0.1/32"]},
            })
        );
    }

    #[test]
    fn a_certificate_file_that_is_not_there_is_the_command_lines_fault() {
        let pair = "api=/nowhere/ca.pem".parse::<Pair>().unwrap();
        assert!(matches!(endpoints(&[], &[pair], &[], &[]), Err(Failure::Usage(_))));
    }
}
