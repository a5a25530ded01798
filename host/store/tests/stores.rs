//! Both stores are held to the same conduct, and to a model of three lines.

mod conformance;

use std::{collections::BTreeMap, sync::Arc};

use jackfield_store::{Bucket, Change, Expect, MemoryStore, Mutation, Quota, SqliteStore, Store, StoreError, Usage};
use proptest::prelude::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_store_in_memory_conforms() {
    conformance::conforms(async || Arc::new(MemoryStore::new()) as Arc<dyn Store>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sqlite_store_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let count = std::sync::atomic::AtomicU32::new(0);
    conformance::conforms(async || {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Arc::new(SqliteStore::open(&dir.path().join(number.to_string()), None).unwrap()) as Arc<dyn Store>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_come_together_share_a_transaction_and_a_refused_one_hurts_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(dir.path(), None).unwrap());
    let commits = (0..200).map(|number: u32| {
        let expect = if number.is_multiple_of(10) { Expect::Present } else { Expect::Absent };
        store.commit(vec![Mutation::set(Bucket::Meta, format!("k{number:03}"), "v").expect(expect)])
    });
    let results = futures_util::future::join_all(commits).await;
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result.is_err(), number % 10 == 0, "{number}");
    }
    let stats = store.stats();
    assert_eq!((stats.commits, stats.refused), (180, 20));
    assert!(stats.transactions < 100, "{} transactions for 200 commits", stats.transactions);
    assert_eq!(store.list(Bucket::Meta, "", None, 1000).await.unwrap().len(), 180);
}

/// Key, what happens to it, what is expected of it.
type Step = (u8, Option<Vec<u8>>, u8);

fn mutations(steps: &[Step], model: &BTreeMap<String, (Vec<u8>, u64)>, quota: Option<u64>) -> Vec<Mutation> {
    let mut seen = std::collections::HashSet::new();
    let steps = steps.iter().filter(|(key, ..)| seen.insert(*key));
    steps
        .map(|(key, value, expect)| {
            let key = format!("p/{key}");
            let at = model.get(&key).map(|(_, revision)| *revision);
            let expect = match expect % 5 {
                0 => Expect::Absent,
                1 => Expect::Present,
                2 => Expect::Revision(at.unwrap_or(99)),
                3 => Expect::Revision(1),
                _ => Expect::Any,
            };
            let (mutation, expect) = match value {
                Some(value) => (Mutation::set(Bucket::State, key, value.clone()), expect),
                None if key == "p/8" => (Mutation::delete_prefix(Bucket::State, "p"), Expect::Any),
                None => (Mutation::delete(Bucket::State, key), expect),
            };
            let quota = quota.map(|max_bytes| Quota { prefix: "p/".into(), max_bytes, max_keys: 6 });
            Mutation { expect, quota, ..mutation }
        })
        .collect()
}

fn usage(model: &BTreeMap<String, (Vec<u8>, u64)>) -> Usage {
    let bytes = model.iter().map(|(key, (value, _))| (key.len() - 2 + value.len()) as u64).sum();
    Usage { keys: model.len() as u64, bytes }
}

async fn agree(store: &dyn Store, commits: &[(Vec<Step>, Option<u64>)]) -> Result<(), TestCaseError> {
    let mut model: BTreeMap<String, (Vec<u8>, u64)> = BTreeMap::new();
    let mut last = 0;
    for (steps, quota) in commits {
        let mutations = mutations(steps, &model, *quota);
        let conflict = mutations.iter().any(|m| !m.expect.holds(model.get(&m.key).map(|(_, revision)| *revision)));
        let mut next = model.clone();
        for mutation in &mutations {
            match &mutation.change {
                Change::Set(value) => drop(next.insert(mutation.key.clone(), (value.clone(), last + 1))),
                Change::DeletePrefix => next.retain(|key, _| !key.starts_with(&mutation.key)),
                _ => drop(next.remove(&mutation.key)),
            }
        }
        let (before, after) = (usage(&model), usage(&next));
        let beyond = quota.is_some_and(|max| {
            after.bytes > max && after.bytes > before.bytes || after.keys > 6 && after.keys > before.keys
        });
        match store.commit(mutations.clone()).await {
            Ok(revision) => {
                prop_assert!(!conflict && (!beyond || mutations.is_empty()));
                prop_assert_eq!(revision, last + u64::from(!mutations.is_empty()));
                last = revision;
                model = next;
            }
            Err(StoreError::Conflict { .. }) => prop_assert!(conflict),
            Err(StoreError::Quota { .. }) => prop_assert!(!conflict && beyond),
            Err(other) => prop_assert!(false, "{}", other),
        }
        let found = store.list(Bucket::State, "", None, 1000).await.unwrap();
        let expected: Vec<_> = model.iter().map(|(k, (v, r))| (k.clone(), v.clone(), *r)).collect();
        prop_assert_eq!(found.into_iter().map(|(k, r)| (k, r.value, r.revision)).collect::<Vec<_>>(), expected);
        prop_assert_eq!(store.usage(Bucket::State, "p/").await.unwrap(), usage(&model));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_sequence_of_commits_does_what_a_map_would_do(
        commits in proptest::collection::vec(
            (
                proptest::collection::vec(
                    (0u8..9, proptest::option::of(proptest::collection::vec(any::<u8>(), 0..8)), any::<u8>()),
                    0..4,
                ),
                proptest::option::of(0u64..40),
            ),
            1..20,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        runtime.block_on(async {
            agree(&MemoryStore::new(), &commits).await?;
            agree(&SqliteStore::open(dir.path(), None).unwrap(), &commits).await
        })?;
    }
}
