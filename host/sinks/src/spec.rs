//! What an operator writes to name a sink: `KIND:PLACE[,OPTION=VALUE]…`. It comes from a command line, which everybody on
//! the machine can read, so nothing secret has a place in it: user names and passwords in addresses are refused, tokens
//! come from a file or from the vault. Errors never repeat what was written, since the commonest mistake is a token in it.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use jackfield_net::{Address, AddressError};

/// The longest name, in bytes: it is part of a key of the store and a label of metrics.
const MAX_NAME: usize = 255;
/// Ports that are usual for syslog: plain (RFC 5426, RFC 6587) and over TLS (RFC 5425).
const SYSLOG: u16 = 514;
const SYSLOG_TLS: u16 = 6514;

/// Where records of the audit trail are sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Sink {
    pub(crate) name: String,
    pub(crate) to: To,
    pub(crate) start: Start,
}

/// Where to, by how it is spoken to.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum To {
    File(PathBuf),
    SyslogStream { address: Address, ca_file: Option<PathBuf> },
    SyslogDatagrams(Address),
    Otlp(Http),
    Webhook(Http),
}

/// A server that is asked by HTTP.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Http {
    /// Without the path: a path may be what a webhook keeps secret, and an address is named in errors.
    pub(crate) origin: Address,
    pub(crate) path: String,
    pub(crate) token: Option<TokenFrom>,
    pub(crate) ca_file: Option<PathBuf>,
}

/// Where the token of a server is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum TokenFrom {
    File(PathBuf),
    Credential(String),
}

/// Where a sink begins that has no place of its own in the trail yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the oldest record that is kept.
    #[default]
    Beginning,
    /// With what is recorded from now on.
    Head,
}

/// What is wrong with what was written, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// It begins with no kind of sink.
    #[error(
        "a sink begins with what it is: file:/PATH, syslog:udp://HOST, syslog:tcp://HOST, syslog:tls://HOST, syslog:/dev/log, otlp:https://HOST:4318 or webhook:https://HOST/PATH"
    )]
    Kind,
    /// A path that depends on where the program was started, or that is none.
    #[error("{0} is an absolute path without commas, e.g. /var/log/jackfield/audit.ndjson")]
    Path(&'static str),
    /// A syslog server's address is none.
    #[error("a syslog server is udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT, or the socket /dev/log: {0}")]
    Syslog(String),
    /// A server's address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Records would travel in clear.
    #[error("records would travel in clear to another machine; use https:// (http:// is for this machine only)")]
    Clear,
    /// A token would travel in clear.
    #[error("the token would travel in clear to another machine; use https://")]
    TokenInClear,
    /// There is no such option.
    #[error("there is no option of that name for this kind of sink; there are {0}")]
    Option(&'static str),
    /// An option occurs twice, or says what another one says.
    #[error("`{0}` is said twice")]
    Twice(&'static str),
    /// Where to begin is not known.
    #[error("`from` is `beginning`, the oldest record that is kept, or `head`, what is recorded from now on")]
    From,
    /// A name that cannot be one.
    #[error("`name` is 1 to 63 lower-case letters, digits and `-`")]
    Name,
    /// What the sink would be called is too long.
    #[error("this sink's place is too long to be its name; give it one with `,name=`")]
    TooLong,
}

impl Sink {
    /// The credential of the vault that it sends with, if it does.
    pub fn credential(&self) -> Option<&str> {
        match &self.to {
            To::Otlp(Http { token: Some(TokenFrom::Credential(name)), .. })
            | To::Webhook(Http { token: Some(TokenFrom::Credential(name)), .. }) => Some(name),
            _ => None,
        }
    }

    /// What it is called: the name it was given, or its place. A webhook's path is not part of it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What kind of sink it is: `file`, `syslog`, `otlp` or `webhook`.
    pub fn kind(&self) -> &'static str {
        match self.to {
            To::File(_) => "file",
            To::SyslogStream { .. } | To::SyslogDatagrams(_) => "syslog",
            To::Otlp(_) => "otlp",
            To::Webhook(_) => "webhook",
        }
    }
}

/// Its name only: what else was written may be nobody's business.
impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sink({})", self.name)
    }
}

/// What was said behind the place.
#[derive(Default)]
struct Options {
    name: Option<String>,
    start: Option<Start>,
    token: Option<TokenFrom>,
    ca_file: Option<PathBuf>,
}

impl FromStr for Sink {
    type Err = SinkError;

