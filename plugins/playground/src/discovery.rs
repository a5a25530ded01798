//! The service registry: `sd/SERVICE/ID` holds a registration and its health, `sd-ttl/SERVICE/ID` when it goes by itself.
//! The two are apart so that an instance that only says "still here" changes nothing that people watch.

use jackfield_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::store::{self, Request, Txn, log};
use crate::wit::service_discovery::{
    Change, ChangeBatch, Instance, InstanceHealth, InstancePage, InstanceRef, Registration, Service, ServicePage,
};
use crate::{Playground, ServiceDiscovery, feed, kv, limits};

/// How many services or instances a page has where the caller does not say.
const DEFAULT_LIMIT: usize = 100;

/// An instance as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    address: String,
    port: u16,
    labels: Vec<(String, String)>,
    health: u8,
}

/// The state's keys of a service's instances, or of all.
pub(crate) fn prefix(service: Option<&str>) -> String {
    service.map_or_else(|| "sd/".to_owned(), |service| format!("sd/{service}/"))
}

fn key(service: &str, id: &str) -> String {
    format!("sd/{service}/{id}")
}

fn ttl_key(service: &str, id: &str) -> String {
    format!("sd-ttl/{service}/{id}")
}

/// Service and id from a state's key; a service's name has no slash.
fn split(key: &str) -> Result<(&str, &str)> {
    let parts = key.strip_prefix("sd/").and_then(|name| name.split_once('/'));
    parts.ok_or_else(|| Error::internal(format!("the registry holds something unreadable at `{key}`")))
}

fn instance(key: &str, stored: &[u8], revision: String) -> Result<Instance> {
    let record: Record = state::from_json(key, stored)?;
    let (service, id) = split(key)?;
    Ok(Instance {
        service: service.to_owned(),
        id: id.to_owned(),
        address: record.address,
        port: record.port,
        labels: record.labels.into_iter().map(|(name, value)| label(name, value)).collect(),
        health: health_of(record.health),
        revision,
    })
}

/// A change as the feed tells it.
pub(crate) fn change(change: log::Change) -> Result<Change> {
    match change.value {
        Some(stored) => Ok(Change::Put(instance(&change.key, &stored, change.revision.to_string())?)),
        None => {
            let (service, id) = split(&change.key)?;
            Ok(Change::Deleted(InstanceRef { service: service.to_owned(), id: id.to_owned() }))
        }
    }
}

fn health_of(number: u8) -> InstanceHealth {
    match number {
        0 => InstanceHealth::Passing,
        1 => InstanceHealth::Warning,
        _ => InstanceHealth::Critical,
    }
}

fn number_of(health: InstanceHealth) -> u8 {
    match health {
        InstanceHealth::Passing => 0,
        InstanceHealth::Warning => 1,
        InstanceHealth::Critical => 2,
    }
}

fn check_names(service: &str, id: &str, field: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if service.is_empty() || service.len() > 200 || !service.chars().all(allowed) {
        return Err(Error::invalid(format!("{field}/service"), "must be 1 to 200 letters, digits, `-`, `_` and `.`"));
    }
    if id.is_empty() || id.len() > 200 || id.chars().any(char::is_control) {
        return Err(Error::invalid(format!("{field}/id"), "must be 1 to 200 bytes without control characters"));
    }
    Ok(())
}

fn check(registration: &Registration) -> Result<()> {
    check_names(&registration.service, &registration.id, "/registration")?;
    let address = &registration.address;
    if address.is_empty() || address.len() > 255 || address.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Error::invalid("/registration/address", "must be a host name or an IP address"));
    }
    let mut names: Vec<&str> = registration.labels.iter().map(|label| label.name.as_str()).collect();
    names.sort_unstable();
    if names.iter().any(|name| name.is_empty()) || names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::invalid("/registration/labels", "every label needs a name, and each name comes once"));
    }
    let bytes: usize = registration.labels.iter().map(|label| label.name.len() + label.value.len()).sum();
    if bytes > 8192 {
        return Err(Error::invalid("/registration/labels", "hold more than 8192 bytes"));
    }
    registration.ttl_ms.map_or(Ok(()), |ttl| limits::ttl(ttl, "/registration/ttl-ms").map(|_| ()))
}

fn request(registration: &Registration) -> Request {
    let Registration { service, id, address, port, labels, ttl_ms } = registration;
    let request = Request::new("register").with(service).with(id).with(address).with(port.to_le_bytes());
    let request = request.with_opt(ttl_ms.map(u64::to_le_bytes));
    labels.iter().fold(request, |request, label| request.with(&label.name).with(&label.value))
}

fn register(txn: &mut Txn, registration: &Registration, options: &WriteOptions) -> Result<Instance> {
    let (service, id) = (&registration.service, &registration.id);
    let key = key(service, id);
    let found = txn.get(&key)?;
    options.check(&format!("the instance `{id}` of `{service}`"), kv::revision(found.as_ref()).as_deref())?;
    let before = found.as_ref().map(|found| found.json::<Record>(&key)).transpose()?;
    let labels = registration.labels.iter().map(|label| (label.name.clone(), label.value.clone())).collect();
    // Registering anew says nothing of health, so it stays as it was.
    let health = before.as_ref().map_or(0, |before| before.health);
    let record = Record { address: registration.address.clone(), port: registration.port, labels, health };
    if before.as_ref() != Some(&record) {
        txn.set_json(&key, &record)?;
    }
    match registration.ttl_ms {
        Some(ttl) => {
            let ends_at = txn.now + limits::ttl(ttl, "/registration/ttl-ms")?;
            txn.expires_at(ends_at);
            txn.set_json(ttl_key(service, id), &ends_at)?;
        }
        None if txn.get(&ttl_key(service, id))?.is_some() => txn.remove(ttl_key(service, id)),
        None => {}
    }
    // Where nothing changed, the instance keeps its revision; else it gets that of the commit.
    let revision = found.filter(|_| before.as_ref() == Some(&record)).map(|found| found.revision(0));
    instance(&key, json(&record)?.as_bytes(), revision.unwrap_or_default())
}

