//! From a record to what runs: pools, connections, operations. When an integration is added or changed, and at each start.

use std::{collections::BTreeMap, sync::Arc};

use jackfield_engine::{Pool, Services};
use jackfield_gateway::{Allowance, EndpointSpec, Gateway, GatewayLimits, IpNet, Label};
use jackfield_reflect::did_you_mean;
use jackfield_registry::Manifest;
use jackfield_store::Bucket;
use serde_json::{Map, Value};

use super::{
    Integration, IntegrationRecord, Live, Runtime,
    enabling::disabled,
    probation::Watch,
    runtime::serve,
    shadow::{Remembered, Shadow},
    share::Share,
};
use crate::{
    EndpointSettings, Error, Result, config, credentials, faults, grants,
    guest_log::GuestLog,
    issuing::CallSecrets,
    limits, names,
    outbound::{self, GuestOutbound},
    plugins::Installed,
    shared::Shared,
    spending,
    state::GuestState,
    view::View,
};

/// What it is for that something runs.
#[derive(Clone, Copy)]
pub(super) enum For<'a> {
    /// For calls.
    Calls,
    /// To see whether a version of a credential works: its name, and which.
    Credential(&'a str, u64),
    /// To see whether another version of the plugin works. It can keep nothing.
    Version,
    /// To answer reads with another version of the plugin, again and again. It can keep nothing, and what it sends may change
    /// nothing: that it calls an operation a read is what it says itself.
    Rehearsal,
}

impl For<'_> {
    /// The version of a credential that is tried out.
    fn version_of(self, credential: &str) -> Option<u64> {
        match self {
            Self::Credential(name, version) => (name == credential).then_some(version),
            Self::Calls | Self::Version | Self::Rehearsal => None,
        }
    }

    /// The endpoints of which less may be asked for this than their operator allows.
    fn restrains(self, manifest: &Manifest, settings: &BTreeMap<String, EndpointSettings>) -> Vec<String> {
        let allowance = |name: &String| settings.get(name).map(grants::allowance).unwrap_or_default();
        let restrained = |name: &&String| self.allowance(allowance(name)) != allowance(name);
        manifest.endpoints.iter().map(|endpoint| &endpoint.name).filter(restrained).cloned().collect()
    }

    /// What may be asked of an endpoint, of what its operator allows.
    fn allowance(self, allowed: Allowance) -> Allowance {
        match self {
            // Where what the operator allows is only counted, only this is refused.
            Self::Rehearsal if allowed.count_only => Allowance { read_only: true, ..Allowance::default() },
            Self::Rehearsal => Allowance { read_only: true, ..allowed },
            Self::Calls | Self::Credential(..) | Self::Version => allowed,
        }
    }
}

/// Makes what runs for a record.
pub(super) fn runtime(
    shared: &Shared,
    name: &Arc<str>,
    record: &IntegrationRecord,
    plugin: &Arc<Installed>,
    live: &Live,
    purpose: For<'_>,
) -> Result<Runtime> {
    let code = plugin.code.as_ref().map_err(Clone::clone)?;
    let manifest = &plugin.record.manifest;
    let config = code.schema.complete(&record.config)?;
    let granted = limits::grant(&manifest.limits, &record.limits)?;
    let limits = limits::of_calls(&granted);
    // From what the operator wrote and nothing else: an address is a grant, and the schema's defaults are the plugin's.
    let endpoints = endpoints(shared, manifest, &record.config, &record.endpoints, purpose)?;
    let mut gateway_limits = GatewayLimits { response_bytes: limits.response_bytes, ..GatewayLimits::default() };
    // Each call that runs can have one request under way.
    gateway_limits.in_flight = gateway_limits.in_flight.max(limits.concurrency);
    let gateway = Gateway::new(endpoints, gateway_limits, shared.dialer.clone())
        .map_err(|error| outbound::misconfigured(manifest, &error))?
        .looking_for(shared.known.clone())
        .of(name.clone(), live.uses.clone());
    let gateway = match &live.tape {
        None => gateway,
        Some(tape) => {
            let label = Label {
                integration: name.to_string(),
                plugin: record.plugin.clone(),
                plugin_version: record.plugin_version.to_string(),
                plugin_digest: record.plugin_digest.to_string(),
            };
            tape.put_into(gateway, label, &shared.known, !matches!(purpose, For::Calls))?
        }
    };
    let gateway = Arc::new(gateway);
    let guest_config: Arc<str> = config::for_guest(manifest, &config).into();
    let budgets = Arc::new(spending::budgets(&shared.store, &record.incarnation, &record.endpoints)?);
    let outbound = GuestOutbound::new(gateway.clone(), budgets.clone(), &granted, &limits, live);
    let outbound = Arc::new(outbound.restrained(purpose.restrains(manifest, &record.endpoints)));
    let secrets = Arc::new(CallSecrets::new(outbound.clone(), shared.known.clone()));
    let services = Services {
        integration: name.clone(),
        config: guest_config.clone(),
        outbound,
        state: Arc::new(GuestState {
            store: shared.store.clone(),
            incarnation: record.incarnation.clone(),
            max_bytes: limits.state_bytes,
            read_only: matches!(purpose, For::Version | For::Rehearsal),
            tracks: live.tracks.clone(),
            bounds: live.bounds.clone(),
            leaks: live.leaks.clone(),
            turn: tokio::sync::Mutex::default(),
        }),
        log: Arc::new(GuestLog::of(live, name.clone())),
        secrets: secrets.clone(),
    };
    let calls = Pool::new(code.plugin.clone(), services, limits.clone());
    Ok(Runtime {
        feeds: calls.beside(limits::of_feeds(&limits)),
        calls,
        capabilities: serve(&code.plugin, &code.reflection, &manifest.writes, &live.calls, plugin.record.installed_at)?,
        gateway,
        budgets,
        secrets,
        limits,
        granted,
        watch: Watch::of(record, live.calls.tally()),
        compatibility: manifest.compatibility.clone(),
        config,
        guest_config,
    })
}

