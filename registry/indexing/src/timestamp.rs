//! Points in time, to the second, in one spelling: an index is compared byte by byte, and two spellings of one time would be
//! two indexes.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The first second of the year 10000.
const END: u64 = 253_402_300_800;
const DAY: u64 = 86_400;

/// A point in time from 1970 to 9999, in UTC, shown as `2026-11-28T10:00:00Z`.
///
/// ```
/// use jackfield_index::Timestamp;
/// let time: Timestamp = "2026-11-28T10:00:00Z".parse().unwrap();
/// assert_eq!(time.to_string(), "2026-11-28T10:00:00Z");
/// assert!("2026-02-29T10:00:00Z".parse::<Timestamp>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(u64);

/// A text that is no point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time: write it in UTC and to the second, like `2026-11-28T10:00:00Z`")]
pub struct TimestampError;

impl Timestamp {
    /// From seconds since 1970; the last second of 9999 for later ones.
    pub fn from_seconds(seconds: u64) -> Self {
        Self(seconds.min(END - 1))
    }

    /// Now, or 1970 on a machine whose clock is before it.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// Seconds since 1970.
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// So much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self::from_seconds(self.0.saturating_add(time.as_secs()))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self::from_seconds(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut days, second) = (self.0 / DAY, self.0 % DAY);
        let mut year = 1970;
        while days >= days_of_year(year) {
            days -= days_of_year(year);
            year += 1;
        }
        let mut month = 1;
        while days >= days_of_month(year, month) {
            days -= days_of_month(year, month);
            month += 1;
        }
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days + 1)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let number = |at: std::ops::Range<usize>| -> Result<u64, TimestampError> {
            let digits = text.get(at).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
            digits.and_then(|digits| digits.parse().ok()).ok_or(TimestampError)
        };
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'Z')];
        if text.len() != 20 || marks.iter().any(|(at, mark)| text.as_bytes().get(*at) != Some(mark)) {
            return Err(TimestampError);
        }
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        let is_date = year >= 1970 && (1..=12).contains(&month) && (1..=days_of_month(year, month)).contains(&day);
        if !is_date || hour > 23 || minute > 59 || second > 59 {
            return Err(TimestampError);
        }
        let days: u64 = (1970..year).map(days_of_year).sum::<u64>()
            + (1..month).map(|month| days_of_month(year, month)).sum::<u64>()
            + day
            - 1;
        Ok(Self(days * DAY + hour * 3600 + minute * 60 + second))
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (END - 1, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp(seconds).to_string(), text);
            assert_eq!(text.parse(), Ok(Timestamp(seconds)));
        }
    }

    #[test]
    fn there_is_one_spelling() {
        for text in [
            "",
            "2026-11-28",
            "2026-11-28T10:00:00",
            "2026-11-28T10:00:00+00:00",
            "2026-11-28t10:00:00z",
            "2026-11-28T10:00:00.5Z",
            "2026-13-01T10:00:00Z",
            "2026-00-01T10:00:00Z",
            "2026-01-00T10:00:00Z",
            "2023-02-29T10:00:00Z",
            "2100-02-29T10:00:00Z",
            "2026-11-28T24:00:00Z",
            "2026-11-28T10:00:60Z",
            "+026-11-28T10:00:00Z",
            "1969-11-28T10:00:00Z",
            "２026-11-28T10:00:0Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
    }

    #[test]
    fn a_time_after_the_last_one_is_the_last_one() {
        assert_eq!(Timestamp::from_seconds(u64::MAX).after(Duration::MAX).to_string(), "9999-12-31T23:59:59Z");
    }
}
