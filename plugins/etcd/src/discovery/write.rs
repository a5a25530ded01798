//! Changes of registrations: read, think, write on the condition that the key is still as it was read, and start over if
//! it is not.

use jackfield_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use super::missing;
use super::record::{Record, word};
use crate::client::Etcd;
use crate::fingerprint::Fingerprint;
use crate::kv::{self, NOT_WRITTEN, Nothing};
use crate::names;
use crate::once::{Done, Once, not_done};
use crate::wire::{Answer, Compare, DeleteRange, Int, Kv, Op, Put, Range, Txn};
use crate::wit::service_discovery::{Instance, InstanceHealth, Registration};

/// How often a change starts over because others came first.
const TRIES: usize = 16;

/// What a marker notes of a registration.
#[derive(Serialize, Deserialize)]
struct Noted {
    record: Record,
    /// Where nothing was written: the revision the registration had.
    revision: Option<i64>,
}

/// Which instance, and how to speak of it.
struct Target<'a> {
    service: &'a str,
    id: &'a str,
    key: String,
    what: String,
}

impl<'a> Target<'a> {
    fn of(etcd: &Etcd, service: &'a str, id: &'a str) -> Self {
        let what = format!("the instance `{id}` of `{service}`");
        Self { service, id, key: etcd.registry_key(service, id), what }
    }

    fn instance(&self, record: &Record, revision: impl ToString) -> Instance {
        record.instance(self.service, self.id, revision.to_string())
    }

    fn recall(&self, etcd: &Etcd, once: Option<&Once>) -> Result<Option<Instance>> {
        let before = once.map(|once| once.recall::<Noted>(etcd)).transpose()?.flatten();
        Ok(before.map(|(revision, noted)| self.instance(&noted.record, noted.revision.unwrap_or(revision))))
    }

    fn too_busy(&self) -> Error {
        Error::conflict(format!("{} is changed by others all the time; try again", self.what))
    }
}

pub(super) fn unreadable(service: &str, id: &str) -> Error {
    let message = format!("what is stored for the instance `{id}` of `{service}` is no registration");
    Error::internal(message).downstream()
}

fn revision(found: Option<&Kv>) -> Option<String> {
    found.map(|kv| kv.mod_revision.0.to_string())
}

/// A lease for a registration.
struct Lease {
    id: i64,
    /// It was granted just now, and is to be ended if it is not used.
    new: bool,
}

impl Etcd {
    /// The lease to register under: the one the registration has, renewed, where it was granted for the same time.
    fn lease_for(&self, seconds: Option<i64>, found: Option<&Kv>, ours: bool) -> Result<Lease> {
        let Some(seconds) = seconds else { return Ok(Lease { id: 0, new: false }) };
        if let Some(id) = found.map(|kv| kv.lease.0).filter(|id| ours && *id != 0)
            && let Some(granted) = self.keep_alive(id)?
            // etcd may have granted a little more, if less is too little for it.
            && (granted == seconds || (seconds < granted && granted <= 10))
        {
            return Ok(Lease { id, new: false });
        }
        Ok(Lease { id: self.grant(0, seconds).map_err(not_done)?.id.0, new: true })
    }

    fn drop_new(&self, lease: &Lease) {
        if lease.new {
            self.abandon(lease.id);
        }
    }
}

pub(super) fn register(
    etcd: &Etcd,
    registration: &Registration,
    seconds: Option<i64>,
    options: &WriteOptions,
) -> Result<Instance> {
    let target = Target::of(etcd, &registration.service, &registration.id);
    let once = Once::of(options, request(registration), &etcd.settings)?;
    if let Some(before) = target.recall(etcd, once.as_ref())? {
        return Ok(before);
    }
    for _ in 0..TRIES {
        let found = etcd.get(&target.key)?;
        options.check(&target.what, revision(found.as_ref()).as_deref())?;
        let before = found.as_ref().and_then(Record::read);
        let record = Record::of(registration, before.as_ref());
        let same = before.as_ref() == Some(&record);
        if options.dry_run {
            let found = found.filter(|_| same);
            return Ok(target.instance(&record, revision(found.as_ref()).unwrap_or_else(|| NOT_WRITTEN.to_owned())));
        }
        let ours = before.as_ref().is_some_and(Record::is_ours);
        let lease = etcd.lease_for(seconds, found.as_ref(), ours)?;
        let (stood_at, old) = found.as_ref().map_or((0, 0), |kv| (kv.mod_revision.0, kv.lease.0));
        let renewed = same && old == lease.id;
        let mut txn = Txn { compare: vec![Compare::changed_at(&target.key, stood_at)], ..Txn::default() };
        if !renewed {
            let value = record.json()?.into();
            txn.success.push(Op::Put(Put {
                key: (&target.key).into(),
                value,
                lease: Int(lease.id),
                ignore_lease: false,
            }));
        } else if once.is_none() {
            return Ok(target.instance(&record, stood_at));
        }
        let noted = Noted { record, revision: renewed.then_some(stood_at) };
        match etcd.commit(once.as_ref(), txn, &noted, None) {
            Ok(Done::Now(done)) if done.succeeded => {
                if ours && old != 0 && old != lease.id {
                    etcd.abandon(old);
                }
                return Ok(target.instance(&noted.record, noted.revision.unwrap_or(done.header.revision.0)));
            }
            Ok(Done::Now(_)) => etcd.drop_new(&lease),
            Ok(Done::Before(revision, noted)) => {
                etcd.drop_new(&lease);
                return Ok(target.instance(&noted.record, noted.revision.unwrap_or(revision)));
            }
            Err(error) => {
                // Where nobody knows whether the registration was written, its lease has to stay.
                if error.kind != ErrorKind::OutcomeUnknown {
                    etcd.drop_new(&lease);
                }
                return Err(error);
            }
        }
    }
    Err(target.too_busy())
}

