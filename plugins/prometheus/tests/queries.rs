//! Queries, against answers of real servers.

mod common;

use common::{answer_with, form, only_sent, recorded};
use jackfield_sdk::testing::{self, Answer};
use jackfield_sdk::types::{Error, ErrorKind, ErrorSource, label};
use plugin_prometheus::Prometheus;
use plugin_prometheus::wit::Metrics;
use plugin_prometheus::wit::metrics::{BucketBounds, QueryData, QueryResult, Sample};
use serde_json::Value;

const AT: i64 = 1_700_000_000_123;

fn query(text: &str) -> Result<QueryResult, Error> {
    testing::set_config("{}");
    Prometheus::query(text.into(), Some(AT))
}

fn query_of(file: &str) -> QueryResult {
    answer_with(200, file);
    query("whatever").unwrap()
}

#[test]
fn a_vector_has_every_value_as_the_server_gave_it() {
    for (file, series) in [("p2-vector", 3), ("p3-vector", 4)] {
        let QueryData::Vector(found) = query_of(file).data else { panic!("{file}") };
        assert_eq!(found.len(), series);
        let sample = |at: usize| found[at].sample.unwrap();
        assert!(found.iter().all(|one| one.sample.unwrap().timestamp == AT && one.histogram.is_none()));
        assert!(sample(0).value.is_nan() && found[0].labels.is_empty());
        assert_eq!((sample(1).value, &found[1].labels[..]), (1e30, &[label("a", "b")][..]));
        assert_eq!(sample(2).value, f64::NEG_INFINITY);
        if series == 4 {
            assert_eq!((sample(3).value, &found[3].labels[..]), (f64::INFINITY, &[label("z_ä", "q\"x")][..]));
        }
    }
}

#[test]
fn a_matrix_has_its_samples_to_the_millisecond() {
    for file in ["p3-matrix", "v1-matrix"] {
        let QueryData::Matrix(found) = query_of(file).data else { panic!("{file}") };
        let times: Vec<i64> = (0..5).map(|n| AT + 500 * n).collect();
        assert_eq!(found[0].samples.iter().map(|sample| sample.timestamp).collect::<Vec<_>>(), times);
        assert!(found[0].samples.iter().all(|sample| sample.value == sample.timestamp as f64 / 1000.0));
        assert!(found[0].histograms.is_empty());
    }
}

#[test]
fn scalars_and_texts_are_told_apart() {
    let inf = Sample { timestamp: 1_700_000_000_999, value: f64::INFINITY };
    assert_eq!(query_of("p3-scalar").data, QueryData::Scalar(inf));
    let QueryData::Vector(one) = query_of("v1-scalar").data else { panic!() };
    assert_eq!(one[0].sample, Some(inf));
    let QueryData::Text(text) = query_of("p3-string").data else { panic!() };
    assert_eq!((text.timestamp, text.value.as_str()), (1_700_000_000_000, "a\nb"));
}

#[test]
fn native_histograms_keep_their_buckets() {
    let QueryData::Vector(vector) = query_of("p3-histogram").data else { panic!() };
    let found = vector[0].histogram.clone().unwrap();
    let told: Value = serde_json::from_str(&recorded("p3-histogram")).unwrap();
    let told = &told["data"]["result"][0]["histogram"];
    assert!(vector[0].sample.is_none() && !found.buckets.is_empty());
    assert_eq!(found.timestamp as f64 / 1000.0, told[0].as_f64().unwrap());
    let number = |value: &Value| value.as_str().unwrap().parse::<f64>().unwrap();
    assert_eq!((found.count, found.sum), (number(&told[1]["count"]), number(&told[1]["sum"])));
    for (bucket, told) in found.buckets.iter().zip(told[1]["buckets"].as_array().unwrap()) {
        assert_eq!(bucket.bounds, BucketBounds::OpenLeft);
        assert_eq!((bucket.lower, bucket.upper, bucket.count), (number(&told[1]), number(&told[2]), number(&told[3])));
    }
    let QueryData::Matrix(matrix) = query_of("p3-histograms").data else { panic!() };
    assert_eq!((matrix[0].samples.len(), matrix[0].histograms.len()), (0, 3));
    assert_eq!(matrix[0].histograms[2].timestamp - matrix[0].histograms[0].timestamp, 2000);
}

