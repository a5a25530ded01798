//! What a plugin sends and what it makes of the answer.

use std::time::Duration;

use jackfield_sdk::http::{self, Line, Piece};
use jackfield_sdk::testing::{self, Answer};
use jackfield_sdk::types::{Error, ErrorKind, ErrorSource};

fn answers(answer: Answer) {
    testing::answer(move |_| answer.clone());
}

#[test]
fn a_request_is_sent_as_it_was_put_together() {
    answers(Answer::new(204, ""));
    http::put("api", "/v1/keys/a%2Fb")
        .query("q", "a&b=c d")
        .query_opt("none", None::<u32>)
        .query_all("match[]", ["x", "y"])
        .header("X-Trace", 7)
        .json(&["ü"])
        .timeout(Duration::from_millis(1500))
        .send()
        .unwrap();
    let sent = testing::sent().remove(0);
    assert_eq!(sent.method, "PUT");
    assert_eq!(sent.path_and_query, "/v1/keys/a%2Fb?q=a%26b%3Dc%20d&match%5B%5D=x&match%5B%5D=y");
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(sent.headers, [header("x-trace", "7"), header("content-type", "application/json")]);
    assert_eq!(sent.body, "[\"ü\"]".as_bytes());
    assert_eq!(sent.timeout, Some(Duration::from_millis(1500)));
}

#[test]
fn a_form_is_encoded() {
    answers(Answer::new(200, ""));
    http::post("api", "/q").read_only().form([("query", "up + 1"), ("time", "3")]).send().unwrap();
    assert_eq!(testing::sent()[0].body, b"query=up%20%2B%201&time=3");
}

