//! `kill -9` at any moment: what was acknowledged is there, and what is there is whole.
//!
//! The test starts itself anew as a child that commits in a loop and prints each revision once it is acknowledged, kills
//! it somewhere in the middle, and looks.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use jackfield_store::{Bucket, Mutation, SqliteStore, Store};

const CHILD: &str = "JACKFIELD_STORE_TEST_CHILD";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_however_often_the_process_is_killed() {
    if let Some(dir) = std::env::var_os(CHILD) {
        commit_until_killed(Path::new(&dir)).await;
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..6u64 {
        acknowledged = acknowledged.max(run_and_kill(dir.path(), Duration::from_millis(40 + 45 * round)));
        let store = SqliteStore::open(dir.path(), None).unwrap();
        let found = store.list(Bucket::State, "", None, usize::MAX).await.unwrap();
        let last = found.last().map_or(0, |(key, _)| key.parse().unwrap());
        assert!(last >= acknowledged, "round {round}: {acknowledged} was acknowledged, {last} is the last one there");
        for (number, (key, record)) in found.iter().enumerate() {
            assert_eq!(key.parse::<u64>().unwrap(), number as u64 + 1, "round {round}: a commit is missing");
            assert_eq!(record.value, payload(number as u64 + 1));
        }
        // Each commit set this key too: all or nothing.
        let marker = store.get(Bucket::Meta, "last").await.unwrap().map_or(0, |r| text(&r.value).parse().unwrap());
        assert_eq!(marker, last);
        store.close().await;
    }
    assert!(acknowledged > 50, "the child made only {acknowledged} commits: the test proves little");
}

fn run_and_kill(dir: &Path, after: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "nothing_acknowledged_is_lost_however_often_the_process_is_killed"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let acknowledged = |line: String| line.strip_suffix('.')?.rsplit_once("acknowledged ")?.1.parse::<u64>().ok();
    let first = lines.by_ref().find_map(|line| acknowledged(line.unwrap())).expect("the child commits something");
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    lines.map_while(Result::ok).filter_map(acknowledged).last().unwrap_or(first)
}

async fn commit_until_killed(dir: &Path) {
    let store = SqliteStore::open(dir, None).unwrap();
    let found = store.list(Bucket::State, "", None, usize::MAX).await.unwrap();
    let mut next = found.last().map_or(1, |(key, _)| key.parse::<u64>().unwrap() + 1);
    let mut out = std::io::stdout();
    loop {
        // Several at once, so that the kill also meets transactions of several commits.
        let commits = (next..next + 4).map(|number| {
            store.commit(vec![
                Mutation::set(Bucket::State, format!("{number:012}"), payload(number)),
                Mutation::set(Bucket::Meta, "last", number.to_string()),
            ])
        });
        for result in futures_util::future::join_all(commits).await {
            result.unwrap();
        }
        next += 4;
        // The dot tells a whole line from one that the kill cut off.
        writeln!(out, "acknowledged {}.", next - 1).unwrap();
    }
}

fn payload(number: u64) -> Vec<u8> {
    vec![u8::try_from(number % 251).unwrap(); usize::try_from(number % 3000).unwrap()]
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
