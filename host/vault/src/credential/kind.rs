//! The types of credentials, each a list of fields. What a type is good for, how it is applied to a request, is the
//! gateway's to know; here is what it consists of and what its fields may hold.

use std::fmt;

use jackfield_net::Address;
use serde::{Deserialize, Serialize};

use super::fields::{self, Field, Form, REFRESH_TOKEN};
use crate::{
    Material, VaultError,
    kubeconfig::{self, Kubeconfig},
};

/// What a credential consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// A user name and a password (RFC 7617).
    Basic,
    /// A token that whoever bears it may use (RFC 6750).
    Bearer,
    /// A key that goes in a header, a query parameter or a cookie of the binding's choice.
    ApiKey,
    /// A certificate and its private key, for TLS.
    ClientCertificate,
    /// An AWS access key, with a session token where it is a temporary one: requests are signed with it (SigV4).
    AwsAccessKey,
    /// An AWS access key that takes over a role: requests are signed with what STS gives for it (AssumeRole).
    AwsRole,
    /// A client of an OAuth 2.0 server that is given tokens in its own name (RFC 6749, 4.4), by a secret or by an assertion
    /// that it signs (RFC 7523, 2.2).
    Oauth2Client,
    /// A client of an OAuth 2.0 server that a person has consented to: its refresh token is exchanged for tokens (RFC 6749, 6).
    Oauth2User,
    /// An assertion, signed with a key, that an OAuth 2.0 server gives tokens for (RFC 7523, 2.1).
    JwtBearer,
    /// A token that an OAuth 2.0 server exchanges for another (RFC 8693).
    TokenExchange,
    /// A service account of Google Cloud, by the key file that is downloaded for it.
    GcpServiceAccount,
    /// An application of Microsoft Entra ID, by a secret or a certificate.
    AzureClient,
    /// A GitHub App where it is installed.
    GithubApp,
    /// A context of a kubeconfig: where a cluster is, whom to trust there, and who one is.
    Kubeconfig,
}

/// The longest value of a field, in bytes: a chain of certificates with large keys.
const MOST_BYTES: usize = 64 << 10;