#[test]
fn the_four_rules_for_a_buckets_borders_are_known_and_no_other() {
    let answer = |rule: u8| {
        let body = format!(
            r#"{{"status":"success","data":{{"result":[{{"metric":null,"histogram":[1,{{"count":"1","sum":"1","buckets":[[{rule},"-1","1","1"]]}}]}}],"resultType":"vector"}}}}"#
        );
        testing::answer(move |_| Answer::json(200, &body));
        query("h")
    };
    let bounds = |rule| match answer(rule).unwrap().data {
        QueryData::Vector(found) => found[0].histogram.as_ref().unwrap().buckets[0].bounds,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (0..4).map(bounds).collect::<Vec<_>>(),
        [BucketBounds::OpenLeft, BucketBounds::OpenRight, BucketBounds::Open, BucketBounds::Closed]
    );
    assert_eq!(answer(4).unwrap_err().kind, ErrorKind::Internal);
}

#[test]
fn warnings_and_infos_come_with_the_answer() {
    let found = query_of("p3-warnings");
    assert_eq!((found.warnings.len(), found.infos.len()), (1, 1));
    assert!(found.warnings[0].contains("quantile value") && found.infos[0].contains("might not be a counter"));
    testing::answer(|_| {
        Answer::json(200, r#"{"status":"success","isPartial":true,"data":{"resultType":"vector","result":[]}}"#)
    });
    assert!(query("up").unwrap().warnings[0].contains("partial"));
}

#[test]
fn what_is_sent_is_a_form_with_times_in_seconds() {
    testing::set_config(r#"{"tenant": "team-a|team-b", "timeout-ms": 2500}"#);
    answer_with(200, "p3-vector");
    Prometheus::query("up{a=\"b&c\"} + 1".into(), Some(AT)).unwrap();
    let sent = only_sent();
    assert_eq!(
        (sent.endpoint.as_str(), sent.method.as_str(), sent.path_and_query.as_str()),
        ("api", "POST", "/api/v1/query")
    );
    assert_eq!(form(&sent), "query=up%7Ba%3D%22b%26c%22%7D%20%2B%201&time=1700000000.123&timeout=2500ms");
    assert!(sent.headers.contains(&("x-scope-orgid".into(), "team-a|team-b".into())));
    assert_eq!(sent.timeout.unwrap().as_millis(), 3500);

    testing::reset();
    answer_with(200, "p3-matrix");
    Prometheus::query_range("up".into(), AT, AT + 60_000, 15_500).unwrap();
    let sent = only_sent();
    assert_eq!(sent.path_and_query, "/api/v1/query_range");
    assert_eq!(form(&sent), "query=up&start=1700000000.123&end=1700000060.123&step=15.500&nocache=1");
    assert_eq!(sent.timeout, None);

    testing::reset();
    answer_with(200, "p3-vector");
    Prometheus::query("up".into(), None).unwrap();
    assert_eq!(form(&only_sent()), "query=up");
}

#[test]
fn what_cannot_be_right_is_refused_before_it_is_sent() {
    testing::set_config(r#"{"max-points": 100}"#);
    let field = |result: Result<QueryResult, Error>| match result.unwrap_err().kind {
        ErrorKind::Invalid(violation) => violation.field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(Prometheus::query(" ".into(), None)), "/query");
    assert_eq!(field(Prometheus::query_range(String::new(), 0, 1, 1)), "/query");
    assert_eq!(field(Prometheus::query_range("up".into(), 0, 1, 0)), "/step-ms");
    assert_eq!(field(Prometheus::query_range("up".into(), 1, 0, 1)), "/end");
    assert_eq!(field(Prometheus::query_range("up".into(), i64::MIN, i64::MAX, 1)), "/step-ms");
    assert_eq!(field(Prometheus::query_range("up".into(), 0, 100_000, 1000)), "/step-ms");
    assert!(testing::sent().is_empty());
}

#[test]
fn the_servers_errors_have_its_code_and_our_kind_and_field() {
    let invalid = |field: &str| ErrorKind::Invalid(jackfield_sdk::types::FieldViolation { field: field.into() });
    for (status, file, code, kind) in [
        (400, "p3-bad-query", "bad_data", invalid("/query")),
        (400, "p3-bad-time", "bad_data", invalid("/time")),
        (400, "p3-too-many", "bad_data", invalid("/step-ms")),
        (422, "p3-execution", "execution", invalid("/query")),
        (503, "p3-timeout", "timeout", ErrorKind::DeadlineExceeded),
        (422, "p3-timeout-in-storage", "execution", ErrorKind::DeadlineExceeded),
        (422, "v2-bad-query", "422", invalid("/query")),
        (422, "v2-too-many", "422", invalid("/step-ms")),
    ] {
        answer_with(status, file);
        let error = query("up").unwrap_err();
        assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)), "{file}: {}", error.message);
        assert_eq!(error.source, ErrorSource::Downstream);
    }
}