/// An instance as an idempotency key remembers it, and its revision where it is not that of the commit.
type Remembered = (String, String, String);

fn json(record: &Record) -> Result<String> {
    serde_json::to_string(record).map_err(|e| Error::internal(format!("a registration cannot be written: {e}")))
}

fn remember(instance: Instance) -> Result<Remembered> {
    let labels = instance.labels.into_iter().map(|label| (label.name, label.value)).collect();
    let record = Record { address: instance.address, port: instance.port, labels, health: number_of(instance.health) };
    Ok((key(&instance.service, &instance.id), json(&record)?, instance.revision))
}

fn recall((key, json, revision): Remembered, committed: u64) -> Result<Instance> {
    instance(&key, json.as_bytes(), if revision.is_empty() { committed.to_string() } else { revision })
}

impl ServiceDiscovery for Playground {
    fn list(page: Page) -> Result<ServicePage> {
        let mut services: Vec<Service> = Vec::new();
        for (key, found) in store::read(|txn| txn.list("sd/"))? {
            let instance = instance(&key, &found.value, String::new())?;
            let passing = u32::from(instance.health == InstanceHealth::Passing);
            match services.iter_mut().find(|service| service.name == instance.service) {
                Some(service) => {
                    service.instances += 1;
                    service.passing += passing;
                }
                None => services.push(Service { name: instance.service, instances: 1, passing }),
            }
        }
        services.sort_by(|one, other| one.name.cmp(&other.name));
        let (items, next) = paging::paginate(services, &page, DEFAULT_LIMIT)?;
        Ok(ServicePage { items, next })
    }

    fn resolve(service: String, passing_only: bool, page: Page) -> Result<InstancePage> {
        check_names(&service, "any", "")?;
        let all = store::read(|txn| txn.list(&prefix(Some(&service))))?;
        let instances = all.into_iter().map(|(key, found)| instance(&key, &found.value, found.revision(0)));
        let mut instances = instances.collect::<Result<Vec<_>>>()?;
        instances.retain(|instance| !passing_only || instance.health == InstanceHealth::Passing);
        let (items, next) = paging::paginate(instances, &page, DEFAULT_LIMIT)?;
        Ok(InstancePage { items, next })
    }

    fn health(service: String, id: String) -> Result<Instance> {
        check_names(&service, &id, "")?;
        let key = key(&service, &id);
        match store::read(|txn| txn.get(&key))? {
            Some(found) => instance(&key, &found.value, found.revision(0)),
            None => Err(Error::not_found(format!("the service `{service}` has no instance `{id}`"))),
        }
    }

    fn poll_changes(service: Option<String>, cursor: Option<String>, wait_ms: u32) -> Result<ChangeBatch> {
        if let Some(service) = &service {
            check_names(service, "any", "")?;
        }
        feed::instances(service.as_deref(), cursor.as_deref(), wait_ms)
    }

    fn register(registration: Registration, options: WriteOptions) -> Result<Instance> {
        check(&registration)?;
        let request = request(&registration);
        let (made, committed) =
            store::write(&request, &options, |txn| remember(register(txn, &registration, &options)?))?;
        recall(made, committed)
    }

    fn deregister(service: String, id: String, options: WriteOptions) -> Result<()> {
        check_names(&service, &id, "")?;
        let request = Request::new("deregister").with(&service).with(&id);
        let ((), _) = store::write(&request, &options, |txn| {
            let found = txn.get(&key(&service, &id))?;
            options.check(&format!("the instance `{id}` of `{service}`"), kv::revision(found.as_ref()).as_deref())?;
            for key in [key(&service, &id), ttl_key(&service, &id)] {
                if txn.get(&key)?.is_some() {
                    txn.remove(key);
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    fn set_health(service: String, id: String, health: InstanceHealth, options: WriteOptions) -> Result<Instance> {
        check_names(&service, &id, "")?;
        let request = Request::new("set-health").with(&service).with(&id).with([number_of(health)]);
        let (made, committed) = store::write(&request, &options, |txn| {
            let key = key(&service, &id);
            let missing = || Error::not_found(format!("the service `{service}` has no instance `{id}`"));
            let found = txn.get(&key)?;
            options.check(&format!("the instance `{id}` of `{service}`"), kv::revision(found.as_ref()).as_deref())?;
            let found = found.ok_or_else(missing)?;
            let mut record: Record = found.json(&key)?;
            if record.health == number_of(health) {
                return remember(instance(&key, &found.value, found.revision(0))?);
            }
            record.health = number_of(health);
            txn.set_json(&key, &record)?;
            Ok((key, json(&record)?, String::new()))
        })?;
        recall(made, committed)
    }
}
