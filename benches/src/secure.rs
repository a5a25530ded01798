//! What the secure core costs a call that asks an outside system: a credential that is applied or signed with, the trail, the
//! look for secrets in what comes back. Beside the same call with none of it.

use std::hint::black_box;

use anyhow::{Context as _, Result};
use jackfield_core::{
    CallRequest, CredentialBinding, EndpointSettings, Host, HostBuilder, NewCredential, NewIntegration, NewSource,
    Secret,
};
use serde_json::{Value, json};

use crate::{
    echo::packed,
    hostile::Outside,
    race::{race, way},
    table::Table,
};

const GROUP: &str = "secure";

/// All of it.
pub(crate) async fn all(table: &mut Table, quick: bool) -> Result<()> {
    let outside = Outside::start().await?;
    reads(table, quick, &outside.url).await?;
    signed(table, quick, &outside.url).await
}

/// A read, as most integrations make it.
async fn reads(table: &mut Table, quick: bool, url: &str) -> Result<()> {
    let fetch = (json!({"path": "/x"}), "fetch");
    let token = json!({"type": "bearer", "fields": {"token": "a-token-as-long-as-most-are-in-the-field"}});
    let bearer = json!({"name": "outside", "allow-plain-http": true});
    let contenders = [
        ("without", host(Host::builder().without_audit(), url, None).await?),
        ("with a trail", host(Host::builder(), url, None).await?),
        ("signed (bearer), granted, audited", host(Host::builder(), url, Some((token, bearer))).await?),
    ];
    compare(table, quick, "a read", contenders, fetch).await
}

/// A request with a body, signed with SigV4, which hashes all of it.
async fn signed(table: &mut Table, quick: bool, url: &str) -> Result<()> {
    let body = Value::from("eHh4".repeat(341) + "eA==");
    let request = json!({"endpoint": "api", "method": "POST", "path": "/x", "headers": [], "body": body});
    let post = (json!({"request": request}), "attempt");
    let key = json!({"type": "aws-access-key", "fields": {
        "access-key-id": "AKIDEXAMPLE", "secret-access-key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    }});
    let aws = json!({"name": "outside", "region": "eu-central-1", "service": "s3", "allow-plain-http": true});
    let contenders = [
        ("without", host(Host::builder().without_audit(), url, None).await?),
        ("with a trail", host(Host::builder(), url, None).await?),
        ("signed (SigV4), granted, audited", host(Host::builder(), url, Some((key, aws))).await?),
    ];
    compare(table, quick, "1 KiB sent", contenders, post).await
}

async fn compare(
    table: &mut Table,
    quick: bool,
    case: &'static str,
    contenders: [(&'static str, Host); 3],
    (params, operation): (Value, &'static str),
) -> Result<()> {
    let params = bytes::Bytes::from(params.to_string());
    let call = |host: Host| {
        let params = params.clone();
        move |times| {
            let (host, params) = (host.clone(), params.clone());
            async move {
                for _ in 0..times {
                    let request = CallRequest::new("outside", "unruly", operation, params.clone());
                    black_box(host.call(request).await?);
                }
                Ok(())
            }
        }
    };
    let mut ways = contenders.clone().map(|(name, host)| way(name, call(host)));
    let took = race(&mut ways, if quick { 3 } else { 25 }).await?;
    let base = took.first().copied().unwrap_or(f64::NAN);
    for (way, ns) in ways.iter().zip(&took) {
        table.add(GROUP, case, way.name, *ns / 1e3, "us", &format!("{:+.1} us", (ns - base) / 1e3));
    }
    for (_, host) in contenders {
        host.shutdown().await;
    }
    Ok(())
}

/// A host in memory with an integration of the outside system, which uses a credential.
async fn host(builder: HostBuilder, url: &str, credential: Option<(Value, Value)>) -> Result<Host> {
    let host = builder.build().await?;
    host.install_plugin(packed("unruly")?.to_vec()).await?;
    let mut new = NewIntegration::new("outside", "unruly");
    new.config.insert("url".into(), url.into());
    new.limits.requests_per_second = Some(100_000);
    if let Some((credential, binding)) = credential {
        host.init_vault(NewSource::Passphrase(Secret::from(&b"a passphrase for a bench"[..]))).await?;
        let credential: NewCredential = serde_json::from_value(credential).context("the bench's credential")?;
        host.set_credential("outside", credential).await?;
        let bound: CredentialBinding = serde_json::from_value(binding).context("the bench's binding")?;
        let settings = EndpointSettings { credential: Some(bound), ..EndpointSettings::default() };
        new.endpoints.insert("api".into(), settings);
    }
    host.add_integration(new).await?;
    Ok(host)
}