#[test]
fn errors_that_have_no_recording_are_told_by_their_type() {
    for (status, kind_of_theirs, kind) in [
        (503, "canceled", ErrorKind::Unavailable),
        (500, "internal", ErrorKind::Internal),
        (503, "unavailable", ErrorKind::Unavailable),
        (404, "not_found", ErrorKind::NotFound),
        (406, "not_acceptable", ErrorKind::Unsupported),
        (503, "503", ErrorKind::Unavailable),
        (401, "what", ErrorKind::Unauthenticated),
    ] {
        let body = format!(r#"{{"status":"error","errorType":"{kind_of_theirs}","error":"why"}}"#);
        testing::answer(move |_| Answer::json(status, &body));
        let error = query("up").unwrap_err();
        assert_eq!((error.kind, error.code.as_deref()), (kind, Some(kind_of_theirs)));
        assert!(error.message.ends_with(": why"), "{}", error.message);
    }
    testing::answer(|_| {
        let body = r#"{"status":"error","errorType":"too_many_requests","error":"slow down"}"#;
        Answer::json(429, body).header("retry-after", "2")
    });
    let ErrorKind::RateLimited(after) = query("up").unwrap_err().kind else { panic!() };
    assert_eq!(after.delay_ms, Some(2000));
}

#[test]
fn a_path_that_is_not_there_is_unsupported_and_the_rest_goes_by_the_status() {
    for (status, body, kind) in [
        (404, "404 page not found\n", ErrorKind::Unsupported),
        (400, "unsupported path requested: \"/x/api/v1/query\"\n", ErrorKind::Unsupported),
        (503, "Service Unavailable", ErrorKind::Unavailable),
        (401, "Unauthorized", ErrorKind::Unauthenticated),
        (403, "<html>no</html>", ErrorKind::PermissionDenied),
        (502, "<html>bad gateway</html>", ErrorKind::Unavailable),
    ] {
        testing::answer(move |_| Answer::new(status, body));
        let error = query("up").unwrap_err();
        assert_eq!(error.kind, kind, "{body}");
        assert_eq!(error.message.contains("base path"), kind == ErrorKind::Unsupported, "{}", error.message);
        assert_eq!(error.source, ErrorSource::Downstream);
    }
}

#[test]
fn garbage_is_the_servers_fault_and_never_a_panic() {
    let whole = recorded("p3-vector");
    let mut bodies: Vec<String> = [
        "",
        "<html>hello</html>",
        "null",
        "[]",
        "{}",
        r#"{"status":"success"}"#,
        r#"{"status":"success","data":null}"#,
        r#"{"status":"error","data":{"resultType":"vector","result":[]}}"#,
        r#"{"status":"success","data":{"resultType":"vector"}}"#,
        r#"{"status":"success","data":{"resultType":"scalar","result":[]}}"#,
        r#"{"status":"success","data":{"resultType":"scalar","result":[1]}}"#,
        r#"{"status":"success","data":{"resultType":"scalar","result":[1,"x"]}}"#,
        r#"{"status":"success","data":{"resultType":"streams","result":[]}}"#,
        r#"{"status":"success","data":{"resultType":"matrix","result":[1,"1"]}}"#,
        r#"{"status":"success","data":{"resultType":"vector","result":[{"value":[1,1]}]}}"#,
        r#"{"status":"success","data":{"resultType":"vector","result":[{"value":["1","1"]}]}}"#,
        r#"{"status":"success","data":{"resultType":"vector","result":[{}, 1]}}"#,
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    bodies.extend((0..whole.len()).filter(|end| whole.is_char_boundary(*end)).map(|end| whole[..end].to_owned()));
    for body in bodies {
        let text = body.clone();
        testing::answer(move |_| Answer::new(200, text.clone()));
        let error = query("up").expect_err(&body);
        assert_eq!((error.kind, error.source), (ErrorKind::Internal, ErrorSource::Downstream), "{body}");
    }
}

#[test]
fn the_members_of_an_answer_may_come_in_any_order_and_empty_lists_may_be_null() {
    for body in [
        r#"{"data":{"result":[{"values":[[1,"2"]],"metric":{"b":"2","a":"1"}}],"resultType":"matrix"},"status":"success"}"#,
        r#"{"infos":null,"data":{"result":[{"histograms":null,"values":[[1,"2"]],"metric":{"a":"1","b":"2"},"x":{}}],"resultType":"matrix"},"warnings":null,"status":"success","stats":{}}"#,
    ] {
        testing::answer(move |_| Answer::json(200, body));
        let QueryData::Matrix(found) = query("up").unwrap().data else { panic!() };
        assert_eq!(found[0].labels, [label("a", "1"), label("b", "2")]);
        assert_eq!(found[0].samples, [Sample { timestamp: 1000, value: 2.0 }]);
    }
    testing::answer(|_| Answer::json(200, r#"{"status":"success","data":{"resultType":"matrix","result":null}}"#));
    assert_eq!(query("up").unwrap().data, QueryData::Matrix(Vec::new()));
}
