//! Rules, alerts and a silence from its beginning to its end.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use jackfield_peers::http;
use serde_json::{Value, json};

use super::{Tour, items, label};

/// The rule that the tour's own Prometheus has, as the text of its rules file. It fires always.
pub(crate) const RULES: &str = r#"{"groups": [{"name": "jackfield-tour", "rules": [{"alert": "JackfieldTour",
  "expr": "vector(42)", "labels": {"severity": "info"}, "annotations": {"summary": "This alert fires to be seen"}}]}]}"#;

const ALERT: &str = "JackfieldTour";

pub(super) fn show_rules(tour: &mut Tour<'_>, prometheus: &str, own: bool) -> Result<()> {
    tour.read("Which rules are there?", "prom", "alerting.list-rules", json!({}), |answer| {
        let direct = http::get_json(prometheus, "/api/v1/rules").context("asking Prometheus itself")?;
        let groups = direct["data"]["groups"].as_array().into_iter().flatten();
        let count: usize = groups.map(|group| group["rules"].as_array().map_or(0, Vec::len)).sum();
        let rules = items(answer)?;
        ensure!(rules.len() == count, "Prometheus itself has {count} rules");
        ensure!(!own || rules.iter().any(|rule| rule["name"] == ALERT), "the tour's own rule is not there");
        Ok(())
    })?;
    Ok(())
}

/// `fires`: the tour's rule is evaluated by a Prometheus that tells this Alertmanager.
pub(super) fn show_alerts(tour: &mut Tour<'_>, alertmanager: &str, fires: bool) -> Result<()> {
    if fires {
        wait_for_the_alert(alertmanager)?;
    }
    tour.read("What is alerting?", "alerts", "alerting.list-alerts", json!({}), |answer| {
        let alert = items(answer)?.iter().find(|alert| label(&alert["labels"], "alertname") == Some(ALERT));
        ensure!(!fires || alert.is_some_and(|alert| alert["state"] == "firing"), "the tour's own alert does not fire");
        Ok(())
    })?;

    let ends =
        SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?.as_millis() as u64 + 600_000;
    let silence = json!({"matchers": [format!("alertname=\"{ALERT}\"")], "ends-at": ends, "created-by": "the tour",
        "comment": format!("shown at {ends}")});
    let made = tour.write("Silence it", "alerts", "alerting.silence", json!({"silence": silence}), |answer| {
        ensure!(answer["state"] == "active", "it is not active");
        let stored = stored(alertmanager, &answer["id"])?;
        ensure!(stored["status"]["state"] == "active", "Alertmanager itself says {stored}");
        Ok(())
    })?;
    let Some(id) = made.map(|silence| silence["id"].clone()) else { return Ok(()) };

    let again = json!({"silence": silence, "options": {"dry-run": false}});
    tour.write("Ask for the same once more: no duplicate", "alerts", "alerting.silence", again, |answer| {
        ensure!(answer["id"] == id, "it made another silence");
        Ok(())
    })?;
    let active = json!({"matchers": [], "state": "active"});
    tour.read("Which silences hold?", "alerts", "alerting.list-silences", active, |answer| {
        let ours = items(answer)?.iter().filter(|silence| silence["comment"] == format!("shown at {ends}")).count();
        ensure!(ours == 1, "the silence is there {ours} times");
        Ok(())
    })?;
    tour.write("End the silence", "alerts", "alerting.expire", json!({"id": id}), |answer| {
        ensure!(answer["state"] == "expired", "it is not expired");
        let stored = stored(alertmanager, &id)?;
        ensure!(stored["status"]["state"] == "expired", "Alertmanager itself says {stored}");
        Ok(())
    })?;
    Ok(())
}

fn stored(alertmanager: &str, id: &Value) -> Result<Value> {
    let id = id.as_str().context("a silence without an id")?;
    http::get_json(alertmanager, &format!("/api/v2/silence/{id}")).context("asking Alertmanager itself")
}

/// An alert takes a moment from its rule to Alertmanager.
fn wait_for_the_alert(alertmanager: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let alerts = http::get_json(alertmanager, "/api/v2/alerts").context("asking Alertmanager itself")?;
        if alerts.as_array().is_some_and(|alerts| alerts.iter().any(|alert| alert["labels"]["alertname"] == ALERT)) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "no alert reached Alertmanager within 30 s");
        crate::signals::go_on()?;
        std::thread::sleep(Duration::from_millis(100));
    }
}
