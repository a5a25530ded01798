//! Services, by the convention of gRPC-Go's etcd resolver (`go.etcd.io/etcd/client/v3/naming/endpoints`): the instance `id` of
//! `service` is the key `<service-prefix><service>/<id>`, and its value is the JSON of [`record`]. So a gRPC client that
//! dials `etcd:///services/web` finds what is registered here, and what it registers is found here.
//!
//! A registration with a time to live is under a lease of its own. Registering it again before it ends renews the lease
//! and changes the key only if something else is new, so that "still here" is not a change that watchers see.

mod record;
mod write;

use std::collections::BTreeMap;

use jackfield_sdk::prelude::*;

use crate::client::Etcd;
use crate::scan::Cursor;
use crate::wire::{Kv, WatchEvent};
use crate::wit::ServiceDiscovery;
use crate::wit::service_discovery::{
    Change, ChangeBatch, Instance, InstanceHealth, InstancePage, InstanceRef, Registration, Service, ServicePage,
};
use crate::{EtcdPlugin, feed, names};
use record::Record;

/// How many services or instances a page has where the caller does not say.
const DEFAULT_LIMIT: usize = 100;
/// How many keys are read at once.
const CHUNK: usize = 1000;

impl Etcd {
    /// What the keys of a service's instances begin with, or of all.
    fn registry(&self, service: Option<&str>) -> String {
        let prefix = &self.settings.service_prefix;
        service.map_or_else(|| prefix.clone(), |service| format!("{prefix}{service}/"))
    }

    fn registry_key(&self, service: &str, id: &str) -> String {
        format!("{}{service}/{id}", self.settings.service_prefix)
    }

    /// Service and id from a key. A service's name has no slash; an id that another tool chose may have some.
    fn parts<'k>(&self, kv: &'k Kv) -> Option<(&'k str, &'k str)> {
        let key = std::str::from_utf8(&kv.key.0).ok()?;
        let parts = key.strip_prefix(self.settings.service_prefix.as_str())?.split_once('/')?;
        Some(parts).filter(|(service, id)| !service.is_empty() && !id.is_empty())
    }

    fn instance(&self, kv: &Kv) -> Option<Instance> {
        let (service, id) = self.parts(kv)?;
        Some(Record::read(kv)?.instance(service, id, kv.mod_revision.0.to_string()))
    }

    fn instance_change(&self, event: &WatchEvent) -> Option<Change> {
        if !event.is_deletion() {
            return self.instance(&event.kv).map(Change::Put);
        }
        let (service, id) = self.parts(&event.kv)?;
        Some(Change::Deleted(InstanceRef { service: service.to_owned(), id: id.to_owned() }))
    }

    /// The services after a cursor, all counted in one state of the store.
    fn services(&self, page: &Page) -> Result<ServicePage> {
        let limit = paging::limit(page, DEFAULT_LIMIT)?;
        let prefix = self.registry(None);
        let from = Cursor::of(page, &prefix)?;
        let mut services: BTreeMap<String, (u32, u32)> = BTreeMap::new();
        // The order of keys is not that of names (`a-b/` comes before `a/`), so all are read.
        let mut at = from.as_ref().map(|from| Cursor { revision: from.revision, after: Vec::new() });
        loop {
            let part = self.scan(&prefix, at.as_ref(), CHUNK)?;
            for kv in &part.kvs {
                let Some(instance) = self.instance(kv) else { continue };
                let (instances, passing) = services.entry(instance.service).or_default();
                *instances = instances.saturating_add(1);
                *passing = passing.saturating_add(u32::from(instance.health == InstanceHealth::Passing));
            }
            let after = part.kvs.last().map(|kv| kv.key.0.clone()).unwrap_or_default();
            at = Some(Cursor { revision: part.revision, after });
            if !part.more {
                break;
            }
        }
        let begin = from.map(|from| from.after[prefix.len()..].to_vec()).unwrap_or_default();
        let mut rest = services.into_iter().filter(|(name, _)| name.as_bytes() > begin.as_slice());
        let items: Vec<Service> = rest
            .by_ref()
            .take(limit)
            .map(|(name, (instances, passing))| Service { name, instances, passing })
            .collect();
        let last = items.last().filter(|_| rest.next().is_some());
        let revision = at.map_or(0, |at| at.revision);
        let next = last.map(|last| Cursor { revision, after: format!("{prefix}{}", last.name).into_bytes() }.seal());
        Ok(ServicePage { items, next })
    }

    fn instances(&self, service: &str, passing_only: bool, page: &Page) -> Result<InstancePage> {
        let limit = paging::limit(page, DEFAULT_LIMIT)?;
        let prefix = self.registry(Some(service));
        let mut cursor = Cursor::of(page, &prefix)?;
        let mut items = Vec::new();
        loop {
            let part = self.scan(&prefix, cursor.as_ref(), CHUNK.min(limit.max(100)))?;
            let revision = part.revision;
            let mut kvs = part.kvs.into_iter().peekable();
            while let Some(kv) = kvs.next() {
                let found = self.instance(&kv);
                items.extend(found.filter(|found| !passing_only || found.health == InstanceHealth::Passing));
                if items.len() == limit {
                    let more = part.more || kvs.peek().is_some();
                    let next = more.then(|| Cursor { revision, after: kv.key.0 }.seal());
                    return Ok(InstancePage { items, next });
                }
                cursor = Some(Cursor { revision, after: kv.key.0 });
            }
            if !part.more {
                return Ok(InstancePage { items, next: None });
            }
        }
    }
}

