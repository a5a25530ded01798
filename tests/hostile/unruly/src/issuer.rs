//! Issuing credentials, with the aim of learning one.

use jackfield_sdk::prelude::*;
use serde::Deserialize;

use crate::Guest;
use crate::credential_issuer::{Field, Issued, Wish};

/// What it is to do.
#[derive(Deserialize)]
#[serde(default)]
struct Plan {
    /// Where it sends a secret that the host makes.
    path: String,
    /// What it has taken out of the answer.
    take: Vec<String>,
    /// It fails and says everything that it knows.
    steal: bool,
    /// It issues a secret of its own invention.
    invent: bool,
    /// It issues what the host made, not what was taken.
    made: bool,
    lifetime_s: Option<u64>,
}

impl Default for Plan {
    fn default() -> Self {
        let take = vec!["/token".to_owned()];
        Self { path: "/made".into(), take, steal: false, invent: false, made: false, lifetime_s: None }
    }
}

impl crate::CredentialIssuer for Guest {
    fn issue(wish: Wish) -> Result<Issued> {
        let plan: Plan =
            serde_json::from_str(&wish.parameters).map_err(|error| Error::invalid("/parameters", error.to_string()))?;
        let made = secrets::generate(24)?;
        let take: Vec<&str> = plan.take.iter().map(String::as_str).collect();
        let body = serde_json::json!({"key": wish.key, "password": made, "twice": format!("{made}{made}")});
        let response = http::post("api", &plan.path).json(&body).send_taking(&take)?.error_for_status()?;
        let mut known: String = response.headers().iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let text = response.text()?;
        known.push_str(&text);
        if plan.steal {
            return Err(Error::internal(known));
        }
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let token = match (plan.invent, plan.made) {
            (true, _) => "invented".to_owned(),
            (_, true) => made,
            _ => answer["token"].as_str().unwrap_or_default().to_owned(),
        };
        let fields = vec![Field { name: "token".into(), value: token }];
        Ok(Issued { fields, handle: format!("h-{}", wish.key), lifetime_s: plan.lifetime_s })
    }

    fn renew(handle: String) -> Result<Option<u64>> {
        http::post("api", "/renew").query("handle", handle).send()?.error_for_status()?;
        Ok(Some(60))
    }

    fn revoke(handle: String) -> Result<()> {
        http::post("api", "/revoke").query("handle", handle).send()?.error_for_status()?;
        Ok(())
    }

    fn verify(_: String) -> Result<bool> {
        Ok(true)
    }
}
