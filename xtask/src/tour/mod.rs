//! The tour: a dozen real calls, each shown as a person would make it with the program and with curl, then made over the
//! API and judged. A read is made a second time with the program and must give the same answer. Where a system
//! stands behind the answer, that system is asked directly, by code that shares nothing with Jackfield's.

mod discovery;
mod keys;
mod metrics;
mod monitoring;

pub(crate) use monitoring::RULES;

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use jackfield_peers::jackfield::Server;
use serde_json::{Value, json};

use crate::signals;

/// What there is to be shown.
#[derive(Debug, Default)]
pub(crate) struct Sights {
    /// Prometheus's address, as `host:port`.
    pub(crate) prometheus: Option<String>,
    /// Alertmanager's.
    pub(crate) alertmanager: Option<String>,
    /// etcd's.
    pub(crate) etcd: Option<String>,
    /// Whether all of them were started for the tour, so that it is known what they must answer.
    pub(crate) own: bool,
}

/// The longest answer that is shown, in characters.
const SHOWN: usize = 300;

/// A tour under way.
pub(crate) struct Tour<'a> {
    server: &'a Server,
    done: Vec<Value>,
    failed: usize,
}

/// One call of the tour.
struct Call<'a> {
    /// What the call is for, in a few words.
    title: &'a str,
    integration: &'a str,
    /// `capability.operation`.
    operation: &'a str,
    parameters: Value,
    /// Whether the program must give the very same answer a moment later.
    repeatable: bool,
}

impl<'a> Tour<'a> {
    /// Makes the whole tour. What was called, how it went and how long it took; and how many calls failed.
    pub(crate) fn make(server: &'a Server, sights: &Sights) -> Result<(Vec<Value>, usize)> {
        let mut tour = Tour { server, done: Vec::new(), failed: 0 };
        if let Some(address) = &sights.prometheus {
            tour.health("prom")?;
            metrics::show(&mut tour, address, sights.own)?;
            monitoring::show_rules(&mut tour, address, sights.own)?;
        }
        if let Some(address) = &sights.alertmanager {
            tour.health("alerts")?;
            monitoring::show_alerts(&mut tour, address, sights.own && sights.prometheus.is_some())?;
        }
        if let Some(address) = &sights.etcd {
            tour.health("etcd")?;
            keys::show(&mut tour, "etcd", Some(address))?;
            discovery::show(&mut tour, "etcd")?;
        }
        tour.health("play")?;
        keys::show(&mut tour, "play", None)?;
        discovery::show(&mut tour, "play")?;
        Ok((tour.done, tour.failed))
    }

    /// A read whose answer may change by itself.
    fn read(
        &mut self,
        title: &str,
        integration: &str,
        operation: &str,
        parameters: Value,
        judge: impl FnOnce(&Value) -> Result<()>,
    ) -> Result<Option<Value>> {
        self.call(Call { title, integration, operation, parameters, repeatable: false }, judge)
    }

    /// A read that must give the program the same answer.
    fn read_twice(
        &mut self,
        title: &str,
        integration: &str,
        operation: &str,
        parameters: Value,
        judge: impl FnOnce(&Value) -> Result<()>,
    ) -> Result<Option<Value>> {
        self.call(Call { title, integration, operation, parameters, repeatable: true }, judge)
    }

    /// A write: made once.
    fn write(
        &mut self,
        title: &str,
        integration: &str,
        operation: &str,
        parameters: Value,
        judge: impl FnOnce(&Value) -> Result<()>,
    ) -> Result<Option<Value>> {
        self.read(title, integration, operation, parameters, judge)
    }

