//! Queries, compared with what Prometheus itself says.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use jackfield_peers::http;
use serde_json::{Value, json};

use super::{Tour, items};

/// Samples by series: a series is the text of its sorted labels.
type Samples = BTreeMap<String, Vec<(i64, f64)>>;

pub(super) fn show(tour: &mut Tour<'_>, prometheus: &str, own: bool) -> Result<()> {
    // A fixed time, so that everyone who is asked speaks of the same moment.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?.as_millis() as i64;
    let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);

    let parameters = json!({"query": "up", "time": now});
    tour.read_twice("What is up?", "prom", "metrics.query", parameters, |answer| {
        let direct = ask(prometheus, &format!("query?query=up&time={}", seconds(now)))?;
        let answered = of_jackfield(&answer["data"]["vector"], "sample")?;
        ensure!(answered == of_prometheus(&direct, "value")?, "Prometheus itself says {direct}");
        ensure!(!own || answered.len() >= 2, "fewer than two targets are scraped");
        Ok(())
    })?;

    let start = now - 60_000;
    let parameters = json!({"query": "up", "start": start, "end": now, "step-ms": 1000});
    tour.read_twice("And over the last minute?", "prom", "metrics.query-range", parameters, |answer| {
        let path = format!("query_range?query=up&start={}&end={}&step=1", seconds(start), seconds(now));
        let direct = ask(prometheus, &path)?;
        let answered = of_jackfield(&answer["data"]["matrix"], "samples")?;
        ensure!(answered == of_prometheus(&direct, "values")?, "Prometheus itself says {direct}");
        Ok(())
    })?;

    tour.read("What is scraped?", "prom", "metrics.targets", json!({}), |answer| {
        let direct = ask(prometheus, "targets?state=active")?;
        let count = direct["data"]["activeTargets"].as_array().map(Vec::len);
        ensure!(Some(items(answer)?.len()) == count, "Prometheus itself has {count:?} targets");
        Ok(())
    })?;
    Ok(())
}

fn ask(prometheus: &str, path: &str) -> Result<Value> {
    http::get_json(prometheus, &format!("/api/v1/{path}")).context("asking Prometheus itself")
}

fn of_prometheus(answer: &Value, field: &str) -> Result<Samples> {
    let series = answer["data"]["result"].as_array().context("no result")?;
    let mut samples = Samples::new();
    for one in series {
        let pairs = if field == "value" { vec![one[field].clone()] } else { list(&one[field]) };
        let pairs: Option<Vec<_>> = pairs
            .iter()
            .map(|pair| Some(((pair[0].as_f64()? * 1e3).round() as i64, pair[1].as_str()?.parse().ok()?)))
            .collect();
        let labels: BTreeMap<_, _> = one["metric"].as_object().into_iter().flatten().collect();
        samples.insert(format!("{labels:?}"), pairs.context("a sample that is none")?);
    }
    Ok(samples)
}

fn of_jackfield(series: &Value, field: &str) -> Result<Samples> {
    let mut samples = Samples::new();
    for one in series.as_array().context("no series")? {
        let pairs = if field == "sample" { vec![one[field].clone()] } else { list(&one[field]) };
        let pairs: Option<Vec<_>> =
            pairs.iter().map(|pair| Some((pair["timestamp"].as_i64()?, pair["value"].as_f64()?))).collect();
        let labels = list(&one["labels"]);
        let labels: BTreeMap<_, _> = labels
            .iter()
            .filter_map(|label| Some((label["name"].as_str()?.to_string(), label["value"].clone())))
            .collect();
        samples.insert(format!("{labels:?}"), pairs.context("a sample that is none")?);
    }
    Ok(samples)
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_one_answer_are_equal() {
        let theirs = json!({"data": {"result": [{"metric": {"b": "2", "a": "1"}, "value": [1.5, "0.25"]}]}});
        let ours = json!([{"labels": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}],
            "sample": {"timestamp": 1500, "value": 0.25}}]);
        assert_eq!(of_prometheus(&theirs, "value").unwrap(), of_jackfield(&ours, "sample").unwrap());
    }
}
