//! Several keys at once: one etcd transaction. With an idempotency key the marker notes which branch was taken; what a
//! reading step saw is read again from the state before the transaction, which etcd keeps until it is compacted.
//!
//! etcd wants every key changed at most once within a branch, and sees that before anything is done.

use jackfield_sdk::http::Effect;
use jackfield_sdk::prelude::*;

use crate::client::Etcd;
use crate::fingerprint::Fingerprint;
use crate::kv::{self, NOT_WRITTEN};
use crate::once::{Done, Once};
use crate::wire::{Answer, Blob, Compare, DeleteRange, Int, Kv, Op, Put, Range, Txn};
use crate::wit::Transactions;
use crate::wit::key_value::Entry;
use crate::wit::transactions::{Condition, Outcome, Predicate, Step, StepResult};
use crate::{EtcdPlugin, errors, names};

/// The most conditions and steps of one transaction. etcd takes 128; the marker needs some of them.
const MAX_PARTS: usize = 120;

impl Transactions for EtcdPlugin {
    fn transact(
        conditions: Vec<Condition>,
        then: Vec<Step>,
        otherwise: Vec<Step>,
        options: WriteOptions,
    ) -> Result<Outcome> {
        names::no_precondition(&options, "a transaction has conditions of its own; give them there")?;
        let etcd = Etcd::open()?;
        let compare = compare(&etcd, &conditions)?;
        let once = Once::of(&options, request(&conditions, &then, &otherwise), &etcd.settings)?;
        let (success, failure) = (steps(&etcd, &then, "/then")?, steps(&etcd, &otherwise, "/otherwise")?);
        if options.dry_run {
            if let Some(once) = &once
                && let Some((revision, succeeded)) = once.recall(&etcd)?
            {
                return etcd.replay(succeeded, if succeeded { then } else { otherwise }, revision);
            }
            return etcd.rehearse(compare, then, otherwise);
        }
        let txn = Txn { compare, success, failure };
        match etcd.commit(once.as_ref(), txn, &true, Some(&false))? {
            Done::Now(done) => {
                let steps = if done.succeeded { then } else { otherwise };
                let revision = done.header.revision.0.to_string();
                let results =
                    steps.into_iter().zip(done.responses).map(|(step, answer)| result(step, answer, &revision));
                Ok(Outcome { succeeded: done.succeeded, results: results.collect::<Result<_>>()? })
            }
            Done::Before(revision, succeeded) => {
                etcd.replay(succeeded, if succeeded { then } else { otherwise }, revision)
            }
        }
    }
}

impl Etcd {
    /// The answer of a transaction that was carried out at `revision`.
    fn replay(&self, succeeded: bool, steps: Vec<Step>, revision: i64) -> Result<Outcome> {
        let reads = steps.iter().map(|step| Op::Range(Range { revision: Some(Int(revision - 1)), ..look(step) }));
        let txn = Txn { success: reads.collect(), ..Txn::default() };
        let before = self.txn(&txn, Effect::Read).map_err(|error| {
            if !errors::is_compacted(&error) {
                return error;
            }
            Error::conflict(format!(
                "this transaction was carried out before, at revision {revision}; what its steps saw is no longer kept"
            ))
            .downstream()
        })?;
        Ok(Outcome { succeeded, results: simulate(steps, found(before.responses), &revision.to_string()) })
    }

    /// What a transaction would do.
    fn rehearse(&self, compare: Vec<Compare>, then: Vec<Step>, otherwise: Vec<Step>) -> Result<Outcome> {
        let reads = |steps: &[Step]| steps.iter().map(|step| Op::Range(look(step))).collect();
        let txn = Txn { compare, success: reads(&then), failure: reads(&otherwise) };
        let done = self.txn(&txn, Effect::Read)?;
        let steps = if done.succeeded { then } else { otherwise };
        Ok(Outcome { succeeded: done.succeeded, results: simulate(steps, found(done.responses), NOT_WRITTEN) })
    }
}

