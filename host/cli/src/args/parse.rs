//! Small things a command line holds, parsed once.

use std::{str::FromStr, time::Duration};

use http::Uri;

/// `name=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            _ => Err("write it as `name=value`".into()),
        }
    }
}

/// The address of an API: scheme, host, and perhaps a path before `/v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    /// Without a `/` at the end.
    base: String,
    tls: bool,
}

impl ServerUrl {
    /// The address of a path of the API.
    pub(crate) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.tls
    }
}

impl std::fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.base)
    }
}

impl FromStr for ServerUrl {
    type Err = String;

    /// `host:port` alone means http.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let wrong =
            |why: &str| Err(format!("{why}; write it as `http://127.0.0.1:7575` or `https://jackfield.example`"));
        let Ok(uri) = text.parse::<Uri>() else { return wrong("it is not an address") };
        let Some(authority) = uri.authority().filter(|a| !a.host().is_empty()) else {
            return wrong("it names no host");
        };
        if authority.as_str().contains('@') {
            return wrong("it holds a user name, which would be shown in process lists");
        }
        if uri.query().is_some() {
            return wrong("it holds a query");
        }
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return wrong("only http and https are spoken"),
        };
        Ok(Self { base: text.trim_end_matches('/').to_owned(), tls })
    }
}

/// A time span: `250ms`, `5s`, `2m`, `1h`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write it as `250ms`, `5s`, `2m` or `1h`".to_owned();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: f64 = number.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| wrong())
}

/// A longer time span, which may be in days: `12h`, `30d`.
pub(crate) fn period(text: &str) -> Result<Duration, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    days.map_or_else(|| duration(text), |days| Ok(Duration::from_secs(u64::from(days) * 86_400)))
        .map_err(|_| "write it as `90s`, `15m`, `12h` or `30d`".to_owned())
}

/// How long a call may take: what the API takes.
pub(crate) fn call_timeout(text: &str) -> Result<Duration, String> {
    let allowed = Duration::from_millis(100)..=Duration::from_secs(600);
    let hint = if text.bytes().all(|b| b.is_ascii_digit()) { "; a bare number is seconds" } else { "" };
    let within = duration(text).map(|timeout| allowed.contains(&timeout).then_some(timeout));
    within?.ok_or_else(|| format!("a call may take from 100ms to 10m{hint}"))
}

/// A time span that is not zero.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    duration(text)?
        .max(Duration::ZERO)
        .checked_sub(Duration::from_millis(1))
        .map_or_else(|| Err("the shortest time is 1ms".to_owned()), |rest| Ok(rest + Duration::from_millis(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_read_with_their_unit() {
        for (text, ms) in
            [("250ms", 250), ("5s", 5000), ("5", 5000), ("1.5s", 1500), ("2m", 120_000), ("1h", 3_600_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "5x", "-5s", "5 s", "1e3", "inf", "nan", "..", "99999999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(timeout("0s").is_err());
        assert!(call_timeout("700").unwrap_err().contains("seconds"));
        assert!(call_timeout("99ms").is_err());
        assert_eq!(call_timeout("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(timeout("1ms"), Ok(Duration::from_millis(1)));
    }

    #[test]
    fn a_server_is_an_address_without_secrets() {
        let url = |text: &str| text.parse::<ServerUrl>();
        assert_eq!(url("127.0.0.1:7575").unwrap().join("/v1/plugins"), "http://127.0.0.1:7575/v1/plugins");
        assert_eq!(url("https://x.example/jf/").unwrap().join("/v1"), "https://x.example/jf/v1");
        assert!(url("https://x.example").unwrap().is_tls());
        for text in ["", "http://", "ftp://x", "http://u:p@x", "http://x/?a=b", "http://a b"] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_label_needs_a_name() {
        assert_eq!("a=b=c".parse(), Ok(Pair { name: "a".into(), value: "b=c".into() }));
        assert!("=b".parse::<Pair>().is_err());
        assert!("a".parse::<Pair>().is_err());
    }
}
