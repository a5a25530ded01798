//! A trail in memory, and receivers that do as they are told.

#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod receiver;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jackfield_audit::{Chain, Expectations, Fault, Head, Header, Key, Kind, Outcome, Record, Verified, verify};
use jackfield_sinks::{Cursor, Follower, News, Progress, Sink, SinkStatus, Trail};
use jackfield_store::MemoryStore;
use jackfield_vault::{Vault, net::Dialer};
use tokio::{sync::watch, task::JoinHandle};

/// Lines read at once: few, so that what is in memory and what is not differ soon.
const CHUNK: usize = 40;

/// A trail in memory.
pub(crate) struct InMemory {
    name: String,
    key: Key,
    public: String,
    state: Mutex<State>,
    head: Mutex<watch::Sender<u64>>,
    pub(crate) news: Mutex<Vec<News>>,
}

struct State {
    chain: Chain,
    lines: Vec<String>,
    gone: u64,
    cursors: HashMap<String, Cursor>,
}

impl InMemory {
    pub(crate) fn new() -> Arc<Self> {
        let key = Key::generate().unwrap();
        let chain = Chain::begin("5f0c", &key);
        let state = State { chain, lines: Vec::new(), gone: 0, cursors: HashMap::new() };
        Arc::new(Self {
            name: "5f0c".into(),
            public: key.public(),
            key,
            state: Mutex::new(state),
            head: Mutex::new(watch::Sender::new(0)),
            news: Mutex::default(),
        })
    }

    /// Records so many calls.
    pub(crate) fn record(&self, count: usize) {
        let mut state = self.state.lock().unwrap();
        for n in 0..count {
            let record = Record {
                at: 1_700_000_000_000,
                subject: "local".into(),
                outcome: Some(Outcome::Ok),
                message: Some(format!("call {n} of a bücher→ \"quote\" ] \u{7}")),
                ..Record::new(Kind::Call, "key-value.put")
            };
            let line = state.chain.append(&record).text;
            state.lines.push(line.trim_end().to_owned());
        }
        let seq = state.chain.head().seq;
        self.head.lock().unwrap().send_replace(seq);
    }

    /// Signs how far the trail has come.
    pub(crate) fn checkpoint(&self) {
        let mut state = self.state.lock().unwrap();
        let line = state.chain.checkpoint(1_700_000_000_000, &self.key).text;
        state.lines.push(line.trim_end().to_owned());
        let seq = state.chain.head().seq;
        self.head.lock().unwrap().send_replace(seq);
    }

    /// Lets go of all records up to a number.
    pub(crate) fn forget(&self, until: u64) {
        self.state.lock().unwrap().gone = until;
    }

    /// Goes back to when there were so many records; the cursors are those of then.
    pub(crate) fn put_back(&self, count: u64) {
        let mut state = self.state.lock().unwrap();
        state.lines.truncate(count as usize);
        let hash = jackfield_audit::hash_of(state.lines.last().unwrap());
        state.chain = Chain::resume(self.name.as_str(), &self.key, Head { seq: count, hash });
        state.cursors.values_mut().for_each(|cursor| cursor.sent = cursor.sent.min(count));
        self.head.lock().unwrap().send_replace(count);
    }

    pub(crate) fn forget_cursors(&self) {
        self.state.lock().unwrap().cursors.clear();
    }

    pub(crate) fn cursor_of(&self, sink: &str) -> Option<Cursor> {
        self.state.lock().unwrap().cursors.get(sink).cloned()
    }

    /// What a trail of these lines begins with.
    pub(crate) fn header_before(&self, first: u64) -> Header {
        let state = self.state.lock().unwrap();
        let hash = match first {
            1 => Chain::begin("5f0c", &self.key).head().hash.clone(),
            _ => jackfield_audit::hash_of(&state.lines[first as usize - 2]),
        };
        Header::new("5f0c", self.public.as_str(), &Head { seq: first - 1, hash })
    }

    /// Starts a sink.
    pub(crate) fn follow(self: &Arc<Self>, spec: &str) -> At {
        self.follow_with(spec, vault())
    }

    pub(crate) fn follow_with(self: &Arc<Self>, spec: &str, vault: Arc<Vault>) -> At {
        let sink: Sink = spec.parse().unwrap();
        let follower = Follower::new(&sink, self.clone(), &Arc::new(Dialer::new()), &vault).unwrap();
        At { progress: follower.progress(), task: tokio::spawn(follower.run()) }
    }

    /// The host ends: no more is stored.
    pub(crate) async fn end(&self, sink: At) {
        let head = *self.head.lock().unwrap().borrow();
        *self.head.lock().unwrap() = watch::Sender::new(head);
        sink.task.await.unwrap();
    }
}

/// A sink at work.
pub(crate) struct At {
    progress: Progress,
    pub(crate) task: JoinHandle<()>,
}

impl At {
    pub(crate) fn status(&self) -> SinkStatus {
        self.progress.status()
    }

    /// Waits until it has sent so much.
    pub(crate) async fn until_sent(&self, seq: u64) {
        within(&format!("{seq} records to be sent"), || self.status().sent >= seq).await;
    }
}

pub(crate) fn vault() -> Arc<Vault> {
    let store = Arc::new(MemoryStore::new());
    futures_util::FutureExt::now_or_never(Vault::load(store, Arc::new(Dialer::new()))).unwrap().unwrap().into()
}

pub(crate) async fn within(what: &str, done: impl Fn() -> bool) {
    for _ in 0..600 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited too long for {what}");
}

/// Verifies a trail that has no end.
pub(crate) fn verify_open(text: &str) -> Result<Verified, Fault> {
    verify(text.as_bytes(), &Expectations { open: true, ..Expectations::default() })
}

#[async_trait]
impl Trail for InMemory {
    fn chain(&self) -> (&str, &str) {
        (&self.name, &self.public)
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.head.lock().unwrap().subscribe()
    }

    async fn gone(&self) -> Result<u64, String> {
        Ok(self.state.lock().unwrap().gone)
    }

    async fn read(&self, after: u64) -> Result<Vec<String>, String> {
        let state = self.state.lock().unwrap();
        Ok(state.lines.iter().skip(after.max(state.gone) as usize).take(CHUNK).cloned().collect())
    }

    async fn cursor(&self, sink: &str) -> Result<Option<Cursor>, String> {
        Ok(self.cursor_of(sink))
    }

    async fn keep(&self, sink: &str, cursor: &Cursor) -> Result<(), String> {
        self.state.lock().unwrap().cursors.insert(sink.to_owned(), cursor.clone());
        Ok(())
    }

    fn tell(&self, news: News) {
        self.news.lock().unwrap().push(news);
    }
}