#[test]
fn a_refusal_carries_the_outside_systems_words() {
    answers(Answer::json(400, r#"{"status":"error","error":"parse error at char 3"}"#));
    let error = http::get("api", "/api/v1/query").query("query", "((").send().unwrap().error_for_status().unwrap_err();
    assert_eq!(error.message, "GET /api/v1/query on `api` was answered with 400 Bad Request: parse error at char 3");
    assert_eq!((error.source, error.code.as_deref()), (ErrorSource::Downstream, Some("HTTP 400")));
}

#[test]
fn a_system_with_a_form_of_its_own_brings_its_own_reason() {
    answers(Answer::json(500, r#"{"code":5,"msg":"no leader"}"#));
    let error = http::post("api", "/v3/kv/put")
        .send()
        .unwrap()
        .error_for_status_with(|body| {
            let body: serde_json::Value = serde_json::from_slice(body).ok()?;
            Some(http::Reason { message: body["msg"].as_str()?.into(), code: Some(body["code"].to_string()) })
        })
        .unwrap_err();
    assert!(error.message.ends_with("no leader"));
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::OutcomeUnknown, Some("5")));
}

#[test]
fn an_answer_that_is_not_what_it_should_be_is_the_outside_systems_fault() {
    for (answer, words) in [
        (Answer::new(200, "<html>").header("content-type", "text/html"), "text/html"),
        (Answer::json(200, "{\"a\":"), "EOF"),
        (Answer::json(200, "[1]"), "invalid type"),
        (Answer::new(200, ""), "EOF"),
    ] {
        answers(answer);
        let error =
            http::get("api", "/x").send().unwrap().json::<std::collections::BTreeMap<String, u8>>().unwrap_err();
        assert_eq!((error.kind, error.source), (ErrorKind::Internal, ErrorSource::Downstream));
        assert!(
            error.message.starts_with("the answer to GET /x on `api` is not JSON of the known form"),
            "{}",
            error.message
        );
        assert!(error.message.contains(words), "{}", error.message);
    }
}

#[test]
fn a_body_arrives_in_pieces_of_any_size() {
    answers(Answer::new(200, "one ").then("two ").then("three"));
    assert_eq!(http::get("api", "/").send().unwrap().text().unwrap(), "one two three");
    let mut response = http::get("api", "/").send().unwrap();
    assert_eq!(response.read(2).unwrap().unwrap(), b"on");
    assert_eq!(response.read(100).unwrap().unwrap(), b"e ");
}

#[test]
fn a_line_that_comes_in_pieces_is_whole_and_nothing_is_lost_while_waiting() {
    answers(Answer::new(200, "{\"a\":").then_idle().then("1}\r\n{\"b\"").then(":2}\n\n").then_idle().then("last"));
    let mut lines = http::get("api", "/watch").send().unwrap().lines();
    let mut seen = Vec::new();
    loop {
        match lines.next_within(Duration::from_millis(1)).unwrap() {
            Line::Text(line) => seen.push(line),
            Line::Idle => seen.push("(idle)".into()),
            Line::End => break,
        }
    }
    assert_eq!(seen, ["(idle)", "{\"a\":1}", "{\"b\":2}", "", "(idle)", "last"]);
    let all: Result<Vec<_>, Error> = http::get("api", "/watch").send().unwrap().lines().collect();
    assert_eq!(all.unwrap(), ["{\"a\":1}", "{\"b\":2}", "", "last"]);
}

#[test]
fn silence_and_the_end_of_a_body_are_told_apart() {
    answers(Answer::new(200, "x").then_idle());
    let mut response = http::get("api", "/").send().unwrap();
    let wait = Duration::from_millis(1);
    assert_eq!(response.read_within(9, wait).unwrap(), Piece::Data(b"x".to_vec()));
    assert_eq!(response.read_within(9, wait).unwrap(), Piece::Idle);
    assert_eq!(response.read_within(9, wait).unwrap(), Piece::End);
}

#[test]
fn a_read_that_was_lost_is_unavailable_and_a_write_has_an_unknown_outcome() {
    testing::answer_with(|_| Err(Error::outcome_unknown("the connection broke")));
    let kind = |request: http::Request| request.send().unwrap_err().kind;
    assert_eq!(kind(http::get("api", "/")), ErrorKind::Unavailable);
    assert_eq!(kind(http::post("api", "/").read_only()), ErrorKind::Unavailable);
    assert_eq!(kind(http::post("api", "/")), ErrorKind::OutcomeUnknown);
    assert_eq!(kind(http::delete("api", "/")), ErrorKind::OutcomeUnknown);

    answers(Answer::new(200, "{").then_fail(Error::unavailable("the connection broke")));
    let kind = |request: http::Request| request.send().unwrap().bytes().unwrap_err().kind;
    assert_eq!(kind(http::get("api", "/")), ErrorKind::Unavailable);
    assert_eq!(kind(http::post("api", "/")), ErrorKind::OutcomeUnknown, "it had arrived");
}

#[test]
fn a_refusal_whose_body_breaks_off_is_still_a_refusal() {
    answers(Answer::new(403, "not ").then_fail(Error::unavailable("the connection broke")));
    let error = http::get("api", "/").send().unwrap().error_for_status().unwrap_err();
    assert_eq!(error.kind, ErrorKind::PermissionDenied);
    assert!(error.message.ends_with(": not"));
}

#[test]
fn a_plugin_is_configured_and_logs() {
    testing::set_config(r#"{"prefix":"/a"}"#);
    #[derive(serde::Deserialize)]
    struct Config {
        prefix: String,
    }
    assert_eq!(jackfield_sdk::config::get::<Config>().unwrap().prefix, "/a");
    testing::set_config("{}");
    assert!(jackfield_sdk::config::get::<Config>().err().unwrap().message.contains("missing field `prefix`"));
    jackfield_sdk::warn!("{} of {}", 1, 2);
    assert_eq!(testing::logs(), [(jackfield_sdk::log::Level::Warn, "1 of 2".to_owned())]);
}

#[test]
fn a_change_that_loses_starts_over_until_it_wins() {
    use jackfield_sdk::state::{self, Batch, Expect};
    state::set("n", "0").unwrap();
    let mut rounds = 0;
    let total = state::retry(|| {
        let (n, revision) = state::get_json::<u32>("n")?.unwrap();
        rounds += 1;
        if rounds < 3 {
            state::set("n", (n + 10).to_string())?;
        }
        let committed = Batch::new().set_json("n", &(n + 1), Expect::Revision(revision))?.try_commit()?;
        Ok(committed.map(|_| n + 1))
    });
    assert_eq!(total.unwrap(), 21);
    assert!(state::retry(|| Ok(None::<()>)).unwrap_err().is_conflict());
    state::delete("n").unwrap();
    assert_eq!(state::get("n").unwrap(), None);
}
