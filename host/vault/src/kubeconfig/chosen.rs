//! What a kubeconfig says of one context, as it is written: its cluster and its user, with what is still in files beside it.
//! What could not be honoured is refused here, with what to write instead: an option that is read and not followed would be a
//! promise that nobody keeps.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use jackfield_net::Address;
use zeroize::Zeroizing;

use super::{Impersonation, KubeconfigError, entry::Entry, error::shown, exec::Exec, yaml::Node};

/// The fields that name a file, each with the one that holds the same in base64, which goes before it.
pub(super) const FILES: [(&str, &str); 3] = [
    ("certificate-authority", "certificate-authority-data"),
    ("client-certificate", "client-certificate-data"),
    ("client-key", "client-key-data"),
];

const CLUSTER: [&str; 9] = [
    "server",
    "certificate-authority",
    "certificate-authority-data",
    "tls-server-name",
    "insecure-skip-tls-verify",
    "proxy-url",
    // What comes back is not compressed anyway.
    "disable-compression",
    "api-version",
    "extensions",
];
const USER: [&str; 16] = [
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "token",
    "tokenFile",
    "username",
    "password",
    "exec",
    "auth-provider",
    "as",
    "as-uid",
    "as-groups",
    "as-user-extra",
    "extensions",
    "api-version",
];

/// The most groups, or values of extra fields, that are taken over.
const MOST_TAKEN_OVER: usize = 64;
/// The longest of them, in bytes.
const LONGEST: usize = 256;

/// PEM, or where it is.
pub(super) enum Part {
    Here(Zeroizing<String>),
    File,
}

/// What is said of one context.
pub(super) struct Chosen {
    pub(super) context: String,
    pub(super) cluster: String,
    pub(super) user: String,
    pub(super) server: Address,
    pub(super) authority: Option<Part>,
    pub(super) tls_server_name: Option<String>,
    pub(super) certificate: Option<Part>,
    pub(super) key: Option<Part>,
    pub(super) token: Option<Zeroizing<String>>,
    pub(super) has_token_file: bool,
    pub(super) username: Option<String>,
    pub(super) password: Option<Zeroizing<String>>,
    pub(super) exec: Option<Exec>,
    pub(super) acts_as: Option<Impersonation>,
}

impl Chosen {
    /// What a text says of a context; of its current one, where none is named.
    pub(super) fn read(root: &Node<'_>, context: Option<&str>) -> Result<Self, KubeconfigError> {
        let top = Entry::top(root)?;
        if top.text("kind")?.is_some_and(|kind| kind != "Config") {
            return Err(top.wrong("kind", "is not `Config`, so this is no kubeconfig"));
        }
        let known = top.names("contexts")?;
        let missing = |missing: String| {
            let names: Vec<_> = known.iter().take(8).map(|name| shown(name)).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            KubeconfigError::Context { missing, known }
        };
        let name = match context.map_or_else(|| top.text("current-context"), |name| Ok(Some(name)))? {
            Some(name) if known.contains(&name) => name,
            Some(name) => return Err(missing(format!("there is no context {}", shown(name)))),
            None => {
                return Err(missing("there is no `current-context`; name one in the field `context`".into()));
            }
        };
        if name.chars().any(char::is_control) {
            return Err(missing(format!("the context {} holds a control character in its name", shown(name))));
        }
        let context = top.named("contexts", "context", name)?;
        context.only(&["cluster", "user", "namespace", "extensions"])?;
        let linked = |field: &'static str| {
            context.text(field)?.ok_or_else(|| context.wrong(field, "is missing; name the one that is meant"))
        };
        let (cluster_name, user_name) = (linked("cluster")?, linked("user")?);
        let cluster = top.named("clusters", "cluster", cluster_name)?;
        let user = top.named("users", "user", user_name)?;
        cluster.only(&CLUSTER)?;
        user.only(&USER)?;
        Ok(Self {
            context: name.to_owned(),
            cluster: cluster_name.to_owned(),
            user: user_name.to_owned(),
            server: server(&cluster)?,
            authority: part(&cluster, "certificate-authority", "certificate-authority-data")?,
            tls_server_name: cluster.text("tls-server-name")?.map(str::to_owned),
            certificate: part(&user, "client-certificate", "client-certificate-data")?,
            key: part(&user, "client-key", "client-key-data")?,
            token: token(&user)?,
            has_token_file: user.text("tokenFile")?.is_some(),
            username: user.text("username")?.map(str::to_owned),
            password: user.text("password")?.map(|text| Zeroizing::new(text.to_owned())),
            exec: user.within("exec")?.map(|exec| Exec::read(&exec)).transpose()?,
            acts_as: impersonation(&user)?,
        })
    }

    /// What is wrong with the user.
    pub(super) fn unfit(&self, reason: impl Into<String>) -> KubeconfigError {
        KubeconfigError::Field { place: format!("the user {}", shown(&self.user)), reason: reason.into() }
    }

    /// What is wrong with the cluster.
    pub(super) fn unreachable(&self, reason: impl Into<String>) -> KubeconfigError {
        KubeconfigError::Field { place: format!("the cluster {}", shown(&self.cluster)), reason: reason.into() }
    }
}

