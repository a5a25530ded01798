//! Times: milliseconds since 1970-01-01T00:00:00Z, as the capabilities have them, and RFC 3339 texts, as most outside
//! systems have them. The calendar is the proleptic Gregorian one; leap seconds are read as the second before.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::types::TimestampMs;

const DAY_MS: i64 = 86_400_000;

/// Now.
pub fn now_ms() -> TimestampMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time as RFC 3339 in UTC with milliseconds. `None` for years outside 0 to 9999.
///
/// ```
/// use jackfield_sdk::time::to_rfc3339;
/// assert_eq!(to_rfc3339(951_782_400_123).as_deref(), Some("2000-02-29T00:00:00.123Z"));
/// ```
pub fn to_rfc3339(ms: TimestampMs) -> Option<String> {
    let (year, month, day) = date_of(ms.div_euclid(DAY_MS));
    let in_day = ms.rem_euclid(DAY_MS);
    let (hour, minute, second, milli) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60, in_day % 1000);
    (0..=9999)
        .contains(&year)
        .then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"))
}

/// A time from RFC 3339, with any offset and any number of digits after the second; what is finer than a millisecond is
/// cut off. `None` where it is no such text.
///
/// ```
/// use jackfield_sdk::time::from_rfc3339;
/// assert_eq!(from_rfc3339("2000-02-29T01:00:00.123456789+01:00"), Some(951_782_400_123));
/// assert_eq!(from_rfc3339("yesterday"), None);
/// ```
pub fn from_rfc3339(text: &str) -> Option<TimestampMs> {
    let bytes = text.as_bytes();
    if !text.is_ascii() || bytes.len() < 20 {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = &text[from..to];
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<i64>().ok()).flatten()
    };
    let separators = bytes[4] == b'-'
        && bytes[7] == b'-'
        && matches!(bytes[10], b'T' | b't' | b' ')
        && bytes[13] == b':'
        && bytes[16] == b':';
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let in_range = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 60;
    if !separators || !in_range {
        return None;
    }
    let (milli, zone) = fraction(&text[19..])?;
    let offset_minutes = offset(zone)?;
    let in_day = hour * 3_600_000 + minute * 60_000 + second.min(59) * 1000 + milli;
    Some(days_from(year, month, day) * DAY_MS + in_day - offset_minutes * 60_000)
}

/// Milliseconds from `.123456Z`, and what follows the digits.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let milli = rest[..digits].bytes().chain(*b"000").take(3).fold(0, |n, digit| n * 10 + i64::from(digit - b'0'));
    (digits > 0).then(|| (milli, &rest[digits..]))
}

/// Minutes east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    let bytes = zone.as_bytes();
    match bytes {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] if [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()) => {
            let (hours, minutes) = (zone[1..3].parse::<i64>().ok()?, zone[4..6].parse::<i64>().ok()?);
            let minutes = (hours <= 23 && minutes <= 59).then_some(hours * 60 + minutes)?;
            Some(if *sign == b'-' { -minutes } else { minutes })
        }
        _ => None,
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01. Years are counted from March, so that the leap day is the last of its year.
fn days_from(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The date of a day since 1970-01-01: [`days_from`] the other way round.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * shifted + 2) / 5 + 1, (shifted + 2) % 12 + 1);
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_are_read_and_written() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2024-02-29T12:34:56.789Z", 1_709_210_096_789),
            ("0001-01-01T00:00:00.000Z", -62_135_596_800_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] {
            assert_eq!(from_rfc3339(text), Some(ms), "{text}");
            assert_eq!(to_rfc3339(ms).as_deref(), Some(text));
        }
        assert_eq!(from_rfc3339("2024-02-29T12:34:56-03:30"), from_rfc3339("2024-02-29T16:04:56Z"));
        assert_eq!(from_rfc3339("2016-12-31T23:59:60Z"), from_rfc3339("2016-12-31T23:59:59Z"));
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in -146_097..146_097 {
            let (year, month, of_month) = date_of(day);
            assert_eq!(days_from(year, month, of_month), day);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2024-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00+1:00",
            "2024-01-01T00:00:00ü0Z",
            "2024-01-01T00:00:00+24:00",
            "+024-01-01T00:00:00Z",
            "2024-01-01T00:00:00ZZ",
        ] {
            assert_eq!(from_rfc3339(text), None, "{text}");
        }
        assert_eq!(to_rfc3339(i64::MAX), None);
        assert_eq!(to_rfc3339(i64::MIN), None);
    }
}
