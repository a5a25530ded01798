//! What the operator says of a server: where it is, how to log in there, and what of it credentials may come from.

use std::{path::PathBuf, str::FromStr, time::Duration};

use jackfield_net::Address;

use super::path::{BaoPath, is_path};
use crate::source::{is_name, shown};

/// How often what does not end is looked at, unless told otherwise.
const EVERY: Duration = Duration::from_secs(10);

/// An OpenBao or Vault that credentials may come from.
///
/// As a text `NAME=URL,OPTION=VALUE,…`:
///
/// ```
/// let spec = "main=https://bao.example:8200,token-file=/run/bao/token,read=secret/data/jackfield,read=database/creds/app";
/// let server: jackfield_vault::BaoServer = spec.parse()?;
/// assert_eq!(server.read, ["secret/data/jackfield", "database/creds/app"]);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaoServer {
    /// What sources call it.
    pub name: String,
    /// Where it is, e.g. `https://bao.example:8200`.
    pub address: String,
    /// How the host logs in.
    pub login: Login,
    /// Paths that may be read, and what is below them.
    pub read: Vec<String>,
    /// Paths that may be written to, with parameters, and what is below them.
    pub write: Vec<String>,
    /// A file with PEM certificates to trust instead of the system's roots.
    pub ca_file: Option<PathBuf>,
    /// The namespace that everything is in.
    pub namespace: Option<String>,
    /// How often what does not end by itself (KV) is looked at, at most.
    pub every: Duration,
}

/// How the host logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// With the token in a file, which others keep up to date: it is read at each use.
    TokenFile(PathBuf),
    /// With a role's ID and its secret ID, which is in a file.
    AppRole {
        /// Where the method is mounted: `approle` as a rule.
        mount: String,
        /// The role's ID.
        role_id: String,
        /// The file that holds the secret ID.
        secret_id_file: PathBuf,
    },
    /// With a JWT in a file, as JWT and Kubernetes want it.
    Jwt {
        /// Where the method is mounted: `jwt` or `kubernetes` as a rule.
        mount: String,
        /// The role.
        role: String,
        /// The file that holds the JWT.
        file: PathBuf,
    },
}

impl BaoServer {
    /// Whether a credential may come from there.
    pub(super) fn allows(&self, wanted: &BaoPath) -> Result<(), String> {
        let (list, option) = match wanted.params.is_empty() {
            true => (&self.read, "read"),
            false => (&self.write, "write"),
        };
        let below = |prefix: &String| {
            let rest = wanted.path.strip_prefix(prefix.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match list.iter().any(below) {
            true => Ok(()),
            false => Err(format!(
                "{wanted} is none that credentials may come from; name it where the host is started: \
                 `--secrets-bao {}=…,{option}={}`",
                self.name, wanted.path
            )),
        }
    }
}

impl FromStr for BaoServer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let how = "write it as `NAME=URL,token-file=PATH,read=PATH,…`";
        let (name, rest) = text.split_once('=').ok_or_else(|| format!("it names no server; {how}"))?;
        if !is_name(name) {
            return Err(format!("a server's name has letters, digits, `-`, `_` and `.` only; {how}"));
        }
        let mut parts = rest.split(',');
        let address = parts.next().unwrap_or_default();
        let parsed = Address::parse(address).map_err(|error| format!("{error}; {how}"))?;
        if !parsed.is_tls() && !parsed.is_loopback() {
            return Err(format!("secrets would travel in clear from {}; use https://", shown(address)));
        }
        let mut given = Given::default();
        for part in parts {
            let (option, value) = part.split_once('=').unwrap_or((part, ""));
            given.take(option, value)?;
        }
        let login = given.login()?;
        if given.read.is_empty() && given.write.is_empty() {
            return Err("it says nothing of what credentials may come from; name it with `read=PATH`".into());
        }
        Ok(Self {
            name: name.to_owned(),
            address: address.to_owned(),
            login,
            read: given.read,
            write: given.write,
            ca_file: given.ca_file,
            namespace: given.namespace,
            every: given.every.unwrap_or(EVERY),
        })
    }
}

/// The options as they are given.
#[derive(Default)]
struct Given {
    token_file: Option<PathBuf>,
    role_id: Option<String>,
    secret_id_file: Option<PathBuf>,
    role: Option<String>,
    jwt_file: Option<PathBuf>,
    mount: Option<String>,
    read: Vec<String>,
    write: Vec<String>,
    ca_file: Option<PathBuf>,
    namespace: Option<String>,
    every: Option<Duration>,
}

