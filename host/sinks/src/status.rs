//! How a sink is: whether it keeps up, and since when. What is decided here is pure; the clock is the caller's.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// So many records behind is lagging: at the usual 300 bytes a record some 3 MB, a few seconds' work of any receiver that
/// is well, and far less than the host keeps.
pub const LAG_RECORDS: u64 = 10_000;
/// So long behind is lagging: a record is not where it should be for a minute. What a deployment or a restarted receiver
/// costs is shorter.
pub const LAG_AFTER: Duration = Duration::from_secs(60);
/// What has lagged has caught up when no more than this is left: under load there is always something on its way.
const CAUGHT_UP: u64 = 100;
/// The longest text of an error that is kept, in characters.
const MAX_ERROR: usize = 300;

/// How a sink is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SinkStatus {
    /// What it is called.
    pub name: String,
    /// `file`, `syslog`, `otlp` or `webhook`.
    pub kind: String,
    /// Whether it keeps up.
    pub state: SinkState,
    /// Since when it is in that state, in milliseconds since 1970.
    pub since: i64,
    /// The number of the last record that was sent.
    pub sent: u64,
    /// The number of the last record that there is.
    pub head: u64,
    /// Records that will never be sent: the host let go of them before, or the receiver refused them for good.
    pub lost: u64,
    /// What went wrong last.
    pub last_error: Option<SinkFailure>,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SinkFailure {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// One sentence for a person.
    pub message: String,
}

/// Whether a sink keeps up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SinkState {
    /// It does.
    Ok,
    /// The last attempt failed; it is tried again.
    Retrying,
    /// It is far behind, or has been behind for long.
    Lagging,
}

impl SinkState {
    /// Its name in every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Retrying => "retrying",
            Self::Lagging => "lagging",
        }
    }
}

impl SinkFailure {
    pub(crate) fn now(message: &str) -> Self {
        let message: String = message.chars().filter(|c| !c.is_control()).take(MAX_ERROR).collect();
        Self { at: now_ms(), message }
    }
}

/// Watches whether a sink keeps up.
#[derive(Debug, Default)]
pub(crate) struct Keeping {
    /// A head that was not sent when it was looked at, and when that was.
    mark: Option<(Instant, u64)>,
}

impl Keeping {
    /// The state after a look at the numbers; `failed`: the last attempt did.
    pub(crate) fn look(&mut self, was: SinkState, sent: u64, head: u64, failed: bool, now: Instant) -> SinkState {
        let behind = head.saturating_sub(sent);
        if self.mark.is_none_or(|(_, mark)| sent >= mark) {
            self.mark = (behind > 0).then_some((now, head));
        }
        let long = self.mark.is_some_and(|(since, _)| now.saturating_duration_since(since) >= LAG_AFTER);
        match (was, failed) {
            _ if behind > LAG_RECORDS || long => SinkState::Lagging,
            (SinkState::Lagging, _) if failed || behind > CAUGHT_UP => SinkState::Lagging,
            (_, true) => SinkState::Retrying,
            _ => SinkState::Ok,
        }
    }
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_lags_when_it_is_far_behind_and_has_caught_up_when_little_is_left() {
        let (mut keeping, now) = (Keeping::default(), Instant::now());
        let mut state = SinkState::Ok;
        for (sent, head, failed, expected) in [
            (0, LAG_RECORDS, false, SinkState::Ok),
            (0, LAG_RECORDS + 1, false, SinkState::Lagging),
            (5_000, LAG_RECORDS + 1, false, SinkState::Lagging),
            (LAG_RECORDS, LAG_RECORDS + 50, true, SinkState::Lagging),
            (LAG_RECORDS, LAG_RECORDS + 50, false, SinkState::Ok),
            (LAG_RECORDS, LAG_RECORDS + 51, true, SinkState::Retrying),
            (LAG_RECORDS + 51, LAG_RECORDS + 51, false, SinkState::Ok),
        ] {
            state = keeping.look(state, sent, head, failed, now);
            assert_eq!(state, expected, "{sent} of {head}");
        }
    }

    #[test]
    fn a_sink_lags_when_it_has_been_behind_for_long_and_not_when_something_is_always_on_its_way() {
        let (mut keeping, start) = (Keeping::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        for second in 0..300 {
            let state = keeping.look(SinkState::Ok, second * 10, second * 10 + 5, false, at(second));
            assert_eq!(state, SinkState::Ok, "{second}");
        }
        assert_eq!(keeping.look(SinkState::Ok, 2_990, 2_996, true, at(330)), SinkState::Retrying);
        assert_eq!(keeping.look(SinkState::Retrying, 2_990, 2_996, true, at(360)), SinkState::Lagging);
        assert_eq!(keeping.look(SinkState::Lagging, 2_996, 2_996, false, at(361)), SinkState::Ok);
    }
}