    /// Makes a call, shows it and notes how it went. A failed call does not end the tour; Ctrl-C does.
    fn call(&mut self, call: Call<'_>, judge: impl FnOnce(&Value) -> Result<()>) -> Result<Option<Value>> {
        signals::go_on()?;
        let path = format!("/v1/integrations/{}/{}", call.integration, call.operation.replace('.', "/"));
        let arguments = call_arguments(&call.parameters);
        self.head(call.title);
        println!("    jackfield call {} {}{arguments}", call.integration, call.operation);
        println!("    curl --json {} {}{path}", quoted(&call.parameters.to_string()), self.server.url());

        let begun = Instant::now();
        let answer = self.server.ok(call.integration, call.operation, &call.parameters);
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        let judged = answer.context("the call failed").and_then(|answer| {
            println!("    → {}", shortened(&answer.to_string()));
            judge(&answer).with_context(|| format!("the answer is wrong: {}", shortened(&answer.to_string())))?;
            if call.repeatable {
                self.same_with_the_program(&call, &answer)?;
            }
            Ok(answer)
        });
        Ok(self.note(&format!("{} {}", call.integration, call.operation), ms, judged))
    }

    fn same_with_the_program(&self, call: &Call<'_>, answer: &Value) -> Result<()> {
        let parameters = call.parameters.to_string();
        let told = self.server.cli(&["call", call.integration, call.operation, "--json", &parameters])?;
        ensure!(told == *answer, "the program says otherwise: {}", shortened(&told.to_string()));
        Ok(())
    }

    /// How an integration is, as the host finds it now.
    fn health(&mut self, integration: &str) -> Result<()> {
        signals::go_on()?;
        let path = format!("/v1/integrations/{integration}/check");
        self.head(&format!("How is {integration}?"));
        println!("    jackfield integration check {integration}");
        println!("    curl -X POST {}{path}", self.server.url());
        let begun = Instant::now();
        let answer = self.server.send("POST", &path, &json!({}));
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        let judged = answer.context("the call failed").and_then(|(status, report)| {
            println!("    → {}", shortened(&report.to_string()));
            ensure!(status == 200 && report["state"] == "healthy", "it is not healthy: {status} {report}");
            Ok(report)
        });
        self.note(&format!("{integration} health"), ms, judged);
        Ok(())
    }

    fn head(&self, title: &str) {
        println!("\n\x1b[1m{:2}. {title}\x1b[0m", self.done.len() + 1);
    }

    fn note(&mut self, call: &str, ms: f64, judged: Result<Value>) -> Option<Value> {
        let ms = (ms * 100.0).round() / 100.0;
        self.done.push(json!({"call": call, "ok": judged.is_ok(), "ms": ms}));
        match judged {
            Ok(answer) => {
                println!("    ok, {ms} ms");
                Some(answer)
            }
            Err(error) => {
                self.failed += 1;
                println!("    \x1b[31mFAILED\x1b[0m: {error:#}");
                None
            }
        }
    }
}

/// The parameters as the program takes them: `name=value` where that is possible, else as JSON.
fn call_arguments(parameters: &Value) -> String {
    let fields = parameters.as_object().into_iter().flatten();
    let pairs: Option<Vec<String>> = fields
        .map(|(name, value)| match value {
            Value::String(text) => Some(format!(" {}", quoted(&format!("{name}={text}")))),
            Value::Number(_) | Value::Bool(_) => Some(format!(" {name}={value}")),
            _ => None,
        })
        .collect();
    pairs.map_or_else(|| format!(" --json {}", quoted(&parameters.to_string())), |pairs| pairs.concat())
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.chars().count()),
        None => text.into(),
    }
}

/// The items of a paged answer.
fn items(answer: &Value) -> Result<&Vec<Value>> {
    match answer["items"].as_array() {
        Some(items) => Ok(items),
        None => bail!("there are no items"),
    }
}

/// The value of a label in a list of labels.
fn label<'v>(labels: &'v Value, name: &str) -> Option<&'v str> {
    labels.as_array()?.iter().find(|label| label["name"] == name)?["value"].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_shown_as_a_shell_takes_them() {
        assert_eq!(call_arguments(&json!({"query": "up"})), " query=up");
        assert_eq!(call_arguments(&json!({"a": 1, "q": "a b'c"})), r" a=1 'q=a b'\''c'");
        assert_eq!(call_arguments(&json!({"a": [1]})), r#" --json '{"a":[1]}'"#);
        assert_eq!(call_arguments(&json!({})), "");
    }

    #[test]
    fn a_long_answer_is_cut_between_characters() {
        assert!(shortened(&"ä".repeat(1000)).starts_with(&"ä".repeat(SHOWN)));
        assert_eq!(shortened("x"), "x");
    }
}