/// Where the cluster is. What would weaken the way there, or lead it elsewhere, is refused.
fn server(cluster: &Entry<'_, '_>) -> Result<Address, KubeconfigError> {
    if cluster.flag("insecure-skip-tls-verify")? {
        let reason = "is not honoured: whoever is in between would be given the credential; name the CA of the server in \
                      `certificate-authority-data`";
        return Err(cluster.wrong("insecure-skip-tls-verify", reason));
    }
    if cluster.text("proxy-url")?.is_some() {
        let reason = "is not honoured: where requests go is no credential's to say; remove it";
        return Err(cluster.wrong("proxy-url", reason));
    }
    cluster.flag("disable-compression")?;
    let server = cluster.text("server")?.ok_or_else(|| cluster.wrong("server", "is missing"))?;
    match Address::parse(server) {
        Ok(address) if address.socket().is_none() => Ok(address),
        Ok(_) => Err(cluster.wrong("server", "is a unix socket; a cluster's server is https://…")),
        Err(error) => Err(cluster.wrong("server", format!("is no address: {error}"))),
    }
}

fn token(user: &Entry<'_, '_>) -> Result<Option<Zeroizing<String>>, KubeconfigError> {
    if user.within("auth-provider")?.is_some() {
        let reason = "is not honoured, nor is it by Kubernetes since 1.26; use a token or a client certificate";
        return Err(user.wrong("auth-provider", reason));
    }
    Ok(user.text("token")?.map(|token| Zeroizing::new(token.to_owned())))
}

/// What is in base64 in one field, or else in the file that another names.
fn part(entry: &Entry<'_, '_>, file: &'static str, data: &'static str) -> Result<Option<Part>, KubeconfigError> {
    let Some(encoded) = entry.text(data)? else { return Ok(entry.text(file)?.map(|_| Part::File)) };
    let wrong = || entry.wrong(data, "is not base64 of a text; it is what `base64 -w0 FILE` prints");
    let mut compact = Zeroizing::new(String::with_capacity(encoded.len()));
    compact.extend(encoded.split_ascii_whitespace());
    let mut bytes = Zeroizing::new(Vec::with_capacity(compact.len()));
    BASE64.decode_vec(compact.as_bytes(), &mut bytes).map_err(|_| wrong())?;
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong())?;
    Ok(Some(Part::Here(Zeroizing::new(text.to_owned()))))
}

/// As whom the user acts. The header of each is the host's to set, and must be able to carry it.
fn impersonation(user: &Entry<'_, '_>) -> Result<Option<Impersonation>, KubeconfigError> {
    let fit = |field: &str, texts: &[&str]| {
        let fits =
            |text: &&str| (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        match texts.iter().all(fits) && texts.len() <= MOST_TAKEN_OVER {
            true => Ok(()),
            false => Err(user.wrong(
                field,
                format!("is at most {MOST_TAKEN_OVER} texts of up to {LONGEST} characters of printable ASCII"),
            )),
        }
    };
    let (name, uid) = (user.text("as")?, user.text("as-uid")?);
    let (groups, extra) = (user.texts("as-groups")?, user.lists("as-user-extra")?);
    fit("as", name.as_slice())?;
    fit("as-uid", uid.as_slice())?;
    fit("as-groups", &groups)?;
    let values: Vec<&str> = extra.iter().flat_map(|(_, values)| values.iter().copied()).collect();
    fit("as-user-extra", &values)?;
    fit("as-user-extra", &extra.iter().map(|(key, _)| *key).collect::<Vec<_>>())?;
    let Some(name) = name else {
        return match uid.is_some() || !groups.is_empty() || !extra.is_empty() {
            true => Err(user.wrong("as", "is missing, while there is something else of whom it would act as")),
            false => Ok(None),
        };
    };
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
    Ok(Some(Impersonation {
        user: name.to_owned(),
        uid: uid.map(str::to_owned),
        groups: owned(groups),
        extra: extra.into_iter().map(|(key, values)| (key.to_owned(), owned(values))).collect(),
    }))
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chosen").field("server", &self.server).finish_non_exhaustive()
    }
}
