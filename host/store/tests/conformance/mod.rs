//! What any store must do, written against the trait alone. A new store is tested by [`conforms`].

use std::sync::Arc;

use jackfield_store::{Bucket, Expect, Mutation, Quota, Record, Store, StoreError, Usage};

/// Runs every check on a fresh store each.
pub(crate) async fn conforms<F: AsyncFn() -> Arc<dyn Store>>(fresh: F) {
    what_was_set_is_read_with_its_revision(&*fresh().await).await;
    buckets_do_not_see_each_other(&*fresh().await).await;
    a_commit_changes_all_or_nothing(&*fresh().await).await;
    expectations_are_judged_on_what_was_before(&*fresh().await).await;
    a_requirement_alone_changes_nothing(&*fresh().await).await;
    lists_come_in_byte_order_and_go_on_after_a_key(&*fresh().await).await;
    a_prefix_goes_at_once_and_leaves_its_neighbours(&*fresh().await).await;
    a_quota_refuses_growth_and_allows_shrinking(&*fresh().await).await;
    impossible_commits_are_refused(&*fresh().await).await;
    of_many_writers_that_expect_the_same_one_wins(fresh().await).await;
    a_closed_store_says_so(&*fresh().await).await;
}

async fn value(store: &dyn Store, bucket: Bucket, key: &str) -> Option<Vec<u8>> {
    store.get(bucket, key).await.unwrap().map(|record| record.value)
}

async fn keys(store: &dyn Store, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    store.list(Bucket::Meta, prefix, after, limit).await.unwrap().into_iter().map(|(key, _)| key).collect()
}

fn set(key: &str, value: &str) -> Mutation {
    Mutation::set(Bucket::Meta, key, value)
}

async fn what_was_set_is_read_with_its_revision(store: &dyn Store) {
    assert_eq!(store.get(Bucket::Meta, "a").await.unwrap(), None);
    let first = store.commit(vec![set("a", "1"), set("b", "2")]).await.unwrap();
    let second = store.commit(vec![set("a", "3")]).await.unwrap();
    assert!(second > first);
    let record = |value: &str, revision| Some(Record { value: value.into(), revision });
    assert_eq!(store.get(Bucket::Meta, "a").await.unwrap(), record("3", second));
    assert_eq!(store.get(Bucket::Meta, "b").await.unwrap(), record("2", first));
    let third = store.commit(vec![Mutation::delete(Bucket::Meta, "a")]).await.unwrap();
    assert!(third > second);
    assert_eq!(store.get(Bucket::Meta, "a").await.unwrap(), None);
}

async fn buckets_do_not_see_each_other(store: &dyn Store) {
    for bucket in Bucket::ALL {
        store.commit(vec![Mutation::set(bucket, "key", bucket.to_string()).expect(Expect::Absent)]).await.unwrap();
    }
    store.commit(vec![Mutation::delete_prefix(Bucket::State, "k")]).await.unwrap();
    for bucket in Bucket::ALL {
        let expected = (bucket != Bucket::State).then(|| bucket.to_string().into_bytes());
        assert_eq!(value(store, bucket, "key").await, expected);
    }
}

async fn a_commit_changes_all_or_nothing(store: &dyn Store) {
    let before = store.commit(vec![set("there", "1")]).await.unwrap();
    let mixed = vec![set("new", "1"), set("there", "2").expect(Expect::Absent)];
    match store.commit(mixed).await.unwrap_err() {
        StoreError::Conflict { bucket, key, found } => {
            assert_eq!((bucket, key.as_str(), found), (Bucket::Meta, "there", Some(before)));
        }
        other => panic!("{other}"),
    }
    assert_eq!(value(store, Bucket::Meta, "new").await, None);
    assert_eq!(value(store, Bucket::Meta, "there").await, Some(b"1".to_vec()));
}

async fn expectations_are_judged_on_what_was_before(store: &dyn Store) {
    let first = store.commit(vec![set("a", "1").expect(Expect::Absent)]).await.unwrap();
    for wrong in [Expect::Absent, Expect::Revision(first + 1), Expect::Revision(0)] {
        let error = store.commit(vec![set("a", "2").expect(wrong)]).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict { found: Some(at), .. } if at == first), "{wrong:?}: {error}");
    }
    for wrong in [Expect::Present, Expect::Revision(first)] {
        let error = store.commit(vec![set("b", "2").expect(wrong)]).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict { found: None, .. }), "{wrong:?}: {error}");
    }
    let second = store.commit(vec![set("a", "2").expect(Expect::Revision(first))]).await.unwrap();
    store.commit(vec![Mutation::delete(Bucket::Meta, "a").expect(Expect::Revision(second))]).await.unwrap();
    store.commit(vec![set("a", "3").expect(Expect::Absent)]).await.unwrap();
    store.commit(vec![set("a", "4").expect(Expect::Present)]).await.unwrap();
}

