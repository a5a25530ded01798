//! `jackfield vault`: what opens it, and whether it is open.

use std::path::Path;

use http::Method;
use jackfield_core::{Secret, make_key_file};
use serde_json::{Value, json};

use super::Context;
use crate::{
    api::{Request, segment},
    args::{KeyVerb, PassphraseArgs, SourceArgs, VaultVerb},
    failure::Failure,
    output::{Cell, Style, Table, Tree, rfc3339_of},
    secret,
};

const PASSPHRASE: &str = "vault passphrase";

pub(super) async fn run(context: &Context, verb: VaultVerb) -> Result<(), Failure> {
    let post = |verb: &str| Request::new(Method::POST, format!("/v1/vault/{verb}"));
    let request = match verb {
        VaultVerb::Status => Request::get("/v1/vault"),
        VaultVerb::Init(args) => post("init").json(&source(&args)?)?,
        VaultVerb::Unlock(args) => {
            let given = passphrase(&args)?;
            post("unlock").json(&json!({"passphrase": given.as_ref().map(text).transpose()?}))?
        }
        VaultVerb::Seal => post("seal"),
        VaultVerb::Rekey(args) => {
            let given = passphrase(&args)?;
            let given = given.iter().map(text).collect::<Result<Vec<_>, _>>()?;
            post("rekey").json(&json!({"passphrases": given}))?
        }
        VaultVerb::Key(KeyVerb::Add(args)) => post("keys").json(&source(&args)?)?,
        VaultVerb::Key(KeyVerb::Remove { id }) => {
            Request::new(Method::DELETE, format!("/v1/vault/keys/{}", segment(&id)))
        }
    };
    context.show(request, |vault| show(vault, context.ui.style)).await
}

/// What is to open the vault. A key file that is missing is made here, where the operator is.
fn source(args: &SourceArgs) -> Result<Value, Failure> {
    if let Some(path) = &args.key_file {
        make_key_file(path).map_err(|error| Failure::Failed(error.message))?;
        let path = std::path::absolute(path).map_err(|error| Failure::Usage(format!("--key-file: {error}")))?;
        return Ok(json!({"file": path}));
    }
    if let Some(name) = &args.keyring {
        return Ok(json!({"keyring": {"name": name}}));
    }
    if let Some(address) = &args.transit {
        return Ok(json!({"transit": {
            "address": address,
            "mount": args.transit_mount,
            "key": args.transit_key,
            "token-file": args.transit_token_file,
            "ca-pem": certificates("--transit-ca-file", args.transit_ca_file.as_deref())?,
        }}));
    }
    if let Some(key) = &args.aws_kms {
        return Ok(json!({"aws-kms": {
            "key": key,
            "region": args.aws_region,
            "credentials-file": args.aws_credentials_file,
            "profile": args.aws_profile,
            "address": args.aws_endpoint,
            "ca-pem": certificates("--aws-ca-file", args.aws_ca_file.as_deref())?,
        }}));
    }
    let given = match &args.passphrase_file {
        Some(path) => secret::from_file(path, true)?,
        None => secret::ask_twice(PASSPHRASE)?,
    };
    Ok(json!({"passphrase": text(&given)?}))
}

fn certificates(option: &str, path: Option<&Path>) -> Result<Option<String>, Failure> {
    let pem = path.map(std::fs::read_to_string).transpose();
    pem.map_err(|error| Failure::Usage(format!("{option} cannot be read: {error}")))
}

fn passphrase(args: &PassphraseArgs) -> Result<Option<Secret>, Failure> {
    match &args.passphrase_file {
        Some(path) => secret::from_file(path, true).map(Some),
        None if args.passphrase => secret::ask(PASSPHRASE).map(Some),
        None => Ok(None),
    }
}

fn text(secret: &Secret) -> Result<&str, Failure> {
    secret.expose_str().ok_or_else(|| Failure::Usage("the passphrase is not UTF-8".into()))
}

fn show(vault: &Tree, style: Style) -> String {
    let mut facts = Table::plain();
    let mut fact = |name: &str, value: &str| facts.row([Cell::from(name), Cell::from(value)]);
    fact("vault", vault.text("state"));
    fact("credentials", &vault.get("credentials").map(ToString::to_string).unwrap_or_default());
    fact("key generation", &vault.get("generation").map(ToString::to_string).unwrap_or_default());
    if vault.get("resealing") == Some(&Tree::Bool(true)) {
        fact("resealing", "under way");
    }
    if vault.get("locked-memory") == Some(&Tree::Bool(false)) {
        fact("memory", "the system lets secrets be swapped out; raise `ulimit -l`");
    }
    let mut out = facts.render(Style { width: None, ..style });
    let mut keys = Table::new(["id", "type", "sealed with", "added"]);
    for key in vault.list("keys") {
        keys.row([
            Cell::from(key.text("id")),
            Cell::from(key.text("type")),
            Cell::from(key.text("place")),
            Cell::from(rfc3339_of(key, "created-at")),
        ]);
    }
    if keys.is_empty() {
        out.push_str("\n(no vault yet; make one with `jackfield vault init`)\n");
    } else {
        out.push('\n');
        out.push_str(&keys.render(style));
    }
    out
}
