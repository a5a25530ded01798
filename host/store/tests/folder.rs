//! What a data folder can be besides a good one.

use std::{fs, path::Path};

use jackfield_store::{Bucket, DATABASE_FILE, Mutation, SqliteStore, Store, StoreError};

async fn filled(dir: &Path) {
    let store = SqliteStore::open(dir, None).unwrap();
    for number in 0..200 {
        store.commit(vec![Mutation::set(Bucket::State, format!("key/{number}"), vec![7; 500])]).await.unwrap();
    }
    store.close().await;
}

#[tokio::test]
async fn what_was_committed_is_there_after_reopening_and_revisions_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), None).unwrap();
    let last = store.commit(vec![Mutation::set(Bucket::Meta, "a", "1")]).await.unwrap();
    store.close().await;
    let store = SqliteStore::open(dir.path(), None).unwrap();
    assert_eq!(store.get(Bucket::Meta, "a").await.unwrap().unwrap().revision, last);
    assert_eq!(store.commit(vec![Mutation::delete(Bucket::Meta, "a")]).await.unwrap(), last + 1);
}

#[tokio::test]
async fn a_store_that_is_dropped_without_being_closed_lets_go_of_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), None).unwrap();
    let error = SqliteStore::open(dir.path(), None).unwrap_err();
    assert!(matches!(error, StoreError::Locked { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
    drop(store);
    SqliteStore::open(dir.path(), None).unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_with_both_versions() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let connection = rusqlite::Connection::open(dir.path().join(DATABASE_FILE)).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    drop(connection);
    let error = SqliteStore::open(dir.path(), None).unwrap_err();
    assert!(matches!(error, StoreError::NewerVersion { found: 7, supported: 1, .. }), "{error}");
    assert!(error.to_string().contains("version 7") && error.to_string().contains("up to 1"), "{error}");
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_left_untouched() {
    let damages: [fn(&mut Vec<u8>); 3] = [
        |bytes| bytes[..32].fill(0x5a),
        |bytes| bytes.truncate(bytes.len() / 2 + 100),
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle..middle + 8192].fill(0xff);
        },
    ];
    for (number, damage) in damages.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path()).await;
        let path = dir.path().join(DATABASE_FILE);
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        let error = SqliteStore::open(dir.path(), None).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{number}: {error}");
        assert!(error.to_string().contains(DATABASE_FILE), "{error}");
        assert!(fs::read(&path).unwrap() == bytes, "{number}: the file was changed");
    }
}

#[tokio::test]
async fn the_database_of_another_program_is_refused_and_left_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(DATABASE_FILE);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(connection);
    let before = fs::read(&path).unwrap();
    assert!(matches!(SqliteStore::open(dir.path(), None), Err(StoreError::Foreign { .. })));
    assert!(fs::read(&path).unwrap() == before);
}

#[tokio::test]
async fn an_empty_file_where_the_database_should_be_becomes_one() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(DATABASE_FILE), "").unwrap();
    filled(dir.path()).await;
}

#[tokio::test]
async fn a_folder_that_is_a_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data");
    fs::write(&file, "").unwrap();
    let error = SqliteStore::open(&file, None).unwrap_err();
    assert!(matches!(error, StoreError::Folder { .. }) && error.to_string().contains("data"), "{error}");
}
