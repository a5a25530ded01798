//! From a record to what runs: pools, connections, operations. When an integration is added or changed, and at each start.

use std::{collections::BTreeMap, sync::Arc};

use jackfield_engine::{Pool, Services};
use jackfield_gateway::{EndpointSpec, Gateway, GatewayLimits, IpNet, Label};
use jackfield_reflect::did_you_mean;
use jackfield_registry::Manifest;
use jackfield_store::Bucket;
use serde_json::{Map, Value};

use super::{Integration, IntegrationRecord, Live, Runtime, runtime::serve};
use crate::{
    EndpointSettings, Error, ErrorKind, ErrorSource, Result, config, credentials, faults, grants,
    guest_log::GuestLog,
    issuing::CallSecrets,
    limits, names,
    outbound::{self, GuestOutbound},
    plugins::Installed,
    shared::Shared,
    spending,
    state::GuestState,
};

/// Makes what runs for a record. `trying`: a credential and the version of it that is used, to see whether it works.
pub(super) fn runtime(
    shared: &Shared,
    name: &Arc<str>,
    record: &IntegrationRecord,
    plugin: &Arc<Installed>,
    live: &Live,
    trying: Option<(&str, u64)>,
) -> Result<Runtime> {
    let code = plugin.code.as_ref().map_err(Clone::clone)?;
    let manifest = &plugin.record.manifest;
    let config = code.schema.complete(&record.config)?;
    let granted = limits::grant(&manifest.limits, &record.limits)?;
    let limits = limits::of_calls(&granted);
    // From what the operator wrote and nothing else: an address is a grant, and the schema's defaults are the plugin's.
    let endpoints = endpoints(shared, manifest, &record.config, &record.endpoints, trying)?;
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
            tape.put_into(gateway, label, &shared.known, trying.is_some())?
        }
    };
    let gateway = Arc::new(gateway);
    let guest_config: Arc<str> = config::for_guest(manifest, &config).into();
    let budgets = Arc::new(spending::budgets(&shared.store, &record.incarnation, &record.endpoints)?);
    let outbound = Arc::new(GuestOutbound::new(gateway.clone(), budgets.clone(), &granted, &limits, live));
    let secrets = Arc::new(CallSecrets::new(outbound.clone(), shared.known.clone()));
    let services = Services {
        integration: name.clone(),
        config: guest_config.clone(),
        outbound,
        state: Arc::new(GuestState {
            store: shared.store.clone(),
            incarnation: record.incarnation.clone(),
            max_bytes: limits.state_bytes,
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
        capabilities: serve(&code.plugin, &code.reflection, &manifest.writes, &live.calls)?,
        gateway,
        budgets,
        secrets,
        limits,
        granted,
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
    trying: Option<(&str, u64)>,
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
            allowance: grants::allowance(&settings),
            allow_addresses: ranges(&rule.name, &settings)?,
            ca_pem: settings.ca_pem,
            authority: settings
                .credential
                .map(|bound| {
                    let version = trying.and_then(|(name, version)| (name == bound.name).then_some(version));
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
pub(crate) async fn load_all(
    shared: &Shared,
    plugins: &BTreeMap<String, Arc<Installed>>,
) -> Result<BTreeMap<String, Arc<Integration>>> {
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
        let runtime = installed(plugins, &record)
            .and_then(|plugin| self::runtime(shared, &shared_name, &record, plugin, &live, None))
            .map(Arc::new);
        if let Err(error) = &runtime {
            tracing::error!(integration = name, %error, "an integration cannot run");
            live.health.cannot_run(error);
        }
        let integration = Integration { name: shared_name, record, revision: stored.revision, runtime, live };
        integrations.insert(name, Arc::new(integration));
    }
    Ok(integrations)
}

fn installed<'a>(
    plugins: &'a BTreeMap<String, Arc<Installed>>,
    record: &IntegrationRecord,
) -> Result<&'a Arc<Installed>> {
    let missing = |reason: String| Error::new(ErrorKind::Unavailable, ErrorSource::Host, reason);
    let plugin = plugins
        .get(&record.plugin)
        .ok_or_else(|| missing(format!("its plugin `{}` is not installed; install it again", record.plugin)))?;
    if plugin.record.digest != record.plugin_digest {
        let message = format!("its plugin `{}` is another file than the one it was added with", record.plugin);
        return Err(missing(format!("{message}; remove the integration and add it again")));
    }
    Ok(plugin)
}
