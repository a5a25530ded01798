//! Files: what is in one can be verified, and it is in it once.

mod support;

use std::{fs, io::Write as _, path::Path};

use support::{InMemory, verify_open, within};

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn a_file_is_a_trail_that_goes_on_and_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (path, trail) = (folder.path().join("audit.ndjson"), InMemory::new());
    trail.record(50);
    trail.checkpoint();
    let sink = trail.follow(&format!("file:{}", path.display()));
    sink.until_sent(51).await;
    trail.record(3);
    sink.until_sent(54).await;
    let verified = verify_open(&read(&path)).unwrap();
    assert_eq!(
        (verified.first, verified.records, verified.signed),
        (1, 54, 50),
        "the checkpoint signs what is before it"
    );
    let changed = read(&path).replacen("call 7 of", "call 8 of", 1);
    assert_eq!(verify_open(&changed).unwrap_err().seq, Some(8));
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
}

#[tokio::test]
async fn a_file_that_was_moved_away_or_emptied_is_begun_anew_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (path, trail) = (folder.path().join("audit.ndjson"), InMemory::new());
    trail.record(3);
    let sink = trail.follow(&format!("file:{}", path.display()));
    sink.until_sent(3).await;
    let moved = folder.path().join("audit.1");
    fs::rename(&path, &moved).unwrap();
    trail.record(2);
    sink.until_sent(5).await;
    fs::copy(&path, folder.path().join("audit.2")).unwrap();
    fs::write(&path, "").unwrap();
    trail.record(1);
    sink.until_sent(6).await;
    let parts = [moved, folder.path().join("audit.2"), path].map(|path| verify_open(&read(&path)).unwrap());
    assert_eq!(parts.each_ref().map(|part| (part.first, part.records)), [(1, 3), (4, 2), (6, 1)]);
}

#[tokio::test]
async fn after_a_crash_nothing_is_in_a_file_twice_and_no_line_is_torn() {
    let folder = tempfile::tempdir().unwrap();
    let (path, trail) = (folder.path().join("audit.ndjson"), InMemory::new());
    let spec = format!("file:{}", path.display());
    trail.record(30);
    let sink = trail.follow(&spec);
    sink.until_sent(30).await;
    trail.end(sink).await;
    // The cursor is lost, and the last line was not written whole.
    trail.forget_cursors();
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"seq\":31,\"prev\":\"12").unwrap();
    trail.record(30);
    let sink = trail.follow(&spec);
    sink.until_sent(60).await;
    assert_eq!(verify_open(&read(&path)).unwrap().records, 60);
}

#[tokio::test]
async fn what_does_not_continue_a_file_begins_another() {
    let folder = tempfile::tempdir().unwrap();
    let (path, trail) = (folder.path().join("audit.ndjson"), InMemory::new());
    let spec = format!("file:{}", path.display());
    trail.record(5);
    let sink = trail.follow(&spec);
    sink.until_sent(5).await;
    trail.end(sink).await;
    trail.record(10);
    trail.forget(8);
    let sink = trail.follow(&spec);
    sink.until_sent(15).await;
    assert_eq!(sink.status().lost, 3);
    let aside = verify_open(&read(&folder.path().join("audit.ndjson.until-5"))).unwrap();
    let now = verify_open(&read(&path)).unwrap();
    assert_eq!((aside.first, aside.records, now.first, now.records), (1, 5, 9, 7));
    trail.end(sink).await;

    let other = InMemory::new();
    other.record(2);
    let sink = other.follow(&spec);
    sink.until_sent(2).await;
    assert_eq!(verify_open(&read(&path)).unwrap().records, 2, "of the other trail");
    assert!(folder.path().join("audit.ndjson.until-15").exists());
}

#[tokio::test]
async fn a_trail_that_was_put_back_does_not_pass_for_what_the_file_has_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, trail) = (folder.path().join("audit.ndjson"), InMemory::new());
    let spec = format!("file:{}", path.display());
    trail.record(200);
    let sink = trail.follow(&spec);
    sink.until_sent(200).await;
    trail.end(sink).await;
    // From a backup of when there were fifty; other things happened since.
    trail.put_back(50);
    trail.checkpoint();
    trail.record(60);
    let sink = trail.follow(&spec);
    sink.until_sent(111).await;
    assert_eq!(verify_open(&read(&folder.path().join("audit.ndjson.until-200"))).unwrap().records, 200);
    let now = verify_open(&read(&path)).unwrap();
    assert!(now.first <= 51 && now.head.seq == 111, "{now:?}");
}

#[tokio::test]
async fn a_file_of_somebody_elses_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (path, trail) = (folder.path().join("hosts"), InMemory::new());
    fs::write(&path, "127.0.0.1 localhost").unwrap();
    trail.record(1);
    let sink = trail.follow(&format!("file:{}", path.display()));
    within("it to fail", || sink.status().last_error.is_some()).await;
    assert!(sink.status().last_error.unwrap().message.contains("something else than an audit trail"));
    assert_eq!(read(&path), "127.0.0.1 localhost");
    fs::remove_file(&path).unwrap();
    #[cfg(unix)]
    {
        let target = folder.path().join("target");
        fs::write(&target, "").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        let error = || sink.status().last_error.unwrap().message;
        within("the link to be refused", || error().contains("a link or a device")).await;
        fs::remove_file(&path).unwrap();
    }
    sink.until_sent(1).await;
    assert_eq!(verify_open(&read(&path)).unwrap().records, 1);
}
