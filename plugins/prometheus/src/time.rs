//! Times and spans as the API writes them: seconds, with a fraction of three digits. Both ways are exact to the
//! millisecond, which is all that Prometheus itself keeps.

use jackfield_sdk::types::TimestampMs;

/// `1700000000.123` from milliseconds.
pub(crate) fn seconds(ms: impl Into<i128>) -> String {
    let ms = ms.into();
    let sign = if ms < 0 { "-" } else { "" };
    let (whole, rest) = (ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000);
    if rest == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest:03}") }
}

/// Milliseconds from seconds. A double holds every millisecond of the next hundred thousand years, and rounding finds it.
pub(crate) fn ms(seconds: f64) -> TimestampMs {
    (seconds * 1000.0).round() as i64
}

/// A time as the API's lists have it. Go's zero time, the year 1, says that there is none.
pub(crate) fn rfc3339(text: &str) -> Option<TimestampMs> {
    jackfield_sdk::time::from_rfc3339(text).filter(|_| !text.starts_with("0001-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_and_read_to_the_millisecond() {
        for (time, text) in [
            (1_700_000_000_123, "1700000000.123"),
            (1_700_000_000_000, "1700000000"),
            (7, "0.007"),
            (0, "0"),
            (-1, "-0.001"),
            (-1500, "-1.500"),
            (253_402_300_799_999, "253402300799.999"),
        ] {
            assert_eq!(seconds(time), text);
            assert_eq!(ms(text.parse().unwrap()), time, "{text}");
        }
        assert_eq!(seconds(i64::MIN), "-9223372036854775.808");
    }

    #[test]
    fn every_millisecond_of_an_hour_is_found_again() {
        for time in 1_700_000_000_000..1_700_003_600_000_i64 {
            assert_eq!(ms(format!("{}.{:03}", time / 1000, time % 1000).parse().unwrap()), time);
        }
    }

    #[test]
    fn the_year_one_is_no_time() {
        assert_eq!(rfc3339("0001-01-01T00:00:00Z"), None);
        assert_eq!(rfc3339("2026-11-23T16:27:40.458514369Z"), Some(1_795_451_260_458));
    }
}
