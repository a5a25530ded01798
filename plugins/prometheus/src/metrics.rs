//! Queries and what is known of series. What can be judged here is refused before it is sent, with the field that is
//! wrong; the rest is the other side's to judge.

use std::collections::BTreeMap;

use jackfield_sdk::paging::paginate;
use jackfield_sdk::prelude::*;

use crate::api::{Answer, Api, Form, ask};
use crate::labels::compare;
use crate::refusal::{Fields, QUERY};
use crate::time::{rfc3339, seconds};
use crate::wire::{LabelSet, MetadataItem, QueryAnswer, TargetItem, Targets};
use crate::wit::Metrics;
use crate::wit::metrics::{
    MetadataPage, MetricMetadata, QueryResult, SeriesLabels, SeriesPage, StringPage, Target, TargetHealth, TargetPage,
};

/// Items on a page where the caller does not say.
pub(crate) const PAGE: usize = 1000;

const QUERY_FIELDS: Fields = Fields {
    main: QUERY,
    named: &[("query", QUERY), ("time", "/time"), ("start", "/start"), ("end", "/end"), ("step", "/step-ms")],
};
const SERIES_FIELDS: Fields = Fields {
    main: "/matchers",
    named: &[("match[]", "/matchers"), ("start", "/start"), ("end", "/end"), ("name", "/name")],
};

impl Metrics for crate::Prometheus {
    fn query(query: String, time: Option<TimestampMs>) -> Result<QueryResult> {
        not_empty(&query)?;
        let form = Form::default().with("query", query).with_opt("time", time.map(seconds));
        result_of(ask(Api::open()?.post_query("/api/v1/query", form), &QUERY_FIELDS)?)
    }

    fn query_range(query: String, start: TimestampMs, end: TimestampMs, step_ms: u64) -> Result<QueryResult> {
        not_empty(&query)?;
        let api = Api::open()?;
        let points = points(start, end, step_ms)?;
        if let Some(most) = api.config.max_points.filter(|most| points > u128::from(*most)) {
            return Err(Error::invalid(
                "/step-ms",
                format!(
                    "this asks for {points} points in time; the integration allows {most}: take a longer step or a shorter range"
                ),
            ));
        }
        let form = Form::default()
            .with("query", query)
            .with("start", seconds(start))
            .with("end", seconds(end))
            .with("step", seconds(step_ms))
            // Else VictoriaMetrics moves start and end to where its cache would like them. Others do not know this.
            .with("nocache", "1");
        result_of(ask(api.post_query("/api/v1/query_range", form), &QUERY_FIELDS)?)
    }

    fn series(
        matchers: Vec<String>,
        start: Option<TimestampMs>,
        end: Option<TimestampMs>,
        page: Page,
    ) -> Result<SeriesPage> {
        if matchers.is_empty() {
            return Err(Error::invalid("/matchers", "name at least one selector, e.g. `up` or `{job=\"node\"}`"));
        }
        let form = selection(&matchers, start, end)?;
        let found: Answer<Vec<LabelSet>> = ask(Api::open()?.post("/api/v1/series", form), &SERIES_FIELDS)?;
        let mut sets: Vec<Vec<Label>> = found.into_data().into_iter().map(|set| set.0).collect();
        // In an order of its own, so that the next page goes on where this one ends, whatever the system's order is.
        sets.sort_by(|one, other| compare(one, other));
        sets.dedup();
        let (items, next) = paginate(sets, &page, PAGE)?;
        Ok(SeriesPage { items: items.into_iter().map(|labels| SeriesLabels { labels }).collect(), next })
    }

    fn labels(
        name: Option<String>,
        matchers: Vec<String>,
        start: Option<TimestampMs>,
        end: Option<TimestampMs>,
        page: Page,
    ) -> Result<StringPage> {
        let form = selection(&matchers, start, end)?;
        let api = Api::open()?;
        let request = match name {
            None => api.post("/api/v1/labels", form),
            // Values are to be had by GET only.
            Some(name) => form.query(api.get(&format!("/api/v1/label/{}/values", label_segment(&name)?))),
        };
        let found: Answer<Vec<String>> = ask(request, &SERIES_FIELDS)?;
        let mut names = found.into_data();
        names.sort_unstable();
        names.dedup();
        let (items, next) = paginate(names, &page, PAGE)?;
        Ok(StringPage { items, next })
    }

    fn metadata(metric: Option<String>, page: Page) -> Result<MetadataPage> {
        if metric.as_deref() == Some("") {
            return Err(Error::invalid("/metric", "the name of a metric is not empty; leave it out for all"));
        }
        let request = Api::open()?.get("/api/v1/metadata").query_opt("metric", metric.as_ref());
        let found: Answer<BTreeMap<String, Vec<MetadataItem>>> = ask(request, &Fields::NONE)?;
        let mut items = Vec::new();
        // Older systems do not know the parameter and tell of all.
        for (name, mut known) in
            found.into_data().into_iter().filter(|(name, _)| metric.as_ref().is_none_or(|m| m == name))
        {
            known.sort_unstable();
            known.dedup();
            items.extend(known.into_iter().map(|MetadataItem { kind, help, unit }| MetricMetadata {
                metric: name.clone(),
                kind,
                help,
                unit,
            }));
        }
        let (items, next) = paginate(items, &page, PAGE)?;
        Ok(MetadataPage { items, next })
    }

