//! `jackfield trust`: show and set the trust policy.

use std::path::Path;

use http::Method;
use jackfield_core::TrustPolicy;
use jackfield_trust::PublicKey;

use super::{Context, place};
use crate::{
    api::Request,
    args::TrustVerb,
    failure::Failure,
    output::{Cell, Style, Table, Tree},
};

pub(super) async fn run(context: &Context, verb: TrustVerb) -> Result<(), Failure> {
    match verb {
        TrustVerb::Show => context.show(Request::get("/v1/trust"), |policy| table(policy, context.ui.style)).await,
        TrustVerb::Set { file } => {
            let policy = read(&file)?;
            let request = Request::new(Method::PUT, "/v1/trust").json(&policy.to_json())?;
            context.show(request, |policy| table(policy, context.ui.style)).await
        }
    }
}

fn read(file: &Path) -> Result<TrustPolicy, Failure> {
    let bytes = place::file(file)?;
    let wrong = |error: String| Failure::Usage(format!("{}: {error}", file.display()));
    let policy = if file.extension().is_some_and(|ending| ending == "json") {
        TrustPolicy::from_json(&bytes)
    } else {
        TrustPolicy::parse(&String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?)
    };
    policy.map_err(|error| wrong(error.to_string()))
}

fn table(policy: &Tree, style: Style) -> String {
    let mut table = Table::new(["what comes from", "without a signature", "signers", "attestations", "at most"]);
    for rule in policy.list("source") {
        let unsigned = if rule.text("unsigned") == "allow" { "is taken" } else { "is refused" };
        let signers: Vec<String> = rule.list("signer").iter().map(signer).collect();
        table.row([
            Cell::from(rule.text("prefix")),
            Cell::from(unsigned),
            Cell::from(signers.join(", ")),
            Cell::from(rule.list("attestation").iter().map(attestation).collect::<Vec<_>>().join(", ")),
            Cell::from(rule.get("ceiling").map(ToString::to_string).unwrap_or_default()),
        ]);
    }
    if table.is_empty() {
        return "(no rules: nothing is installed but files, with --allow-unsigned; set some with `jackfield trust set FILE`)\n"
            .into();
    }
    table.render(style)
}

/// A key as it is called wherever something is said to be signed by it.
fn fingerprint(pem: &str) -> String {
    PublicKey::from_pem(pem).map(|key| key.fingerprint()).unwrap_or_default()
}

fn attestation(attestation: &Tree) -> String {
    let signers: Vec<String> = attestation.list("signer").iter().map(signer).collect();
    match signers.as_slice() {
        [] => attestation.text("type").to_owned(),
        signers => format!("{} (by {})", attestation.text("type"), signers.join(", ")),
    }
}

pub(super) fn signer(signer: &Tree) -> String {
    match (signer.text("name"), signer.text("subject")) {
        ("", "") => format!("key {}", fingerprint(signer.text("key"))),
        ("", subject) => format!("{subject} ({})", signer.text("issuer")),
        (name, _) => name.to_owned(),
    }
}
