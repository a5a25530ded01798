//! What each type of credential consists of.

/// A field of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it is, for a prompt.
    pub label: &'static str,
    /// Whether it is looked for in everything that goes to a plugin, and never shown. A user name is not.
    pub secret: bool,
    /// What it looks like.
    pub form: Form,
    /// Whether it may be left out.
    pub optional: bool,
}

/// What a field looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One line of text.
    Line,
    /// Several lines, such as PEM.
    Lines,
    /// Where the host sends it: an address, `https://` but on this machine.
    Url,
}

const fn open(name: &'static str, label: &'static str) -> Field {
    Field { name, label, secret: false, form: Form::Line, optional: false }
}

const fn secret(name: &'static str, label: &'static str) -> Field {
    Field { secret: true, ..open(name, label) }
}

const fn lines(field: Field) -> Field {
    Field { form: Form::Lines, ..field }
}

const fn url(field: Field) -> Field {
    Field { form: Form::Url, ..field }
}

const fn optional(field: Field) -> Field {
    Field { optional: true, ..field }
}

const TOKEN_URL: Field = url(open("token-url", "where tokens are given"));
const CA: Field = optional(lines(open("ca", "certificates to trust there instead of the system's, PEM")));
const CLIENT_ID: Field = open("client-id", "client ID");
const CLIENT_SECRET: Field = optional(secret("client-secret", "client secret"));
const PRIVATE_KEY: Field = lines(secret("private-key", "private key, PEM"));
const KEY_ID: Field = optional(open("key-id", "key ID"));
const SCOPE: Field = optional(open("scope", "scopes, with spaces between them"));
const AUDIENCE: Field = optional(open("audience", "audience"));
const SUBJECT: Field = optional(open("subject", "subject: on whose behalf"));
const ACCESS_KEY_ID: Field = open("access-key-id", "access key ID");
const SECRET_ACCESS_KEY: Field = secret("secret-access-key", "secret access key");
const SESSION_TOKEN: Field = optional(secret("session-token", "session token"));

pub(super) const BASIC: &[Field] = &[open("username", "user name"), secret("password", "password")];
pub(super) const BEARER: &[Field] = &[secret("token", "token")];
pub(super) const API_KEY: &[Field] = &[secret("key", "key")];
pub(super) const CLIENT_CERTIFICATE: &[Field] = &[lines(open("certificate", "certificate chain, PEM")), PRIVATE_KEY];
pub(super) const AWS_ACCESS_KEY: &[Field] = &[ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN];
pub(super) const AWS_ROLE: &[Field] = &[
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    SESSION_TOKEN,
    open("role-arn", "ARN of the role"),
    optional(open("external-id", "external ID")),
    optional(open("session-name", "name of the session, `jackfield` where none is given")),
    optional(url(open("sts-url", "where STS is, https://sts.amazonaws.com where none is given"))),
    CA,
];
pub(super) const OAUTH2_CLIENT: &[Field] = &[
    TOKEN_URL,
    CLIENT_ID,
    CLIENT_SECRET,
    optional(PRIVATE_KEY),
    KEY_ID,
    SCOPE,
    AUDIENCE,
    optional(open("client-authentication", "how the secret is sent: `basic`, or `post`")),
    CA,
];
pub(super) const JWT_BEARER: &[Field] =
    &[TOKEN_URL, open("issuer", "issuer"), PRIVATE_KEY, KEY_ID, SUBJECT, AUDIENCE, SCOPE, CA];
pub(super) const TOKEN_EXCHANGE: &[Field] = &[
    TOKEN_URL,
    secret("subject-token", "token that is exchanged"),
    optional(open("subject-token-type", "its type, an access token's where none is given")),
    optional(CLIENT_ID),
    CLIENT_SECRET,
    SCOPE,
    AUDIENCE,
    optional(open("resource", "resource that the token is for, a URI")),
    CA,
];
pub(super) const GCP_SERVICE_ACCOUNT: &[Field] = &[lines(secret("key", "key file, JSON")), SCOPE, SUBJECT, CA];
pub(super) const AZURE_CLIENT: &[Field] = &[
    open("tenant", "tenant: an ID or a domain"),
    CLIENT_ID,
    CLIENT_SECRET,
    optional(lines(open("certificate", "certificate, PEM"))),
    optional(PRIVATE_KEY),
    open("scope", "scope, e.g. https://management.azure.com/.default"),
    optional(url(open("authority", "where Entra ID is, https://login.microsoftonline.com where none is given"))),
    CA,
];
pub(super) const KUBECONFIG: &[Field] = &[
    lines(secret("config", "kubeconfig, YAML or JSON")),
    optional(open("context", "context, the current one where none is given")),
    optional(secret("token", "token to use in place of the one, the `tokenFile` or the `exec` that it names")),
    optional(lines(open("certificate", "client certificate to use in place of the one in it, PEM"))),
    optional(PRIVATE_KEY),
];
pub(super) const GITHUB_APP: &[Field] = &[
    open("app-id", "app ID or client ID"),
    open("installation-id", "installation ID"),
    PRIVATE_KEY,
    optional(url(open("api-url", "where the API is, https://api.github.com where none is given"))),
    CA,
];