fn missing(service: &str, id: &str) -> Error {
    Error::not_found(format!("the service `{service}` has no instance `{id}`")).downstream()
}

fn check_service(service: &str, field: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if service.is_empty() || service.len() > 200 || !service.chars().all(allowed) {
        return Err(Error::invalid(field, "must be 1 to 200 letters, digits, `-`, `_` and `.`"));
    }
    Ok(())
}

fn check_id(id: &str, field: &str) -> Result<()> {
    if id.is_empty() || id.len() > 200 || id.chars().any(char::is_control) {
        return Err(Error::invalid(field, "must be 1 to 200 bytes without control characters"));
    }
    Ok(())
}

/// Judges a registration and returns its time to live in seconds.
fn check(registration: &Registration) -> Result<Option<i64>> {
    check_service(&registration.service, "/registration/service")?;
    check_id(&registration.id, "/registration/id")?;
    let address = &registration.address;
    if address.is_empty() || address.len() > 255 || address.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Error::invalid("/registration/address", "must be a host name or an IP address"));
    }
    let mut labels: Vec<&str> = registration.labels.iter().map(|label| label.name.as_str()).collect();
    labels.sort_unstable();
    if labels.iter().any(|name| name.is_empty()) || labels.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::invalid("/registration/labels", "every label needs a name, and each name comes once"));
    }
    registration.ttl_ms.map(|ttl| names::ttl(ttl, "/registration/ttl-ms")).transpose()
}

impl ServiceDiscovery for EtcdPlugin {
    fn list(page: Page) -> Result<ServicePage> {
        Etcd::open()?.services(&page)
    }

    fn resolve(service: String, passing_only: bool, page: Page) -> Result<InstancePage> {
        check_service(&service, "/service")?;
        Etcd::open()?.instances(&service, passing_only, &page)
    }

    fn health(service: String, id: String) -> Result<Instance> {
        check_service(&service, "/service")?;
        check_id(&id, "/id")?;
        let etcd = Etcd::open()?;
        let found = etcd.get(&etcd.registry_key(&service, &id))?.ok_or_else(|| missing(&service, &id))?;
        etcd.instance(&found).ok_or_else(|| write::unreadable(&service, &id))
    }

    fn poll_changes(service: Option<String>, cursor: Option<String>, wait_ms: u32) -> Result<ChangeBatch> {
        if let Some(service) = &service {
            check_service(service, "/service")?;
        }
        let etcd = Etcd::open()?;
        let (events, next) = feed::poll(&etcd, &etcd.registry(service.as_deref()), cursor.as_deref(), wait_ms)?;
        let changes: Vec<Change> = events.iter().filter_map(|event| etcd.instance_change(event)).collect();
        if changes.len() < events.len() {
            jackfield_sdk::warn!("{} changes are left out: they are no registrations", events.len() - changes.len());
        }
        Ok(ChangeBatch { changes, next })
    }

    fn register(registration: Registration, options: WriteOptions) -> Result<Instance> {
        let seconds = check(&registration)?;
        write::register(&Etcd::open()?, &registration, seconds, &options)
    }

    fn deregister(service: String, id: String, options: WriteOptions) -> Result<()> {
        check_service(&service, "/service")?;
        check_id(&id, "/id")?;
        write::deregister(&Etcd::open()?, &service, &id, &options)
    }

    fn set_health(service: String, id: String, health: InstanceHealth, options: WriteOptions) -> Result<Instance> {
        check_service(&service, "/service")?;
        check_id(&id, "/id")?;
        write::set_health(&Etcd::open()?, &service, &id, health, &options)
    }
}
