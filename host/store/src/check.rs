//! What makes a commit impossible in any store, checked before one sees it.

use std::collections::HashSet;

use crate::{Change, Expect, MAX_KEY_BYTES, MAX_MUTATIONS, Mutation, Quota, StoreError, Usage};

pub(crate) fn check(mutations: &[Mutation]) -> Result<(), StoreError> {
    let invalid = |message: String| Err(StoreError::Invalid(message));
    if mutations.len() > MAX_MUTATIONS {
        return invalid(format!("a commit of {} changes; at most {MAX_MUTATIONS} go into one", mutations.len()));
    }
    let mut seen = HashSet::with_capacity(mutations.len());
    for mutation in mutations {
        let key = &mutation.key;
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return invalid(format!("a key of {} bytes; a key has 1 to {MAX_KEY_BYTES}", key.len()));
        }
        if !seen.insert((mutation.bucket, key)) {
            return invalid(format!("the key `{key}` occurs twice in one commit; leave only its last change"));
        }
        if mutation.change == Change::DeletePrefix && mutation.expect != Expect::Any {
            return invalid(format!("the removal of all keys under `{key}` can expect nothing of one key"));
        }
    }
    Ok(())
}

/// Whether a commit that leads from one usage to the other is within a quota.
pub(crate) fn within(quota: &Quota, before: Usage, after: Usage) -> Result<(), StoreError> {
    let too_many = after.keys > quota.max_keys && after.keys > before.keys;
    let too_large = after.bytes > quota.max_bytes && after.bytes > before.bytes;
    if too_many || too_large {
        let Usage { keys, bytes } = after;
        return Err(StoreError::Quota { keys, bytes, max_keys: quota.max_keys, max_bytes: quota.max_bytes });
    }
    Ok(())
}

/// The first text, in byte order, that is after every text starting with `prefix`; none where there is no such text.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // Keys are UTF-8, in which this byte does not occur.
    vec![u8::MAX]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bucket;

    #[test]
    fn the_end_of_a_prefix_is_after_all_its_keys_and_before_the_next() {
        assert_eq!(after_prefix(b"ab"), b"ac");
        assert_eq!(after_prefix(b"a\xff"), b"b");
        assert_eq!(after_prefix(b"\xff\xff"), [0xff]);
        assert_eq!(after_prefix(b""), [0xff]);
    }

    #[test]
    fn a_key_that_occurs_twice_is_refused_but_not_in_two_buckets() {
        let twice = [Mutation::delete(Bucket::Meta, "a"), Mutation::set(Bucket::Meta, "a", "1")];
        assert!(matches!(check(&twice), Err(StoreError::Invalid(_))));
        assert!(check(&[Mutation::delete(Bucket::Meta, "a"), Mutation::delete(Bucket::State, "a")]).is_ok());
    }

    #[test]
    fn keys_have_bounds() {
        assert!(check(&[Mutation::delete(Bucket::Meta, "")]).is_err());
        assert!(check(&[Mutation::delete(Bucket::Meta, "k".repeat(MAX_KEY_BYTES))]).is_ok());
        assert!(check(&[Mutation::delete(Bucket::Meta, "k".repeat(MAX_KEY_BYTES + 1))]).is_err());
    }
}