async fn a_requirement_alone_changes_nothing(store: &dyn Store) {
    let at = store.commit(vec![set("a", "1")]).await.unwrap();
    let require = |expect| vec![Mutation::require(Bucket::Meta, "a", expect)];
    assert_eq!(store.commit(require(Expect::Revision(at))).await.unwrap(), at);
    assert!(store.commit(require(Expect::Absent)).await.is_err());
    let dependent = vec![Mutation::require(Bucket::Meta, "gone", Expect::Present), set("b", "1")];
    assert!(store.commit(dependent).await.is_err());
    assert_eq!(value(store, Bucket::Meta, "b").await, None);
    assert_eq!(store.commit(Vec::new()).await.unwrap(), at);
}

async fn lists_come_in_byte_order_and_go_on_after_a_key(store: &dyn Store) {
    let all = ["a", "a/", "a/1", "a/10", "a/2", "a/ß", "a0", "b", "ä"];
    store.commit(all.iter().rev().map(|key| set(key, key)).collect()).await.unwrap();
    assert_eq!(keys(store, "", None, 100).await, all);
    assert_eq!(keys(store, "a/", None, 100).await, ["a/", "a/1", "a/10", "a/2", "a/ß"]);
    assert_eq!(keys(store, "a/", Some("a/1"), 2).await, ["a/10", "a/2"]);
    assert_eq!(keys(store, "a/", Some("a/15"), 1).await, ["a/2"]);
    assert_eq!(keys(store, "a/", Some("a"), 1).await, ["a/"]);
    assert_eq!(keys(store, "a/", Some("z"), 9).await, Vec::<String>::new());
    assert_eq!(keys(store, "x", None, 9).await, Vec::<String>::new());
    assert_eq!(keys(store, "", None, 0).await, Vec::<String>::new());
}

async fn a_prefix_goes_at_once_and_leaves_its_neighbours(store: &dyn Store) {
    let all = ["a", "a/", "a/1", "a/2", "a0", "b"];
    store.commit(all.iter().map(|key| set(key, key)).collect()).await.unwrap();
    store.commit(vec![Mutation::delete_prefix(Bucket::Meta, "a/"), set("c", "1")]).await.unwrap();
    assert_eq!(keys(store, "", None, 100).await, ["a", "a0", "b", "c"]);
}

async fn a_quota_refuses_growth_and_allows_shrinking(store: &dyn Store) {
    let quota = |max_bytes, max_keys| Quota { prefix: "p/".into(), max_bytes, max_keys };
    let within = |key: &str, value: &str, max_bytes, max_keys| vec![set(key, value).quota(quota(max_bytes, max_keys))];
    // The key counts without its prefix: 1 + 9 bytes.
    store.commit(within("p/a", "123456789", 10, 2)).await.unwrap();
    assert_eq!(store.usage(Bucket::Meta, "p/").await.unwrap(), Usage { keys: 1, bytes: 10 });
    let error = store.commit(within("p/a", "1234567890", 10, 2)).await.unwrap_err();
    assert!(matches!(error, StoreError::Quota { keys: 1, bytes: 11, max_keys: 2, max_bytes: 10 }), "{error}");
    assert_eq!(value(store, Bucket::Meta, "p/a").await, Some(b"123456789".to_vec()));
    store.commit(within("p/b", "", 11, 2)).await.unwrap();
    assert!(store.commit(within("p/c", "", 100, 2)).await.is_err());
    // Other prefixes do not count, and what is too much already may become less.
    store.commit(within("q/a", "12345678901234567890", 10, 1)).await.unwrap();
    store.commit(within("p/a", "12345678", 5, 1)).await.unwrap();
    assert!(store.commit(within("p/a", "123456789", 5, 1)).await.is_err());
    assert_eq!(store.usage(Bucket::Meta, "p/").await.unwrap(), Usage { keys: 2, bytes: 10 });
    assert_eq!(store.usage(Bucket::State, "p/").await.unwrap(), Usage::default());
}

async fn impossible_commits_are_refused(store: &dyn Store) {
    for commit in [vec![set("", "1")], vec![set("a", "1"), set("a", "2")], vec![set(&"k".repeat(2000), "")]] {
        assert!(matches!(store.commit(commit).await, Err(StoreError::Invalid(_))));
    }
}

async fn of_many_writers_that_expect_the_same_one_wins(store: Arc<dyn Store>) {
    let tasks: Vec<_> = (0..50)
        .map(|number: u32| {
            let store = store.clone();
            tokio::spawn(async move {
                let own = set(&format!("own/{number}"), "1");
                let claim = set("claim", &number.to_string()).expect(Expect::Absent);
                (number, store.commit(vec![claim, own]).await)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        let (number, result) = task.await.unwrap();
        match result {
            Ok(_) => winners.push(number),
            Err(error) => assert!(matches!(error, StoreError::Conflict { .. }), "{error}"),
        }
    }
    let [winner] = winners[..] else { panic!("{} writers won", winners.len()) };
    assert_eq!(value(&*store, Bucket::Meta, "claim").await, Some(winner.to_string().into_bytes()));
    assert_eq!(keys(&*store, "own/", None, 100).await, [format!("own/{winner}")]);
}

async fn a_closed_store_says_so(store: &dyn Store) {
    store.commit(vec![set("a", "1")]).await.unwrap();
    store.close().await;
    store.close().await;
    assert!(matches!(store.commit(vec![set("b", "1")]).await, Err(StoreError::Closed)));
    assert!(matches!(store.get(Bucket::Meta, "a").await, Err(StoreError::Closed)));
}