    fn from_str(text: &str) -> Result<Self, SinkError> {
        let mut parts = text.split(',');
        let (kind, place) = parts.next().and_then(|first| first.split_once(':')).ok_or(SinkError::Kind)?;
        let (allowed, known): (&[&str], _) = match kind {
            "file" => (&["from", "name"], "`from` and `name`"),
            "syslog" => (&["from", "name", "ca-file"], "`from`, `name` and `ca-file`"),
            "otlp" | "webhook" => (
                &["from", "name", "ca-file", "token-file", "credential"],
                "`from`, `name`, `ca-file`, `token-file` and `credential`",
            ),
            _ => return Err(SinkError::Kind),
        };
        let mut options = Options::default();
        for part in parts {
            let (option, value) = part.split_once('=').ok_or(SinkError::Option(known))?;
            if !allowed.contains(&option) {
                return Err(SinkError::Option(known));
            }
            options.take(option, value)?;
        }
        let Options { name, start, token, ca_file } = options;
        let (place, to) = match kind {
            "file" => {
                let path = absolute("the file", place)?;
                (path.display().to_string(), To::File(path))
            }
            "syslog" => syslog(place, ca_file)?,
            _ => {
                let http = http(place, token, ca_file)?;
                let place = http.origin.to_string();
                match kind {
                    // Collectors of the machine's own network are commonly asked in clear.
                    "otlp" => (place, To::Otlp(http)),
                    _ if !http.origin.is_tls() && !http.origin.is_loopback() => return Err(SinkError::Clear),
                    _ => (place, To::Webhook(http)),
                }
            }
        };
        let name = name.unwrap_or_else(|| format!("{kind}:{place}"));
        if name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(SinkError::TooLong);
        }
        Ok(Self { name, to, start: start.unwrap_or_default() })
    }
}

impl Options {
    fn take(&mut self, option: &str, value: &str) -> Result<(), SinkError> {
        match option {
            "from" => {
                let start = match value {
                    "beginning" => Start::Beginning,
                    "head" => Start::Head,
                    _ => return Err(SinkError::From),
                };
                once("from", &mut self.start, start)
            }
            "name" => {
                let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                if !(1..=63).contains(&value.len()) || !value.bytes().all(plain) {
                    return Err(SinkError::Name);
                }
                once("name", &mut self.name, value.to_owned())
            }
            "ca-file" => once("ca-file", &mut self.ca_file, absolute("`ca-file`", value)?),
            "token-file" => once("token", &mut self.token, TokenFrom::File(absolute("`token-file`", value)?)),
            _ => once("token", &mut self.token, TokenFrom::Credential(value.to_owned())),
        }
    }
}

fn once<T>(what: &'static str, place: &mut Option<T>, value: T) -> Result<(), SinkError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(SinkError::Twice(what)),
    }
}

fn absolute(what: &'static str, path: &str) -> Result<PathBuf, SinkError> {
    let path = Path::new(path);
    match path.is_absolute() && path.file_name().is_some() {
        true => Ok(path.to_owned()),
        false => Err(SinkError::Path(what)),
    }
}

fn syslog(place: &str, ca_file: Option<PathBuf>) -> Result<(String, To), SinkError> {
    let wrong = |error: AddressError| SinkError::Syslog(error.to_string());
    if place.starts_with('/') {
        let address = Address::parse(&format!("unix://{place}")).map_err(wrong)?;
        return match ca_file {
            None => Ok((place.to_owned(), To::SyslogDatagrams(address))),
            Some(_) => Err(SinkError::Option("`from` and `name`")),
        };
    }
    let missing = || SinkError::Syslog("it begins with none of these".into());
    let (scheme, rest) = place.split_once("://").ok_or_else(missing)?;
    let (tls, usual) = match scheme {
        "udp" | "tcp" if ca_file.is_some() => {
            return Err(SinkError::Option("`from` and `name`, and `ca-file` of tls://"));
        }
        "udp" | "tcp" => (false, SYSLOG),
        "tls" => (true, SYSLOG_TLS),
        _ => return Err(missing()),
    };
    // A port that was left out is not HTTP's.
    let has_port = rest.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let place = if has_port { rest.to_owned() } else { format!("{}:{usual}", rest.trim_end_matches('/')) };
    let address = Address::parse(&format!("{}://{place}", if tls { "https" } else { "http" })).map_err(wrong)?;
    let (Some(host), Some(port), "") = (address.host(), address.port(), address.base_path()) else {
        return Err(SinkError::Syslog("it has no path".into()));
    };
    let name = format!("{scheme}://{host}:{port}");
    Ok(match scheme {
        "udp" => (name, To::SyslogDatagrams(address)),
        _ => (name, To::SyslogStream { address, ca_file }),
    })
}

