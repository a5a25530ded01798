//! When a certificate ends. A certificate is a stranger's bytes in DER; of it only the way to this one date is read (RFC 5280,
//! 4.1), and where anything on that way is not as it should be there is no answer.

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use time::{Date, Month, OffsetDateTime, Time};

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// When the first certificate of a PEM text ends, in milliseconds since 1970.
pub(crate) fn ends_at(pem: &str) -> Option<i64> {
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
    let (encoded, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let der = BASE64.decode(encoded.split_ascii_whitespace().collect::<String>()).ok()?;
    let (certificate, _) = value(&der, SEQUENCE)?;
    let (mut signed, _) = value(certificate, SEQUENCE)?;
    if signed.first() == Some(&VERSION) {
        signed = skip(signed)?;
    }
    // The serial number, the algorithm and the issuer.
    for _ in 0..3 {
        signed = skip(signed)?;
    }
    let (validity, _) = value(signed, SEQUENCE)?;
    let end = skip(validity)?;
    let (text, century) = match *end.first()? {
        UTC_TIME => (value(end, UTC_TIME)?.0, 0),
        GENERALIZED_TIME => (value(end, GENERALIZED_TIME)?.0, 2),
        _ => return None,
    };
    moment(std::str::from_utf8(text).ok()?, century)
}

/// The day of a moment, as people write it.
pub(crate) fn day(ms: i64) -> String {
    OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000)).map(|at| at.date().to_string()).unwrap_or_default()
}

/// The content of the value that bytes begin with, which is of this type, and what stands behind it.
fn value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    (*first == tag).then(|| content(rest)).flatten()
}

/// What stands behind the value that bytes begin with.
fn skip(bytes: &[u8]) -> Option<&[u8]> {
    content(bytes.get(1..)?).map(|(_, rest)| rest)
}

/// The content behind a length, and the rest.
fn content(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (len, rest) = match usize::from(*first) {
        len @ 0..=0x7f => (len, rest),
        more @ 0x81..=0x83 => {
            let (len, rest) = rest.split_at_checked(more - 0x80)?;
            (len.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(len)
}

/// `YYMMDDHHMMSSZ`, behind so many more digits of the year.
fn moment(text: &str, more: usize) -> Option<i64> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.len() == 12 + more)?;
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<u16>().ok();
    let pair = |at: usize| u8::try_from(number(more + at, more + at + 2)?).ok();
    let year = match number(0, 2 + more)? {
        year if more > 0 => year,
        year @ 0..50 => 2000 + year,
        year => 1900 + year,
    };
    let date = Date::from_calendar_date(year.into(), Month::try_from(pair(2)?).ok()?, pair(4)?).ok()?;
    let time = Time::from_hms(pair(6)?, pair(8)?, pair(10)?).ok()?;
    Some(date.with_time(time).assume_utc().unix_timestamp() * 1000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ending(year: i32) -> String {
        let mut params = rcgen::CertificateParams::new(vec!["x.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 3, 4);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn the_end_is_found_in_either_form_of_a_year() {
        for year in [1999, 2031, 2049, 2050, 2345] {
            assert_eq!(ends_at(&ending(year)).map(day), Some(format!("{year}-03-04")));
        }
        for nothing in
            ["", "-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"]
        {
            assert_eq!(ends_at(nothing), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_are_there_is_an_answer_or_none(bytes: Vec<u8>, at in 0usize..600, byte: u8) {
            let framed = |der: &[u8]| {
                format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----", BASE64.encode(der))
            };
            let _ = ends_at(&framed(&bytes));
            let good = ending(2031);
            let middle: String = good.lines().filter(|line| !line.starts_with('-')).collect();
            let mut der = BASE64.decode(middle).unwrap();
            if let Some(place) = der.get_mut(at) {
                *place = byte;
            }
            let _ = ends_at(&framed(&der));
        }
    }
}
