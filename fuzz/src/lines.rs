//! Bodies in lines, as plugins read watches and logs. Where the pieces of a body end, and where it falls silent, changes
//! nothing; a line is what stands between two line ends, and bytes that are no text are an error and not another text.

use std::time::Duration;

use jackfield_sdk::{
    http::{self, Line},
    testing::{self, Answer},
};

/// Checks a body.
pub fn check(input: &[u8]) {
    let expected = expected(input);
    let cut = input.first().map_or(0, |first| usize::from(*first) % input.len());
    let (head, tail) = input.split_at(cut);
    assert_eq!(all(Answer::new(200, input)), expected);
    assert_eq!(all(Answer::new(200, head).then(tail)), expected, "cut at {cut}");
    assert_eq!(all_within(Answer::new(200, head).then_idle().then(tail).then_idle()), expected, "silent at {cut}");
    let bytewise = input.iter().fold(Answer::new(200, ""), |answer, byte| answer.then([*byte]));
    assert_eq!(all(bytewise), expected, "bytes one by one");
    testing::reset();
}

/// The lines, or those before the first that is no text.
fn expected(body: &[u8]) -> (Vec<String>, bool) {
    let mut lines = Vec::new();
    if body.is_empty() {
        return (lines, true);
    }
    for line in body.strip_suffix(b"\n").unwrap_or(body).split(|byte| *byte == b'\n') {
        match std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)) {
            Ok(line) => lines.push(line.to_owned()),
            Err(_) => return (lines, false),
        }
    }
    (lines, true)
}

fn lines(answer: Answer) -> http::Lines {
    testing::answer(move |_| answer.clone());
    http::get("api", "/").send().expect("the stand-in answers").lines()
}

fn all(answer: Answer) -> (Vec<String>, bool) {
    let mut read = Vec::new();
    for line in lines(answer) {
        match line {
            Ok(line) => read.push(line),
            Err(_) => return (read, false),
        }
    }
    (read, true)
}

fn all_within(answer: Answer) -> (Vec<String>, bool) {
    let mut lines = lines(answer);
    let mut read = Vec::new();
    loop {
        match lines.next_within(Duration::from_millis(1)) {
            Ok(Line::Text(line)) => read.push(line),
            Ok(Line::Idle) => {}
            Ok(Line::End) => return (read, true),
            Err(_) => return (read, false),
        }
    }
}
