//! Whether the system is there. Its build information is cheap, needs the storage to be ready, and tells the version.

use jackfield_sdk::prelude::*;

use crate::api::{Api, Form, ask};
use crate::refusal::{Fields, check as check_status};
use crate::wire::{BuildInfo, QueryAnswer};

pub(crate) fn check() -> Result<Health> {
    let api = Api::open()?;
    match ask::<BuildInfo>(api.get("/api/v1/status/buildinfo"), &Fields::NONE) {
        // Its build information names a version of Prometheus's, for Grafana's sake.
        Ok(answer) if answer.victoria => Ok(Health::healthy("VictoriaMetrics answers").version("victoriametrics")),
        Ok(answer) => Ok(health(answer.data)),
        Err(error) if error.kind == ErrorKind::Unsupported => without_build_information(&api, error),
        Err(error) => Err(error),
    }
}

fn health(info: BuildInfo) -> Health {
    let name = if info.application.is_empty() { "Prometheus" } else { &info.application };
    let health = Health::healthy(format!("{name} answers"));
    if info.version.is_empty() { health } else { health.version(info.version) }
}

/// Some have the API without this part: a query then shows that they answer. vmalert has rules and alerts and no queries.
fn without_build_information(api: &Api, error: Error) -> Result<Health> {
    let query = api.post_query("/api/v1/query", Form::default().with("query", "1"));
    match ask::<QueryAnswer>(query, &Fields::NONE) {
        Ok(_) => Ok(Health::healthy("queries are answered")),
        Err(refused) if refused.kind == ErrorKind::Unsupported => {
            let ready = check_status(api.get("/-/ready").send()?, &Fields::NONE);
            // Where nothing of all this is known, the address is wrong, and the first error says so best.
            ready.map_err(|_| error)?;
            Ok(Health::degraded("it is ready, but answers no queries: only rules and alerts can be listed"))
        }
        Err(other) => Err(other),
    }
}
