//! Guests' lines in the host's log. A line is a stranger's text: it is bounded, kept to one line, and freed of control
//! characters, so that it can neither flood the log nor pass for a line of the host's.

use std::sync::Arc;

use jackfield_engine::{CallContext, LogLevel, LogSink};

use crate::{
    bounds::{Bound, Bounds},
    integrations::Live,
    leaks::Watch,
    token_bucket::TokenBucket,
    track::Tracks,
};

/// The longest line that is kept.
const MAX_LINE: usize = 4096;
/// Lines of one call that are kept.
const MAX_LINES: u32 = 100;

/// Lines a second that are kept of all calls of one integration, in the long run, and how many seconds' worth at once.
const LINES_A_SECOND: f64 = 50.0;
const BURST_SECONDS: f64 = 20.0;

/// The log of one integration's guests.
#[derive(Debug)]
pub(crate) struct GuestLog {
    integration: Arc<str>,
    tracks: Arc<Tracks>,
    bounds: Option<Arc<Bounds>>,
    leaks: Option<Arc<Watch>>,
    lines: TokenBucket,
}

impl GuestLog {
    /// The log of an integration.
    pub(crate) fn of(live: &Live, integration: Arc<str>) -> Self {
        Self {
            bounds: Some(live.bounds.clone()),
            leaks: Some(live.leaks.clone()),
            ..Self::unheard(integration, live.tracks.clone())
        }
    }

    /// The log of guests of which nothing is counted.
    pub(crate) fn unheard(integration: Arc<str>, tracks: Arc<Tracks>) -> Self {
        Self { integration, tracks, bounds: None, leaks: None, lines: TokenBucket::new(LINES_A_SECOND, BURST_SECONDS) }
    }

    fn dropped(&self, call: &CallContext, why: &str) {
        if let Some(bounds) = &self.bounds {
            bounds.hit(Bound::Log, || format!("`{}`: {why}; the rest is dropped", call.operation));
        }
    }
}

impl LogSink for GuestLog {
    fn write(&self, call: &CallContext, level: LogLevel, message: &str) {
        // What belongs to no running call cannot be counted, so it is dropped: the last half line of an instance that is.
        let Some(number) = self.tracks.update(call.id, |track| {
            track.lines = track.lines.saturating_add(1);
            track.lines
        }) else {
            return;
        };
        let integration = &*self.integration;
        let (id, operation) = (call.id, &*call.operation);
        if number > MAX_LINES {
            if number == MAX_LINES + 1 {
                self.dropped(call, &format!("the call has logged its {MAX_LINES} lines"));
            }
            return;
        }
        if self.lines.take().is_err() {
            return self.dropped(call, "the integration logs more lines a second than are kept");
        }
        let message = match &self.leaks {
            Some(leaks) => leaks.text(operation, "what the plugin logs", message),
            None => message.into(),
        };
        let line = clean(&message);
        match level {
            LogLevel::Trace => tracing::trace!(target: "jackfield::guest", integration, operation, call = id, "{line}"),
            LogLevel::Debug => tracing::debug!(target: "jackfield::guest", integration, operation, call = id, "{line}"),
            LogLevel::Info => tracing::info!(target: "jackfield::guest", integration, operation, call = id, "{line}"),
            LogLevel::Warn => tracing::warn!(target: "jackfield::guest", integration, operation, call = id, "{line}"),
            LogLevel::Error => tracing::error!(target: "jackfield::guest", integration, operation, call = id, "{line}"),
        }
    }
}

/// The text as one bounded line.
pub(crate) fn clean(message: &str) -> String {
    let cut = message.floor_char_boundary(MAX_LINE);
    let (kept, rest) = message.split_at(cut);
    let mut line: String = kept.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if !rest.is_empty() {
        line.push_str(" … (cut)");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_and_has_no_control_characters() {
        assert_eq!(clean("a\nERROR b\x1b[31m\r"), "a ERROR b [31m ");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let line = clean(&"ß".repeat(MAX_LINE));
        assert!(line.len() < MAX_LINE + 20 && line.ends_with("… (cut)"));
    }
}