/// The endpoints that the manifest asks for, where the configuration says they are, within what the operator sets.
fn endpoints(
    shared: &Shared,
    manifest: &Manifest,
    config: &Map<String, Value>,
    settings: &BTreeMap<String, EndpointSettings>,
    purpose: For<'_>,
) -> Result<Vec<EndpointSpec>> {
    let known = || manifest.endpoints.iter().map(|endpoint| endpoint.name.as_str());
    for name in settings.keys() {
        if known().all(|known| known != name) {
            let shown: String = name.chars().take(80).collect();
            let hint = match did_you_mean(&shown, known()) {
                hint if !hint.is_empty() => hint,
                _ if manifest.endpoints.is_empty() => " It has none.".to_owned(),
                _ => format!(" It has {}.", known().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
            };
            let message = format!("the plugin `{}` has no endpoint `{shown}`.{hint}", manifest.plugin.name);
            return Err(Error::invalid(message).at(format!("/endpoints/{}", names::pointer(name))));
        }
    }
    let mut specs = Vec::new();
    for rule in &manifest.endpoints {
        // None where the schema does not require one: the plugin can do without, and is told so if it asks.
        let addresses = config::addresses(config, &rule.address);
        let settings = settings.get(&rule.name).cloned().unwrap_or_default();
        if let Some(grant) = &settings.grant {
            let at = |error: Error| {
                let field = error.field.clone().unwrap_or_default();
                error.at(format!("/endpoints/{}{field}", names::pointer(&rule.name)))
            };
            grants::judge(grant).map_err(at)?;
        }
        specs.push(EndpointSpec {
            name: rule.name.clone(),
            addresses,
            methods: rule.methods.clone(),
            paths: rule.paths.clone(),
            safe_posts: rule.safe_posts.clone(),
            allowance: purpose.allowance(grants::allowance(&settings)),
            allow_addresses: ranges(&rule.name, &settings)?,
            ca_pem: settings.ca_pem,
            authority: settings
                .credential
                .map(|bound| {
                    let version = purpose.version_of(&bound.name);
                    let authority = credentials::authority(shared, &rule.name, bound)?;
                    Ok(match version {
                        Some(version) => authority.trying(version),
                        None => authority,
                    })
                })
                .transpose()?,
        });
    }
    Ok(specs)
}

fn ranges(endpoint: &str, settings: &EndpointSettings) -> Result<Vec<IpNet>> {
    let parse = |(index, text): (usize, &String)| {
        let one = || text.parse::<std::net::IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(|_| one()).map_err(|_| {
            let shown: String = text.chars().take(80).collect();
            let message = format!("`{shown}` is no range of addresses; write it like `10.0.0.0/8` or `fd00::/8`");
            Error::invalid(message).at(format!("/endpoints/{}/allow-addresses/{index}", names::pointer(endpoint)))
        })
    };
    settings.allow_addresses.iter().enumerate().map(parse).collect()
}

/// Loads every integration of a store. One that cannot run is there all the same, with the reason.
pub(crate) async fn load_all(shared: &Shared, plugins: &View) -> Result<BTreeMap<String, Arc<Integration>>> {
    let mut integrations = BTreeMap::new();
    for (name, stored) in shared.store.list(Bucket::Integrations, "", None, usize::MAX).await.map_err(faults::store)? {
        let record: IntegrationRecord = match serde_json::from_slice(&stored.value) {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(integration = name, %error, "an integration's record cannot be read; it was left as it is");
                continue;
            }
        };
        let shared_name: Arc<str> = name.as_str().into();
        let live = Live::new(shared_name.clone(), &record.plugin, shared);
        let runtime = match record.disabled {
            true => Err(disabled(&name)),
            false => plugins
                .plugin_of(&record)
                .and_then(|plugin| self::runtime(shared, &shared_name, &record, plugin, &live, For::Calls))
                .map(Arc::new),
        };
        match &runtime {
            Err(_) if record.disabled => live.health.disabled(),
            Err(error) => {
                tracing::error!(integration = name, %error, "an integration cannot run");
                live.health.cannot_run(error);
            }
            Ok(_) => {}
        }
        let revision = stored.revision;
        let mut integration =
            Integration { name: shared_name, record, revision, runtime, live, shadow: None, share: None };
        integration.shadow = Shadow::again(shared, &integration, plugins);
        integration.share = Share::again(shared, &integration, plugins);
        if let Some(shadow) = &integration.shadow {
            integration.live.remember_shadow(Remembered::Goes(shadow.clone()));
        }
        integrations.insert(name, Arc::new(integration));
    }
    Ok(integrations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rehearsed_may_change_nothing_whatever_its_operator_allows_or_only_counts() {
        let methods = Some(vec!["GET".to_owned(), "DELETE".to_owned()]);
        let of = |read_only, count_only| Allowance { methods: methods.clone(), paths: None, read_only, count_only };
        assert_eq!(For::Rehearsal.allowance(of(false, false)), of(true, false));
        assert_eq!(
            For::Rehearsal.allowance(of(false, true)),
            Allowance { read_only: true, ..Allowance::default() },
            "what is only counted is not refused"
        );
        for purpose in [For::Calls, For::Version, For::Credential("token", 1)] {
            assert_eq!(purpose.allowance(of(false, true)), of(false, true));
        }
    }
}