impl CredentialKind {
    /// Every type.
    pub const ALL: [Self; 14] = [
        Self::Basic,
        Self::Bearer,
        Self::ApiKey,
        Self::ClientCertificate,
        Self::AwsAccessKey,
        Self::AwsRole,
        Self::Oauth2Client,
        Self::Oauth2User,
        Self::JwtBearer,
        Self::TokenExchange,
        Self::GcpServiceAccount,
        Self::AzureClient,
        Self::GithubApp,
        Self::Kubeconfig,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Bearer => "bearer",
            Self::ApiKey => "api-key",
            Self::ClientCertificate => "client-certificate",
            Self::AwsAccessKey => "aws-access-key",
            Self::AwsRole => "aws-role",
            Self::Oauth2Client => "oauth2-client",
            Self::Oauth2User => "oauth2-user",
            Self::JwtBearer => "jwt-bearer",
            Self::TokenExchange => "token-exchange",
            Self::GcpServiceAccount => "gcp-service-account",
            Self::AzureClient => "azure-client",
            Self::GithubApp => "github-app",
            Self::Kubeconfig => "kubeconfig",
        }
    }

    /// The type of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// What it consists of.
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Basic => fields::BASIC,
            Self::Bearer => fields::BEARER,
            Self::ApiKey => fields::API_KEY,
            Self::ClientCertificate => fields::CLIENT_CERTIFICATE,
            Self::AwsAccessKey => fields::AWS_ACCESS_KEY,
            Self::AwsRole => fields::AWS_ROLE,
            Self::Oauth2Client => fields::OAUTH2_CLIENT,
            Self::Oauth2User => fields::OAUTH2_USER,
            Self::JwtBearer => fields::JWT_BEARER,
            Self::TokenExchange => fields::TOKEN_EXCHANGE,
            Self::GcpServiceAccount => fields::GCP_SERVICE_ACCOUNT,
            Self::AzureClient => fields::AZURE_CLIENT,
            Self::GithubApp => fields::GITHUB_APP,
            Self::Kubeconfig => fields::KUBECONFIG,
        }
    }

    /// The fields that are still needed where some are there: what a person is asked for. Of a secret and a key that stand
    /// for one another it is the secret.
    pub fn missing(self, has: impl Fn(&str) -> bool) -> impl Iterator<Item = &'static Field> {
        let secret = matches!(self, Self::Oauth2Client | Self::AzureClient) && !has("private-key");
        let needed = move |field: &&Field| !field.optional || (secret && field.name == "client-secret");
        self.fields().iter().filter(needed).filter(move |field| !has(field.name))
    }

    /// Whether what a version holds is of no use before a person has consented.
    pub(crate) fn needs_consent(self, material: &Material) -> bool {
        self == Self::Oauth2User && material.get(REFRESH_TOKEN).is_none()
    }

    /// Whether a version may hold this. What is wrong is told by the field's name, never with its value.
    pub fn judge(self, material: &Material) -> Result<(), VaultError> {
        let fields = self.fields();
        let names = || fields.iter().map(|field| format!("`{}`", field.name)).collect::<Vec<_>>().join(" and ");
        for name in material.names() {
            if fields.iter().all(|field| field.name != name) {
                let shown: String = name.chars().take(40).collect();
                return Err(VaultError::Fields(format!(
                    "a {self} credential has no field `{shown}`; it has {}",
                    names()
                )));
            }
        }
        for field in fields {
            let wrong = |reason: &str| Err(VaultError::Fields(format!("the field `{}` {reason}", field.name)));
            let Some(value) = material.get(field.name) else {
                if field.optional {
                    continue;
                }
                return wrong(&format!("is missing; a {self} credential has {}", names()));
            };
            if value.is_empty() {
                return wrong("is empty");
            }
            if value.len() > MOST_BYTES {
                return wrong("is longer than 64 KiB");
            }
            let Ok(text) = std::str::from_utf8(value) else { return wrong("is not UTF-8") };
            let lines = field.form == Form::Lines;
            if text.chars().any(|c| c.is_control() && !(lines && matches!(c, '\n' | '\r' | '\t'))) {
                return wrong(if lines { "holds a control character" } else { "is not one line of text" });
            }
            let (address, query) = match field.form {
                Form::Page => text.split_once('?').unwrap_or((text, "")),
                _ => (text, ""),
            };
            if !query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
                return wrong("has a query that no browser would be sent");
            }
            if matches!(field.form, Form::Url | Form::Page) {
                match Address::parse(address) {
                    Ok(address) if address.is_tls() || address.is_loopback() => {}
                    Ok(_) => return wrong("is an address that secrets would be sent to in clear; use https://"),
                    Err(error) => return wrong(&format!("is no address: {error}")),
                }
            }
            // RFC 7617: the first colon ends the user name.
            if field.name == "username" && text.contains(':') {
                return wrong("holds a colon, which a user name cannot");
            }
        }
        if self == Self::Kubeconfig {
            let read = Kubeconfig::of(material).map(drop);
            return read.map_err(|error| VaultError::Fields(format!("the field `config`: {error}")));
        }
        self.judge_together(material).map_err(|reason| VaultError::Fields(format!("a {self} credential {reason}")))
    }

    /// The same without what a version of it would never use, where that is less: nothing is sealed that need not be.
    pub(crate) fn minimal(self, material: &Material) -> Result<Option<Material>, VaultError> {
        let (Self::Kubeconfig, Some(config)) = (self, material.text("config")) else { return Ok(None) };
        // Files are refused by whoever judged it.
        let mut no_file = |_: &str| Err("names a file".to_owned());
        let small = kubeconfig::minify(config, material.text("context"), &mut no_file);
        let small = small.map_err(|error| VaultError::Fields(format!("the field `config`: {error}")))?;
        let field =
            |name| (name, if name == "config" { small.expose() } else { material.get(name).unwrap_or_default() });
        Ok(Some(Material::new(material.names().map(field))))
    }

    /// What one field requires of another.
    fn judge_together(self, material: &Material) -> Result<(), &'static str> {
        let has = |name: &str| material.get(name).is_some();
        match self {
            Self::Oauth2Client if has("client-secret") == has("private-key") => {
                Err("has either a `client-secret` or a `private-key`")
            }
            Self::Oauth2Client if has("client-authentication") && has("private-key") => {
                Err("with a `private-key` authenticates with that; leave `client-authentication` out")
            }
            Self::Oauth2Client if !matches!(material.text("client-authentication"), None | Some("basic" | "post")) => {
                Err("sends its secret as `client-authentication` says: `basic` or `post`")
            }
            Self::Oauth2User
                if !["refresh-token", "device-authorization-url", "authorization-url"].into_iter().any(has) =>
            {
                Err(
                    "has a `refresh-token`, or says where a person consents: `device-authorization-url` or `authorization-url`",
                )
            }
            Self::Oauth2User if !matches!(material.text("client-authentication"), None | Some("basic" | "post")) => {
                Err("sends its secret as `client-authentication` says: `basic` or `post`")
            }
            Self::AzureClient if has("client-secret") == has("private-key") => {
                Err("has either a `client-secret` or a `certificate` with its `private-key`")
            }
            Self::AzureClient if has("certificate") != has("private-key") => {
                Err("needs both of `certificate` and `private-key`, or a `client-secret`")
            }
            Self::TokenExchange if has("client-secret") && !has("client-id") => {
                Err("with a `client-secret` needs its `client-id` too")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(kind: CredentialKind, fields: &[(&str, &str)]) -> Result<(), String> {
        kind.judge(&Material::new(fields.iter().copied())).map_err(|error| error.to_string())
    }

    #[test]
    fn a_credential_has_the_fields_of_its_type_and_no_other() {
        use CredentialKind::{Basic, Bearer};
        assert!(judge(Basic, &[("username", "ada"), ("password", "x:y z")]).is_ok());
        assert!(judge(Basic, &[("username", "ada")]).unwrap_err().contains("`password` is missing"));
        assert!(judge(Basic, &[("username", "a:b"), ("password", "x")]).unwrap_err().contains("colon"));
        assert!(judge(Bearer, &[("token", "")]).unwrap_err().contains("empty"));
        assert!(judge(Bearer, &[("token", "a\nb")]).unwrap_err().contains("one line"));
        let keys = [("access-key-id", "AKID"), ("secret-access-key", "x")];
        assert!(judge(CredentialKind::AwsAccessKey, &keys).is_ok(), "a session token is for temporary ones");
        let with = |more: &[(&str, &str)]| {
            let fields = [&[("token-url", "https://id.example/token"), ("client-id", "me")], more].concat();
            judge(CredentialKind::Oauth2Client, &fields)
        };
        assert!(with(&[("client-secret", "x"), ("client-authentication", "post")]).is_ok());
        assert!(with(&[("private-key", "x")]).is_ok());
        assert!(with(&[]).unwrap_err().contains("either"));
        assert!(with(&[("client-secret", "x"), ("private-key", "y")]).unwrap_err().contains("either"));
        assert!(with(&[("client-secret", "x"), ("client-authentication", "jwt")]).unwrap_err().contains("`post`"));
        assert!(judge(Bearer, &[("token", "a"), ("tokn", "b")]).unwrap_err().contains("no field `tokn`"));
    }

    #[test]
    fn a_persons_consent_is_there_or_can_be_given() {
        let with = |more: &[(&str, &str)]| {
            let fields = [&[("token-url", "https://id.example/token"), ("client-id", "me")], more].concat();
            judge(CredentialKind::Oauth2User, &fields)
        };
        assert!(with(&[("refresh-token", "x")]).is_ok());
        assert!(with(&[("authorization-url", "https://id.example/auth"), ("client-secret", "x")]).is_ok());
        assert!(with(&[("authorization-url", "https://id.example/auth?prompt=consent")]).is_ok());
        assert!(with(&[("authorization-url", "https://id.example/auth?a=b#c")]).unwrap_err().contains("query"));
        assert!(with(&[("device-authorization-url", "https://id.example/device")]).is_ok());
        assert!(with(&[]).unwrap_err().contains("where a person consents"));
        assert!(with(&[("refresh-token", "x"), ("client-authentication", "jwt")]).unwrap_err().contains("`post`"));
    }

    #[test]
    fn a_token_is_not_fetched_in_clear_from_another_machine() {
        let at = |url: &str| {
            let fields = [("token-url", url), ("client-id", "me"), ("client-secret", "x")];
            judge(CredentialKind::Oauth2Client, &fields)
        };
        assert!(at("http://127.0.0.1:8080/token").is_ok());
        assert!(at("http://id.example/token").unwrap_err().contains("in clear"));
        assert!(at("id.example").unwrap_err().contains("no address"));
    }

    #[test]
    fn a_person_is_asked_for_the_secret_unless_there_is_a_key() {
        let missing = |has: &[&str]| {
            let missing = CredentialKind::Oauth2Client.missing(|name| has.contains(&name));
            missing.map(|field| field.name).collect::<Vec<_>>()
        };
        assert_eq!(missing(&["token-url"]), ["client-id", "client-secret"]);
        assert_eq!(missing(&["token-url", "client-id", "private-key"]), [""; 0]);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        for value in ["hunter2\u{7}", &"hunter2".repeat(20_000)] {
            let error = judge(CredentialKind::Bearer, &[("token", value)]).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn every_type_is_found_by_its_name() {
        for kind in CredentialKind::ALL {
            assert_eq!(CredentialKind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