fn request(registration: &Registration) -> Fingerprint {
    let Registration { service, id, address, port, labels, ttl_ms } = registration;
    let request = Fingerprint::new("register").with(service).with(id).with(address).with(port.to_le_bytes());
    let request = request.with_opt(ttl_ms.map(u64::to_le_bytes));
    labels.iter().fold(request, |request, label| request.with(&label.name).with(&label.value))
}

pub(super) fn set_health(
    etcd: &Etcd,
    service: &str,
    id: &str,
    health: InstanceHealth,
    options: &WriteOptions,
) -> Result<Instance> {
    let target = Target::of(etcd, service, id);
    let request = Fingerprint::new("set-health").with(service).with(id).with(word(health));
    let once = Once::of(options, request, &etcd.settings)?;
    if let Some(before) = target.recall(etcd, once.as_ref())? {
        return Ok(before);
    }
    for _ in 0..TRIES {
        let found = etcd.get(&target.key)?;
        options.check(&target.what, revision(found.as_ref()).as_deref())?;
        let found = found.ok_or_else(|| missing(service, id))?;
        let before = Record::read(&found).ok_or_else(|| unreadable(service, id))?;
        let stood_at = found.mod_revision.0;
        let same = before.health() == health;
        if same && (options.dry_run || once.is_none()) {
            return Ok(target.instance(&before, stood_at));
        }
        let record = if same { before } else { before.with_health(health) };
        if options.dry_run {
            return Ok(target.instance(&record, NOT_WRITTEN));
        }
        let mut txn = Txn { compare: vec![Compare::changed_at(&target.key, stood_at)], ..Txn::default() };
        if !same {
            let value = record.json()?.into();
            txn.success.push(Op::Put(Put { key: (&target.key).into(), value, ignore_lease: true, ..Put::default() }));
        }
        let noted = Noted { record, revision: same.then_some(stood_at) };
        match etcd.commit(once.as_ref(), txn, &noted, None)? {
            Done::Now(done) if done.succeeded => {
                return Ok(target.instance(&noted.record, noted.revision.unwrap_or(done.header.revision.0)));
            }
            Done::Now(_) => {}
            Done::Before(revision, noted) => {
                return Ok(target.instance(&noted.record, noted.revision.unwrap_or(revision)));
            }
        }
    }
    Err(target.too_busy())
}

pub(super) fn deregister(etcd: &Etcd, service: &str, id: &str, options: &WriteOptions) -> Result<()> {
    let target = Target::of(etcd, service, id);
    let request = Fingerprint::new("deregister").with(service).with(id);
    let once = Once::of(options, request, &etcd.settings)?;
    if options.dry_run {
        if let Some(once) = &once
            && let Some((_, Nothing {})) = once.recall(etcd)?
        {
            return Ok(());
        }
        return options.check(&target.what, revision(etcd.get(&target.key)?.as_ref()).as_deref());
    }
    let txn = Txn {
        compare: names::precondition(options, &target.key)?.into_iter().collect(),
        success: vec![Op::Delete(DeleteRange { key: (&target.key).into(), prev_kv: true })],
        failure: vec![Op::Range(Range { keys_only: true, ..Range::key(&target.key) })],
    };
    match etcd.commit(once.as_ref(), txn, &Nothing {}, None)? {
        Done::Before(_, Nothing {}) => Ok(()),
        Done::Now(done) if done.succeeded => {
            let Some(Answer::Delete(deleted)) = done.responses.first() else { return Ok(()) };
            // A registration's own lease has nothing left to keep.
            let ours = deleted.prev_kvs.first().filter(|kv| Record::read(kv).is_some_and(|record| record.is_ours()));
            if let Some(lease) = ours.map(|kv| kv.lease.0).filter(|lease| *lease != 0) {
                etcd.abandon(lease);
            }
            Ok(())
        }
        Done::Now(done) => Err(names::broken(options, &target.what, kv::found(done).as_ref())),
    }
}