/// What is stored where a step is about to work. Values matter only to who reads them.
fn look(step: &Step) -> Range {
    match step {
        Step::Put(put) => Range { keys_only: true, ..Range::key(&put.key) },
        Step::Delete(key) => Range { keys_only: true, ..Range::key(key) },
        Step::Get(key) => Range::key(key),
    }
}

fn found(answers: Vec<Answer>) -> Vec<Option<Kv>> {
    let first = |answer| match answer {
        Answer::Range(range) => range.kvs.into_iter().next(),
        _ => None,
    };
    answers.into_iter().map(first).collect()
}

/// The results of steps, from what was stored before them: a step sees what the steps before it did.
fn simulate(steps: Vec<Step>, before: Vec<Option<Kv>>, revision: &str) -> Vec<StepResult> {
    let mut done: Vec<(String, Option<Entry>)> = Vec::new();
    let mut results = Vec::with_capacity(steps.len());
    for (step, stored) in steps.into_iter().zip(before) {
        let now = |key: &str| match done.iter().rev().find(|(changed, _)| changed == key) {
            Some((_, entry)) => entry.clone(),
            None => stored.and_then(kv::entry),
        };
        results.push(match step {
            Step::Put(put) => {
                let entry = Entry { key: put.key, value: put.value, revision: revision.to_owned(), lease: put.lease };
                done.push((entry.key.clone(), Some(entry.clone())));
                StepResult::Put(entry)
            }
            Step::Delete(key) => {
                let there = now(&key).is_some();
                done.push((key, None));
                StepResult::Deleted(u64::from(there))
            }
            Step::Get(key) => StepResult::Got(now(&key)),
        });
    }
    results
}

fn result(step: Step, answer: Answer, revision: &str) -> Result<StepResult> {
    match (step, answer) {
        (Step::Put(put), Answer::Put {}) => Ok(StepResult::Put(Entry {
            key: put.key,
            value: put.value,
            revision: revision.to_owned(),
            lease: put.lease,
        })),
        (Step::Delete(_), Answer::Delete(done)) => Ok(StepResult::Deleted(done.deleted.0.unsigned_abs())),
        (Step::Get(_), Answer::Range(range)) => Ok(StepResult::Got(range.kvs.into_iter().next().and_then(kv::entry))),
        _ => Err(Error::outcome_unknown("etcd's answer to a transaction does not match its steps").downstream()),
    }
}

fn request(conditions: &[Condition], then: &[Step], otherwise: &[Step]) -> Fingerprint {
    let counts = [conditions.len() as u64, then.len() as u64].map(u64::to_le_bytes).concat();
    let mut request = Fingerprint::new("transact").with(counts);
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

fn compare(etcd: &Etcd, conditions: &[Condition]) -> Result<Vec<Compare>> {
    within("/conditions", conditions.len())?;
    let compare = |(index, Condition { key, holds }): (usize, &Condition)| {
        names::own_key(key, &format!("/conditions/{index}/key"), &etcd.settings)?;
        Ok(match holds {
            Predicate::Present => Compare::present(key),
            Predicate::Absent => Compare::absent(key),
            Predicate::Value(value) => Compare::holds(key, value.clone()),
            Predicate::Revision(text) => {
                let field = format!("/conditions/{index}/holds/revision");
                Compare::changed_at(key, names::revision(text, &field)?)
            }
        })
    };
    conditions.iter().enumerate().map(compare).collect()
}

fn steps(etcd: &Etcd, steps: &[Step], field: &str) -> Result<Vec<Op>> {
    within(field, steps.len())?;
    let mut put: Vec<&str> = Vec::new();
    let mut deleted: Vec<&str> = Vec::new();
    let mut ops = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        let at = |name: &str| format!("{field}/{index}/{name}");
        ops.push(match step {
            Step::Put(step) => {
                names::own_key(&step.key, &at("put/key"), &etcd.settings)?;
                let id = step.lease.as_deref().map(|lease| names::lease(lease, &at("put/lease"))).transpose()?;
                once_only(put.contains(&step.key.as_str()) || deleted.contains(&step.key.as_str()), &at("put/key"))?;
                put.push(&step.key);
                let lease = Int(id.unwrap_or_default());
                Op::Put(Put { key: Blob::from(&step.key), value: step.value.clone().into(), lease, ..Put::default() })
            }
            Step::Delete(key) => {
                names::own_key(key, &at("delete"), &etcd.settings)?;
                once_only(put.contains(&key.as_str()), &at("delete"))?;
                deleted.push(key);
                Op::Delete(DeleteRange { key: key.into(), prev_kv: false })
            }
            Step::Get(key) => {
                names::own_key(key, &at("get"), &etcd.settings)?;
                Op::Range(Range::key(key))
            }
        });
    }
    Ok(ops)
}

