//! The native side of the SDK's seam to the host.

use std::collections::VecDeque;
use std::time::Duration;

use super::{OUTSIDE, Piece, Sent, WORLD};
use crate::bindings::jackfield::plugin::{log, outbound, state};
use crate::types::{Error, Result};

pub(crate) fn config_get() -> String {
    WORLD.with_borrow(|world| world.config.clone()).unwrap_or_else(|| "{}".to_owned())
}

pub(crate) fn log_write(level: log::Level, message: &str) {
    WORLD.with_borrow_mut(|world| world.logs.push((level, message.to_owned())));
}

pub(crate) fn state_get(key: &str) -> Result<Option<state::Versioned>> {
    Ok(WORLD.with_borrow(|world| world.state.get(key)))
}

pub(crate) fn state_list(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<state::Item>> {
    Ok(WORLD.with_borrow(|world| world.state.list(prefix, after, limit)))
}

pub(crate) fn state_commit(mutations: Vec<state::Mutation>) -> Result<u64> {
    WORLD.with_borrow_mut(|world| world.state.commit(mutations))
}

pub(crate) fn send(request: outbound::Request) -> Result<(u16, Vec<outbound::Header>, Body)> {
    let sent = Sent {
        endpoint: request.endpoint,
        method: request.method,
        path_and_query: request.path_and_query,
        headers: request.headers.into_iter().map(|header| (header.name, header.value)).collect(),
        body: request.body,
        timeout: request.timeout_ms.map(|ms| Duration::from_millis(ms.into())),
    };
    WORLD.with_borrow_mut(|world| world.sent.push(sent.clone()));
    // Taken out while it runs, so that it may use the SDK itself.
    let Some(mut outside) = OUTSIDE.take() else {
        return Err(Error::unavailable("this test plays no outside system; call `testing::answer`").downstream());
    };
    let answer = outside(&sent);
    OUTSIDE.with_borrow_mut(|slot| {
        slot.get_or_insert(outside);
    });
    let answer = answer?;
    let headers = answer.headers.into_iter().map(|(name, value)| outbound::Header { name, value }).collect();
    Ok((answer.status, headers, Body(answer.pieces.into())))
}

pub(crate) fn secrets_generate(length: u32) -> Result<String> {
    // One that tests can tell by its length; the host's are random.
    Ok(format!("secret-of-{length}"))
}

/// As the host does it: a name in place of each text that is taken, `secret-at:` and its pointer.
pub(crate) fn secrets_send(
    request: outbound::Request,
    take: Vec<String>,
) -> Result<(u16, Vec<outbound::Header>, Body)> {
    let (status, headers, mut body) = send(request)?;
    if take.is_empty() || !(200..300).contains(&status) {
        return Ok((status, headers, body));
    }
    let mut text = Vec::new();
    while let Some(piece) = body.read(u32::MAX)? {
        text.extend(piece);
    }
    let unfit =
        |reason: String| Error::internal(format!("no secret can be taken out of the answer: {reason}")).downstream();
    let mut answer: serde_json::Value = serde_json::from_slice(&text).map_err(|_| unfit("it is no JSON".into()))?;
    for pointer in take {
        match answer.pointer_mut(&pointer) {
            Some(serde_json::Value::String(text)) => *text = format!("secret-at:{pointer}"),
            _ => return Err(unfit(format!("there is no text at `{pointer}` in the answer"))),
        }
    }
    Ok((status, headers, Body(VecDeque::from([Piece::Data(answer.to_string().into_bytes())]))))
}

#[derive(Debug)]
pub(crate) struct Body(VecDeque<Piece>);

impl Body {
    pub(crate) fn read(&mut self, max: u32) -> Result<Option<Vec<u8>>> {
        loop {
            match self.read_within(max, u32::MAX)? {
                Some(idle) if idle.is_empty() => {}
                other => return Ok(other),
            }
        }
    }

    pub(crate) fn read_within(&mut self, max: u32, _wait_ms: u32) -> Result<Option<Vec<u8>>> {
        match self.0.pop_front() {
            None => Ok(None),
            Some(Piece::Idle) => Ok(Some(Vec::new())),
            Some(Piece::Fail(error)) => Err(error),
            Some(Piece::Data(mut data)) => {
                let rest = data.split_off(data.len().min(max as usize));
                if !rest.is_empty() {
                    self.0.push_front(Piece::Data(rest));
                }
                // An empty piece of a test is not a silence.
                if data.is_empty() { self.read_within(max, _wait_ms) } else { Ok(Some(data)) }
            }
        }
    }
}
