//! Answers that real servers gave, and a stand-in that gives them again. The first part of a file's name is the server:
//! `p2` is Prometheus 2.42.0, `p3` 3.5.3, `v1` VictoriaMetrics 1.79.5, `v2` 1.145.0, `vmalert` either's.

#![allow(dead_code, reason = "each test program uses a part of it")]

use jackfield_sdk::testing::{self, Answer, Sent};

/// A recorded answer.
pub(crate) fn recorded(file: &str) -> String {
    let path = format!("{}/tests/data/{file}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Answers everything with one recorded answer.
pub(crate) fn answer_with(status: u16, file: &str) {
    let (body, victoria) = (recorded(file), file.starts_with('v'));
    testing::answer(move |_| dress(Answer::json(status, &body), victoria));
}

/// What VictoriaMetrics puts into every answer.
pub(crate) fn dress(answer: Answer, victoria: bool) -> Answer {
    if victoria { answer.header("x-server-hostname", "vm") } else { answer }
}

/// The only request that was sent.
pub(crate) fn only_sent() -> Sent {
    let sent = testing::sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    sent.into_iter().next().unwrap()
}

/// The form of a request as text.
pub(crate) fn form(sent: &Sent) -> String {
    assert_eq!(sent.headers[0], ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
    String::from_utf8(sent.body.clone()).unwrap()
}