fn within(field: &str, parts: usize) -> Result<()> {
    if parts > MAX_PARTS {
        return Err(Error::invalid(field, format!("has {parts} items; at most {MAX_PARTS} are taken")));
    }
    Ok(())
}

fn once_only(again: bool, field: &str) -> Result<()> {
    if again {
        return Err(Error::invalid(
            field,
            "another step changes this key already; etcd changes a key once a transaction",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kv(key: &str, value: &str, revision: i64) -> Option<Kv> {
        Some(Kv { key: key.into(), value: value.into(), mod_revision: Int(revision), ..Kv::default() })
    }

    fn put(key: &str, value: &str) -> Step {
        Step::Put(crate::wit::transactions::PutStep { key: key.into(), value: value.into(), lease: None })
    }

    #[test]
    fn a_step_sees_what_the_steps_before_it_did() {
        let get = |key: &str| Step::Get(key.to_owned());
        let steps =
            vec![get("a"), put("a", "2"), get("a"), Step::Delete("b".into()), Step::Delete("b".into()), get("b")];
        let before =
            vec![kv("a", "1", 5), kv("a", "", 5), kv("a", "1", 5), kv("b", "", 6), kv("b", "", 6), kv("b", "x", 6)];
        let results = simulate(steps, before, "9");
        let value = |result: &StepResult| match result {
            StepResult::Got(Some(entry)) | StepResult::Put(entry) => {
                format!("{}@{}", String::from_utf8_lossy(&entry.value), entry.revision)
            }
            StepResult::Got(None) => "none".to_owned(),
            StepResult::Deleted(count) => count.to_string(),
        };
        let seen: Vec<String> = results.iter().map(value).collect();
        assert_eq!(seen, ["1@5", "2@9", "2@9", "1", "0", "none"]);
    }

    #[test]
    fn what_etcd_would_refuse_is_refused_with_its_place() {
        let etcd = Etcd { settings: crate::settings::Settings::default() };
        let field = |given: Vec<Step>| match steps(&etcd, &given, "/then").unwrap_err().kind {
            ErrorKind::Invalid(violation) => violation.field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(vec![put("a", ""), put("a", "")]), "/then/1/put/key");
        assert_eq!(field(vec![put("a", ""), Step::Delete("a".into())]), "/then/1/delete");
        assert_eq!(field(vec![put("", "")]), "/then/0/put/key");
        assert_eq!(field(vec![put("jackfield/idempotency/x", "")]), "/then/0/put/key");
        assert_eq!(field(vec![Step::Get("jackfield/idempotency/x".into())]), "/then/0/get");
        assert_eq!(field(vec![put("x", ""); MAX_PARTS + 1]), "/then");
        assert!(steps(&etcd, &[Step::Delete("a".into()), Step::Delete("a".into()), Step::Get("a".into())], "").is_ok());
    }

    #[test]
    fn the_branches_of_a_transaction_are_told_apart() {
        let one = request(&[], &[put("a", "1")], &[]);
        let other = request(&[], &[], &[put("a", "1")]);
        assert_ne!(one, other);
    }
}
