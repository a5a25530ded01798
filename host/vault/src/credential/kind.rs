//! The types of credentials, each a list of fields. What a type is good for, how it is applied to a request, is the
//! gateway's to know; here is what it consists of and what its fields may hold.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Material, VaultError};

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
}

/// A field of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it is, for a prompt.
    pub label: &'static str,
    /// Whether it is looked for in everything that goes to a plugin, and never shown. A user name is not.
    pub secret: bool,
    /// Whether it may hold several lines.
    pub lines: bool,
    /// Whether it may be left out.
    pub optional: bool,
}

const fn line(name: &'static str, label: &'static str, secret: bool) -> Field {
    Field { name, label, secret, lines: false, optional: false }
}

const fn lines(name: &'static str, label: &'static str, secret: bool) -> Field {
    Field { name, label, secret, lines: true, optional: false }
}

/// The longest value of a field, in bytes: a chain of certificates with large keys.
const MOST_BYTES: usize = 64 << 10;

impl CredentialKind {
    /// Every type.
    pub const ALL: [Self; 5] = [Self::Basic, Self::Bearer, Self::ApiKey, Self::ClientCertificate, Self::AwsAccessKey];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Bearer => "bearer",
            Self::ApiKey => "api-key",
            Self::ClientCertificate => "client-certificate",
            Self::AwsAccessKey => "aws-access-key",
        }
    }

    /// The type of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// What it consists of.
    pub fn fields(self) -> &'static [Field] {
        const BASIC: &[Field] = &[line("username", "user name", false), line("password", "password", true)];
        const BEARER: &[Field] = &[line("token", "token", true)];
        const API_KEY: &[Field] = &[line("key", "key", true)];
        const CLIENT_CERTIFICATE: &[Field] =
            &[lines("certificate", "certificate chain, PEM", false), lines("private-key", "private key, PEM", true)];
        const AWS_ACCESS_KEY: &[Field] = &[
            line("access-key-id", "access key ID", false),
            line("secret-access-key", "secret access key", true),
            Field { optional: true, ..line("session-token", "session token", true) },
        ];
        match self {
            Self::Basic => BASIC,
            Self::Bearer => BEARER,
            Self::ApiKey => API_KEY,
            Self::ClientCertificate => CLIENT_CERTIFICATE,
            Self::AwsAccessKey => AWS_ACCESS_KEY,
        }
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
            if text.chars().any(|c| c.is_control() && !(field.lines && matches!(c, '\n' | '\r' | '\t'))) {
                return wrong(if field.lines { "holds a control character" } else { "is not one line of text" });
            }
            // RFC 7617: the first colon ends the user name.
            if field.name == "username" && text.contains(':') {
                return wrong("holds a colon, which a user name cannot");
            }
        }
        Ok(())
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
        assert!(judge(Bearer, &[("token", "a"), ("tokn", "b")]).unwrap_err().contains("no field `tokn`"));
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
