//! OpenTelemetry logs: OTLP over HTTP in its JSON form (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>). A record is a
//! log record; its body is the line as it is chained, its attributes what one searches by.
//!
//! What a collector rejects in part it does not want again, so it counts as lost. A collector that refuses everything is
//! asked again, for ever: the protocol would have us drop what it calls bad, and a trail is not dropped.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use super::{Deliver, Failed, Taken, http::Client};
use crate::{
    entry::{Entry, Severity},
    status::now_ms,
    trail::Batch,
};

pub(super) struct Otlp(pub(super) Client);

#[async_trait]
impl Deliver for Otlp {
    async fn deliver(&mut self, batch: &Batch<'_>) -> Result<Taken, Failed> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = serde_json::to_vec(&request(batch, now_ms())).map_err(|error| error.to_string())?;
        let answer = self.0.post("/v1/logs", headers, Bytes::from(body)).await?;
        Ok(taken(&answer, batch.entries.len() as u64))
    }
}

/// `ExportLogsServiceRequest`.
fn request(batch: &Batch<'_>, now: i64) -> Value {
    let lost = batch.loss().map(|said| {
        json!({
            "timeUnixNano": nanos(now), "observedTimeUnixNano": nanos(now), "severityNumber": 17, "severityText": "ERROR",
            "eventName": "jackfield.audit.lost", "body": {"stringValue": said},
            "attributes": [number("jackfield.audit.lost", batch.lost)],
        })
    });
    let records: Vec<Value> = lost.into_iter().chain(batch.entries.iter().map(|entry| record(entry, now))).collect();
    json!({"resourceLogs": [{
        "resource": {"attributes": [
            text("service.name", "jackfield"),
            text("service.version", env!("CARGO_PKG_VERSION")),
            text("jackfield.audit.chain", batch.chain.0),
            text("jackfield.audit.key", batch.chain.1),
        ]},
        "scopeLogs": [{"scope": {"name": "jackfield.audit"}, "logRecords": records}],
    }]})
}

fn record(entry: &Entry, now: i64) -> Value {
    let facts = entry.facts();
    let (severity, word) = match facts.severity() {
        Severity::Info => (9, "INFO"),
        Severity::Notice => (10, "INFO2"),
        Severity::Warning => (13, "WARN"),
        Severity::Error => (17, "ERROR"),
    };
    let outcome = facts.outcome.unwrap_or_default();
    let result = Some(outcome.result.as_str()).filter(|result| !result.is_empty());
    let some = |name: &str, value: Option<&str>| value.map(|value| text(name, value));
    let attributes: Vec<Value> = [
        Some(number("jackfield.audit.seq", entry.seq)),
        some("jackfield.audit.kind", Some(&facts.kind)),
        some("jackfield.audit.subject", Some(&facts.subject)),
        some("jackfield.audit.action", Some(&facts.action)),
        some("jackfield.audit.target", facts.target.as_deref()),
        facts.call.map(|call| number("jackfield.audit.call", call)),
        some("jackfield.audit.outcome", result),
        some("error.type", outcome.kind.as_deref()),
        some("jackfield.audit.error-source", outcome.source.as_deref()),
    ]
    .into_iter()
    .flatten()
    .collect();
    json!({
        "timeUnixNano": nanos(facts.at), "observedTimeUnixNano": nanos(now), "severityNumber": severity,
        "severityText": word, "eventName": format!("jackfield.audit.{}", facts.kind),
        "body": {"stringValue": entry.line}, "attributes": attributes,
    })
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// Numbers of 64 bits are texts in the JSON of protocol buffers.
fn number(key: &str, value: u64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

fn nanos(ms: i64) -> String {
    (i128::from(ms.max(0)) * 1_000_000).to_string()
}

/// What a collector has taken that answers so; an answer that is none says that it has taken all.
fn taken(answer: &[u8], sent: u64) -> Taken {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let partial = answer.get("partialSuccess");
    let member = |name: &str| partial.and_then(|partial| partial.get(name));
    let rejected = member("rejectedLogRecords");
    let rejected = rejected.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok())).unwrap_or(0);
    let words = member("errorMessage").and_then(Value::as_str).unwrap_or_default().to_owned();
    Taken { refused: rejected.min(sent), words }
}

#[cfg(test)]
mod tests {
    use jackfield_audit::Head;

    use super::*;

    #[test]
    fn a_record_is_a_log_record_with_its_line_as_body() {
        let line = r#"{"seq":9,"prev":"ab","at":1700000000123,"kind":"call","subject":"local","action":"key-value.put","target":"play","call":4,"outcome":{"result":"error","kind":"not-found","source":"downstream"}}"#;
        let entries = [Entry { seq: 9, prev: "ab".into(), line: line.into() }];
        let batch =
            Batch { chain: ("5f0c", "00"), before: Head { seq: 8, hash: "ab".into() }, lost: 3, entries: &entries };
        let request = request(&batch, 1_700_000_000_200);
        let logs = &request["resourceLogs"][0];
        assert_eq!(
            logs["resource"]["attributes"][2],
            json!({"key": "jackfield.audit.chain", "value": {"stringValue": "5f0c"}})
        );
        let records = logs["scopeLogs"][0]["logRecords"].as_array().unwrap();
        assert_eq!(records[0]["eventName"], "jackfield.audit.lost");
        assert_eq!(records[0]["attributes"][0], json!({"key": "jackfield.audit.lost", "value": {"intValue": "3"}}));
        let record = &records[1];
        assert_eq!((&record["timeUnixNano"], &record["severityNumber"]), (&json!("1700000000123000000"), &json!(13)));
        assert_eq!(record["body"]["stringValue"], line);
        let attributes = record["attributes"].as_array().unwrap();
        for expected in [
            json!({"key": "jackfield.audit.seq", "value": {"intValue": "9"}}),
            json!({"key": "jackfield.audit.call", "value": {"intValue": "4"}}),
            json!({"key": "error.type", "value": {"stringValue": "not-found"}}),
        ] {
            assert!(attributes.contains(&expected), "{expected} in {attributes:?}");
        }
    }

    #[test]
    fn what_a_collector_rejects_in_part_is_counted_however_it_spells_the_number() {
        for (answer, refused) in [
            (r#"{}"#, 0),
            ("", 0),
            ("[", 0),
            (r#"{"partialSuccess":{}}"#, 0),
            (r#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"too old"}}"#, 3),
            (r#"{"partialSuccess":{"rejectedLogRecords":2}}"#, 2),
            (r#"{"partialSuccess":{"rejectedLogRecords":99}}"#, 5),
            (r#"{"partialSuccess":{"rejectedLogRecords":-1}}"#, 0),
        ] {
            assert_eq!(taken(answer.as_bytes(), 5).refused, refused, "{answer}");
        }
    }
}