fn http(place: &str, token: Option<TokenFrom>, ca_file: Option<PathBuf>) -> Result<Http, SinkError> {
    let address = Address::parse(place)?;
    if address.socket().is_some() {
        return Err(AddressError::Scheme.into());
    }
    if token.is_some() && !address.is_tls() && !address.is_loopback() {
        return Err(SinkError::TokenInClear);
    }
    let scheme = if address.is_tls() { "https" } else { "http" };
    let origin = Address::parse(&format!("{scheme}://{}", address.authority()))?;
    Ok(Http { origin, path: address.base_path().to_owned(), token, ca_file })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Sink {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_sink_is_called_by_its_place_or_by_the_name_it_is_given() {
        for (text, name, kind) in [
            ("file:/var/log/audit.ndjson", "file:/var/log/audit.ndjson", "file"),
            ("syslog:udp://loghost", "syslog:udp://loghost:514", "syslog"),
            ("syslog:tcp://[::1]", "syslog:tcp://[::1]:514", "syslog"),
            ("syslog:tcp://10.0.0.7:601/", "syslog:tcp://10.0.0.7:601", "syslog"),
            ("syslog:tls://loghost", "syslog:tls://loghost:6514", "syslog"),
            ("syslog:/dev/log", "syslog:/dev/log", "syslog"),
            ("otlp:http://collector:4318", "otlp:http://collector:4318", "otlp"),
            ("webhook:https://hooks.example/T0/B0/hunter2", "webhook:https://hooks.example", "webhook"),
            ("webhook:http://127.0.0.1:81/x,name=siem,from=head", "siem", "webhook"),
        ] {
            let sink = parse(text);
            assert_eq!((sink.name(), sink.kind()), (name, kind), "{text}");
        }
        assert_eq!(parse("file:/a,from=head").start, Start::Head);
        assert_eq!(parse("file:/a").start, Start::Beginning);
        assert_eq!(format!("{:?}", parse("webhook:https://h.example/hunter2")), "Sink(webhook:https://h.example)");
    }

    #[test]
    fn what_is_no_sink_is_refused_with_what_to_write_instead_and_never_repeated() {
        for (text, part) in [
            ("", "begins with what it is"),
            ("/var/log/hunter2", "begins with what it is"),
            ("kafka:hunter2", "begins with what it is"),
            ("file:hunter2", "absolute path"),
            ("file:/a,hunter2", "no option of that name"),
            ("file:/a,token-file=/hunter2", "`from` and `name`"),
            ("file:/a,name=hunter2,name=b", "said twice"),
            ("file:/a,name=Hunter2!", "lower-case"),
            ("file:/a,from=hunter2", "`beginning`"),
            ("syslog:loghost", "udp://HOST"),
            ("syslog:ftp://hunter2", "udp://HOST"),
            ("syslog:udp://hunter2@loghost:514", "user name or password"),
            ("syslog:udp://loghost:514/hunter2", "no path"),
            ("syslog:tcp://loghost:0", "port"),
            ("syslog:tcp://loghost,ca-file=/ca", "tls://"),
            ("otlp:unix:///run/hunter2.sock", "https://"),
            ("webhook:https://user:hunter2@hooks.example/", "user name or password"),
            ("webhook:https://hooks.example/?token=hunter2", "queries"),
            ("webhook:http://hooks.example/hunter2", "in clear"),
            ("webhook:https://hooks.example,token=hunter2", "`token-file` and `credential`"),
            ("webhook:https://hooks.example,token-file=hunter2", "absolute path"),
            ("webhook:https://hooks.example,token-file=/a,credential=b", "said twice"),
            ("otlp:http://collector:4318,credential=hunter2", "in clear"),
        ] {
            let error = text.parse::<Sink>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{text}: {error}");
        }
        assert!(matches!(format!("file:/{}", "a".repeat(300)).parse::<Sink>(), Err(SinkError::TooLong)));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_written_is_a_sink_or_an_error(text in "(file|syslog|otlp|webhook)?:?(udp|tcp|tls|http|https)?(://)?[a-z0-9:/.,=@%\\[\\]?-]{0,40}") {
            if let Ok(sink) = text.parse::<Sink>() {
                assert!(!sink.name().is_empty() && sink.name().len() <= MAX_NAME);
            }
        }
    }
}
