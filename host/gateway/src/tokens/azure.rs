//! Applications of Microsoft Entra ID.
//! Source: <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.

use std::time::SystemTime;

use jackfield_vault::Lease;

use super::{
    ask::{Ask, field},
    jwt::{Claims, Signer},
    oauth::{ASSERTS, Form},
};

const AUTHORITY: &str = "https://login.microsoftonline.com";

pub(super) fn ask(lease: &Lease, now: SystemTime) -> Result<Ask, String> {
    let (tenant, id) = (field(lease, "tenant")?, field(lease, "client-id")?);
    if tenant.is_empty() || !tenant.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b)) {
        return Err("its tenant is an ID or a domain: letters, digits, `-` and `.`".into());
    }
    let authority = lease.material.text("authority").unwrap_or(AUTHORITY).trim_end_matches('/');
    let url = format!("{authority}/{tenant}/oauth2/v2.0/token");
    let mut form = Form::new("client_credentials");
    form.add("client_id", id);
    form.add("scope", field(lease, "scope")?);
    match lease.material.text("private-key") {
        Some(key) => {
            let claims = Claims { issuer: id, subject: Some(id), audience: &url, scope: None };
            let assertion = Signer::new(key)?.certificate(field(lease, "certificate")?)?.sign(&claims, now)?;
            form.add(ASSERTS.0, ASSERTS.1);
            form.add("client_assertion", &assertion);
        }
        None => form.add("client_secret", field(lease, "client-secret")?),
    }
    Ok(form.into_ask(&url))
}