    fn targets(page: Page) -> Result<TargetPage> {
        let request = Api::open()?.get("/api/v1/targets").query("state", "active");
        let found: Answer<Targets> = ask(request, &Fields::NONE)?;
        let mut targets: Vec<Target> = found.into_data().active_targets.into_iter().map(target).collect();
        targets.sort_by(|one, other| {
            one.pool
                .cmp(&other.pool)
                .then_with(|| one.url.cmp(&other.url))
                .then_with(|| compare(&one.labels, &other.labels))
        });
        let (items, next) = paginate(targets, &page, PAGE)?;
        Ok(TargetPage { items, next })
    }
}

fn not_empty(query: &str) -> Result<()> {
    if query.trim().is_empty() { Err(Error::invalid(QUERY, "the query is empty")) } else { Ok(()) }
}

/// How many points in time a range query asks for.
fn points(start: TimestampMs, end: TimestampMs, step_ms: u64) -> Result<u128> {
    if step_ms == 0 {
        return Err(Error::invalid("/step-ms", "the step between two points in time is at least 1 ms"));
    }
    in_order(Some(start), Some(end))?;
    Ok((i128::from(end) - i128::from(start)).unsigned_abs() / u128::from(step_ms) + 1)
}

fn in_order(start: Option<TimestampMs>, end: Option<TimestampMs>) -> Result<()> {
    match (start, end) {
        (Some(start), Some(end)) if end < start => {
            Err(Error::invalid("/end", format!("the end, {end}, is before the start, {start}")))
        }
        _ => Ok(()),
    }
}

/// The parameters that choose series.
fn selection(matchers: &[String], start: Option<TimestampMs>, end: Option<TimestampMs>) -> Result<Form> {
    if let Some(index) = matchers.iter().position(|matcher| matcher.trim().is_empty()) {
        return Err(Error::invalid(
            format!("/matchers/{index}"),
            "the selector is empty; an example is `up{job=\"node\"}`",
        ));
    }
    in_order(start, end)?;
    Ok(Form::default()
        .with_all("match[]", matchers)
        // VictoriaMetrics looks at the last minutes or day where no start is given, others at all they have.
        .with("start", seconds(start.unwrap_or(0)))
        .with_opt("end", end.map(seconds)))
}

/// A label's name as a segment of a path. Names that cannot be one, because they have a slash or mean a folder, are
/// written in Prometheus 3's own escapes.
fn label_segment(name: &str) -> Result<String> {
    if name.is_empty() {
        return Err(Error::invalid("/name", "the name of a label is not empty; leave it out for the names themselves"));
    }
    if !(name.contains('/') || name == "." || name == "..") {
        return Ok(http::encode(name));
    }
    let escaped = name.chars().map(|c| match c {
        '_' => "__".to_owned(),
        c if c.is_ascii_alphanumeric() => c.to_string(),
        c => format!("_{:x}_", u32::from(c)),
    });
    Ok(format!("U__{}", escaped.collect::<String>()))
}

fn result_of(answer: Answer<QueryAnswer>) -> Result<QueryResult> {
    let Answer { data, warnings, infos, .. } = answer;
    let data = data.into_data().map_err(|what| {
        Error::internal(format!("the answer to the query is not of the form of a known type: {what}")).downstream()
    })?;
    Ok(QueryResult { data, warnings, infos })
}

fn target(item: TargetItem) -> Target {
    Target {
        labels: item.labels.0,
        pool: item.scrape_pool,
        url: item.scrape_url,
        health: match item.health.as_str() {
            "up" => TargetHealth::Up,
            "down" => TargetHealth::Down,
            _ => TargetHealth::Unknown,
        },
        last_error: item.last_error,
        last_scrape: rfc3339(&item.last_scrape),
        last_scrape_seconds: nanoseconds(item.last_scrape_duration),
    }
}

/// The double that Go makes of a duration in nanoseconds. Reading JSON's numbers may miss it by the last digit.
fn nanoseconds(seconds: f64) -> f64 {
    let ns = (seconds * 1e9).round();
    if ns.abs() < 9e15 { (ns / 1e9).trunc() + ns % 1e9 / 1e9 } else { seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_labels_name_is_one_segment_of_a_path() {
        for (name, segment) in [
            ("job", "job"),
            ("http.status", "http.status"),
            ("ü b", "%C3%BC%20b"),
            ("a/b_c", "U__a_2f_b__c"),
            ("..", "U___2e__2e_"),
        ] {
            assert_eq!(label_segment(name).unwrap(), segment);
        }
        assert!(label_segment("").is_err());
    }

    #[test]
    fn both_ends_of_a_range_are_points() {
        assert_eq!(points(0, 0, 1).unwrap(), 1);
        assert_eq!(points(0, 10_000, 1000).unwrap(), 11);
        assert_eq!(points(0, 10_999, 1000).unwrap(), 11);
        assert_eq!(points(i64::MIN, i64::MAX, 1).unwrap(), 1 << 64);
    }

    #[test]
    fn a_duration_is_the_double_that_go_prints() {
        for text in ["0.000583775", "0.015", "0.000415245", "1.5", "59.999999999"] {
            let exact: f64 = text.parse().unwrap();
            for near in [exact, exact.next_up(), exact.next_down()] {
                assert_eq!(nanoseconds(near).to_string(), text);
            }
        }
        assert_eq!(nanoseconds(0.0), 0.0);
    }
}
