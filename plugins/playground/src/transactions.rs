//! Several keys at once. The store makes every call one transaction anyway, so all that is left is to judge the conditions
//! and to carry out the steps; a step sees what the steps before it did.

use jackfield_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::store::{self, Request, Txn};
use crate::wit::key_value::Entry;
use crate::wit::transactions::{Condition, Outcome, Predicate, Step, StepResult};
use crate::{Playground, Transactions, kv, limits};

/// The most conditions and steps of one transaction.
const MAX_PARTS: usize = 128;

/// What a step did, as it is remembered for an idempotency key: as much as the step itself does not tell.
#[derive(Serialize, Deserialize)]
enum Done {
    Put,
    Deleted(u64),
    /// What is stored, and its revision; none where this very transaction wrote it.
    Got(Option<(Vec<u8>, Option<u64>)>),
}

impl Transactions for Playground {
    fn transact(
        conditions: Vec<Condition>,
        then: Vec<Step>,
        otherwise: Vec<Step>,
        options: WriteOptions,
    ) -> Result<Outcome> {
        check(&conditions, &then, &otherwise)?;
        if options.precondition.is_some() {
            return Err(Error::invalid(
                "/options/precondition",
                "a transaction has conditions of its own; give them there",
            ));
        }
        let request = request(&conditions, &then, &otherwise);
        let ((succeeded, done), committed) = store::write(&request, &options, |txn| {
            let succeeded = all_hold(txn, &conditions)?;
            let (steps, field) = if succeeded { (&then, "/then") } else { (&otherwise, "/otherwise") };
            let results =
                steps.iter().enumerate().map(|(index, step)| carry_out(txn, step, &format!("{field}/{index}")));
            Ok((succeeded, results.collect::<Result<Vec<_>>>()?))
        })?;
        let steps = if succeeded { then } else { otherwise };
        let results = steps.into_iter().zip(done).map(|(step, done)| result(step, done, committed)).collect();
        Ok(Outcome { succeeded, results })
    }
}

fn request(conditions: &[Condition], then: &[Step], otherwise: &[Step]) -> Request {
    let mut request = Request::new("transact").with(conditions.len().to_le_bytes()).with(then.len().to_le_bytes());
    for Condition { key, holds } in conditions {
        request = match holds {
            Predicate::Present => request.with("present"),
            Predicate::Absent => request.with("absent"),
            Predicate::Revision(revision) => request.with("revision").with(revision),
            Predicate::Value(value) => request.with("value").with(value),
        };
        request = request.with(key);
    }
    for step in then.iter().chain(otherwise) {
        request = match step {
            Step::Put(put) => request.with("put").with(&put.key).with(&put.value).with_opt(put.lease.as_ref()),
            Step::Delete(key) => request.with("delete").with(key),
            Step::Get(key) => request.with("get").with(key),
        };
    }
    request
}

fn check(conditions: &[Condition], then: &[Step], otherwise: &[Step]) -> Result<()> {
    for (field, parts) in [("/conditions", conditions.len()), ("/then", then.len()), ("/otherwise", otherwise.len())] {
        if parts > MAX_PARTS {
            return Err(Error::invalid(field, format!("has {parts} items; at most {MAX_PARTS} are taken")));
        }
    }
    let mut bytes = 0;
    for (index, condition) in conditions.iter().enumerate() {
        limits::key(&condition.key, &format!("/conditions/{index}/key"))?;
        if let Predicate::Value(value) = &condition.holds {
            bytes += value.len();
        }
    }
    for (field, steps) in [("/then", then), ("/otherwise", otherwise)] {
        for (index, step) in steps.iter().enumerate() {
            match step {
                // What is put is checked when it is put.
                Step::Put(put) => bytes += put.value.len(),
                Step::Delete(key) => limits::key(key, &format!("{field}/{index}/delete"))?,
                Step::Get(key) => limits::key(key, &format!("{field}/{index}/get"))?,
            }
        }
    }
    if bytes > limits::MAX_PAGE_BYTES {
        return Err(Error::invalid(
            "",
            format!("the values of a transaction hold at most {} bytes", limits::MAX_PAGE_BYTES),
        ));
    }
    Ok(())
}

fn all_hold(txn: &Txn, conditions: &[Condition]) -> Result<bool> {
    for condition in conditions {
        let found = txn.get(&kv::key(&condition.key))?;
        let holds = match &condition.holds {
            Predicate::Present => found.is_some(),
            Predicate::Absent => found.is_none(),
            Predicate::Revision(wanted) => kv::revision(found.as_ref()).as_ref() == Some(wanted),
            Predicate::Value(wanted) => found.is_some_and(|found| kv::value_of(&found.value) == wanted.as_slice()),
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

fn carry_out(txn: &mut Txn, step: &Step, field: &str) -> Result<Done> {
    match step {
        Step::Put(put) => {
            kv::put(txn, &put.key, &put.value, put.lease.as_deref(), &format!("{field}/put"))?;
            Ok(Done::Put)
        }
        Step::Delete(key) => Ok(Done::Deleted(kv::remove(txn, key)?)),
        Step::Get(key) => {
            let found = txn.get(&kv::key(key))?;
            Ok(Done::Got(found.map(|found| (found.value.clone(), found.known_revision()))))
        }
    }
}

fn result(step: Step, done: Done, committed: u64) -> StepResult {
    match (step, done) {
        (Step::Put(put), _) => {
            StepResult::Put(Entry { key: put.key, value: put.value, revision: committed.to_string(), lease: put.lease })
        }
        (Step::Delete(_), Done::Deleted(count)) => StepResult::Deleted(count),
        (Step::Get(key), Done::Got(Some((stored, revision)))) => {
            StepResult::Got(Some(kv::entry(key, &stored, revision.unwrap_or(committed).to_string())))
        }
        (Step::Delete(_), _) => StepResult::Deleted(0),
        (Step::Get(_), _) => StepResult::Got(None),
    }
}
