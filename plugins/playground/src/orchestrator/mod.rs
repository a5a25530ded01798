//! The orchestrator: workloads that run nowhere. They are kept with their history, and have instances as if there were a
//! node that starts everything at once, so that whatever deploys can be tried out without a cluster.

mod record;
mod spec;

use jackfield_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::store::{self, Request, Txn};
use crate::wit::orchestrator::{
    HistoryPage, Instance, InstancePage, InstanceState, Rollout, RolloutState, Workload, WorkloadPage, WorkloadSpec,
};
use crate::{Orchestrator, Playground};
use record::{Place, Record};
use spec::Spec;

/// How many items a page has where the caller does not say.
const DEFAULT_LIMIT: usize = 100;
/// The only node.
const NODE: &str = "playground";

/// What an idempotency key remembers of a write: the workload then, and its revision where it is not that of the commit.
#[derive(Serialize, Deserialize)]
struct Remembered {
    record: Record,
    revision: Option<String>,
}

/// Changes a workload that is there, or makes one: `change` is given what there is and says what is to be, or nothing where
/// that stays as it is.
fn write(
    place: &Place,
    request: &Request,
    options: &WriteOptions,
    change: impl Fn(&Txn, Option<&Record>) -> Result<Option<Record>>,
) -> Result<Workload> {
    let (made, committed) = store::write(request, options, |txn| {
        let found = Record::find(txn, place)?;
        options.check(&place.told(), found.as_ref().map(|(_, revision)| revision.as_str()))?;
        match (change(txn, found.as_ref().map(|(record, _)| record))?, found) {
            (Some(record), _) => {
                txn.set_json(place.key(), &record)?;
                Ok(Remembered { record, revision: None })
            }
            (None, Some((record, revision))) => Ok(Remembered { record, revision: Some(revision) }),
            (None, None) => Err(place.missing()),
        }
    })?;
    made.record.told(place, made.revision.unwrap_or_else(|| committed.to_string()))
}

fn find(namespace: Option<String>, name: &str) -> Result<(Place, Record, String)> {
    let place = Place::read(namespace.as_deref(), name, "")?;
    let found = store::read(|txn| Record::find(txn, &place))?;
    let (record, revision) = found.ok_or_else(|| place.missing())?;
    Ok((place, record, revision))
}

/// The record made another by a new spec; nothing where it is so already.
fn changed(txn: &Txn, before: &Record, spec: Spec) -> Result<Option<Record>> {
    if *before.spec()? == spec {
        return Ok(None);
    }
    let mut record = before.clone();
    record.change(spec, txn.now)?;
    Ok(Some(record))
}

impl Orchestrator for Playground {
    fn get(namespace: Option<String>, name: String) -> Result<Workload> {
        let (place, record, revision) = find(namespace, &name)?;
        record.told(&place, revision)
    }

    fn list(namespace: Option<String>, page: Page) -> Result<WorkloadPage> {
        let prefix = match &namespace {
            Some(namespace) => {
                Place::read(Some(namespace), "any", "").map(|place| format!("orch/{}/", place.namespace))?
            }
            None => "orch/".to_owned(),
        };
        let mut workloads = Vec::new();
        for (key, found) in store::read(|txn| txn.list(&prefix))? {
            let record: Record = found.json(&key)?;
            workloads.push(record.told(&Place::of_key(&key)?, found.revision(0))?);
        }
        let (items, next) = paging::paginate(workloads, &page, DEFAULT_LIMIT)?;
        Ok(WorkloadPage { items, next })
    }

    fn status(namespace: Option<String>, name: String) -> Result<Rollout> {
        let (_, record, _) = find(namespace, &name)?;
        let all = record.spec()?.instances();
        let message = match all {
            0 => "there are to be no instances".to_owned(),
            1 => "its instance runs".to_owned(),
            all => format!("all {all} instances run"),
        };
        Ok(Rollout { state: RolloutState::Complete, desired: all, updated: all, ready: all, message })
    }

    fn history(namespace: Option<String>, name: String, page: Page) -> Result<HistoryPage> {
        let (place, record, _) = find(namespace, &name)?;
        let (items, next) = paging::paginate(record.versions(&place), &page, DEFAULT_LIMIT)?;
        Ok(HistoryPage { items, next })
    }

    fn instances(namespace: Option<String>, name: String, page: Page) -> Result<InstancePage> {
        let (place, record, _) = find(namespace, &name)?;
        let spec = record.spec()?;
        let instance = |number: u32| Instance {
            id: format!("{}-{}-{number:04}", place.name, record.generation),
            node: Some(NODE.to_owned()),
            state: InstanceState::Running,
            ready: true,
            image: spec.image.clone(),
            started_at: Some(record.started_at),
            restarts: Some(0),
            message: String::new(),
        };
        let all = (0..spec.instances()).map(instance).collect();
        let (items, next) = paging::paginate(all, &page, DEFAULT_LIMIT)?;
        Ok(InstancePage { items, next })
    }

    fn apply(workload: WorkloadSpec, options: WriteOptions) -> Result<Workload> {
        let place = Place::read(workload.namespace.as_deref(), &workload.name, "/workload")?;
        let request = spec::request(&place.namespace, &workload);
        write(&place, &request, &options, |txn, found| {
            let spec = Spec::over(found.map(Record::spec).transpose()?, &workload)?;
            match found {
                Some(before) => changed(txn, before, spec),
                None => Ok(Some(Record::new(spec, txn.now))),
            }
        })
    }

    fn scale(namespace: Option<String>, name: String, replicas: u32, options: WriteOptions) -> Result<Workload> {
        let place = Place::read(namespace.as_deref(), &name, "")?;
        spec::replicas(replicas, "/replicas")?;
        let request = Request::new("scale").with(place.key()).with(replicas.to_le_bytes());
        write(&place, &request, &options, |txn, found| {
            let before = found.ok_or_else(|| place.missing())?;
            if before.spec()?.is_per_node() {
                return Err(Error::unsupported(format!("{} has one instance on every node", place.told())));
            }
            changed(txn, before, before.spec()?.scaled(replicas))
        })
    }

    fn restart(namespace: Option<String>, name: String, options: WriteOptions) -> Result<Workload> {
        let place = Place::read(namespace.as_deref(), &name, "")?;
        let request = Request::new("restart").with(place.key());
        write(&place, &request, &options, |txn, found| {
            let mut record = found.ok_or_else(|| place.missing())?.clone();
            record.restart(txn.now);
            Ok(Some(record))
        })
    }

    fn rollback(
        namespace: Option<String>,
        name: String,
        version: Option<String>,
        options: WriteOptions,
    ) -> Result<Workload> {
        let place = Place::read(namespace.as_deref(), &name, "")?;
        let request = Request::new("rollback").with(place.key()).with_opt(version.as_ref());
        write(&place, &request, &options, |txn, found| {
            let before = found.ok_or_else(|| place.missing())?;
            changed(txn, before, before.past(version.as_deref())?)
        })
    }

    fn delete(namespace: Option<String>, name: String, options: WriteOptions) -> Result<()> {
        let place = Place::read(namespace.as_deref(), &name, "")?;
        let request = Request::new("delete-workload").with(place.key());
        let ((), _) = store::write(&request, &options, |txn| {
            let found = Record::find(txn, &place)?;
            options.check(&place.told(), found.as_ref().map(|(_, revision)| revision.as_str()))?;
            if found.is_some() {
                txn.remove(place.key());
            }
            Ok(())
        })?;
        Ok(())
    }
}