impl Given {
    fn take(&mut self, option: &str, value: &str) -> Result<(), String> {
        if value.is_empty() || value.chars().any(char::is_control) {
            return Err(format!("the option `{}` has no value", shown(option)));
        }
        let prefix = || {
            let path = value.trim_matches('/');
            match is_path(path) {
                true => Ok(path.to_owned()),
                false => Err(format!("`{option}={}` is no path of a secret, e.g. `secret/data/app`", shown(value))),
            }
        };
        match option {
            "token-file" => self.token_file = Some(value.into()),
            "role-id" => self.role_id = Some(value.into()),
            "secret-id-file" => self.secret_id_file = Some(value.into()),
            "role" => self.role = Some(value.into()),
            "jwt-file" => self.jwt_file = Some(value.into()),
            "mount" if is_path(value) => self.mount = Some(value.into()),
            "read" => self.read.push(prefix()?),
            "write" => self.write.push(prefix()?),
            "ca-file" => self.ca_file = Some(value.into()),
            "namespace" if is_path(value.trim_matches('/')) => self.namespace = Some(value.into()),
            "every" => {
                let seconds = value.parse().ok().filter(|seconds| (1..=86_400).contains(seconds));
                self.every = Some(Duration::from_secs(seconds.ok_or("`every` is a number of seconds, 1 to 86400")?));
            }
            _ => {
                let option = shown(option);
                return Err(format!(
                    "`{option}` is no option of a server, or not with this value; there are token-file, role-id with \
                     secret-id-file, role with jwt-file, mount, read, write, ca-file, namespace and every"
                ));
            }
        }
        Ok(())
    }

    fn login(&self) -> Result<Login, String> {
        let Self { token_file, role_id, secret_id_file, role, jwt_file, mount, .. } = self;
        let mount = |usual: &str| mount.clone().unwrap_or_else(|| usual.to_owned());
        match (token_file, role_id, secret_id_file, role, jwt_file) {
            (Some(file), None, None, None, None) => Ok(Login::TokenFile(file.clone())),
            (None, Some(role_id), Some(file), None, None) => {
                Ok(Login::AppRole { mount: mount("approle"), role_id: role_id.clone(), secret_id_file: file.clone() })
            }
            (None, None, None, Some(role), Some(file)) => {
                Ok(Login::Jwt { mount: mount("jwt"), role: role.clone(), file: file.clone() })
            }
            _ => {
                Err("say how to log in: `token-file`, or `role-id` with `secret-id-file`, or `role` with `jwt-file`"
                    .into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(options: &str) -> Result<BaoServer, String> {
        format!("main=https://bao.example:8200,{options}").parse()
    }

    #[test]
    fn only_what_the_operator_named_may_be_read_and_only_what_he_named_for_that_written_to() {
        let server = server("token-file=/t,read=secret/data/app,read=/db/creds/,write=pki/issue/web").unwrap();
        let asked = |text: &str| server.allows(&text.parse::<super::super::BaoField>().unwrap().path);
        for allowed in ["main/secret/data/app#x", "main/secret/data/app/deep#x", "main/db/creds/a#x"] {
            assert!(asked(allowed).is_ok(), "{allowed}");
        }
        assert!(asked("main/pki/issue/web?common_name=a#private_key").is_ok());
        for (refused, remedy) in [
            ("main/secret/data/application#x", "read=secret/data/application"),
            ("main/secret/data#x", "read=secret/data"),
            ("main/pki/issue/web#x", "read=pki/issue/web"),
            ("main/secret/data/app?data=evil#x", "write=secret/data/app"),
            ("main/sys/raw#x", "read=sys/raw"),
        ] {
            assert!(asked(refused).unwrap_err().contains(remedy), "{refused}");
        }
    }

    #[test]
    fn a_server_says_how_to_log_in_and_what_may_be_read_and_travels_in_no_clear() {
        let approle = server("role-id=r,secret-id-file=/s,read=a,namespace=team,every=3").unwrap();
        assert!(matches!(&approle.login, Login::AppRole { mount, .. } if mount == "approle"));
        assert_eq!(approle.every, Duration::from_secs(3));
        let kubernetes = server("role=r,jwt-file=/j,mount=kubernetes,read=a").unwrap();
        assert!(matches!(&kubernetes.login, Login::Jwt { mount, .. } if mount == "kubernetes"));
        for wrong in [
            "read=a",
            "token-file=/t",
            "token-file=/t,role=r,jwt-file=/j,read=a",
            "role-id=r,read=a",
            "token-file=/t,read=../sys",
            "token-file=/t,read=a,every=0",
            "token-file=/t,read=a,what=ever",
            "token-file=,read=a",
        ] {
            assert!(server(wrong).is_err(), "{wrong}");
        }
        let clear = "main=http://bao.example:8200,token-file=/t,read=a".parse::<BaoServer>();
        assert!(clear.unwrap_err().contains("https://"));
        assert!("main=http://127.0.0.1:8200,token-file=/t,read=a".parse::<BaoServer>().is_ok());
    }
}
