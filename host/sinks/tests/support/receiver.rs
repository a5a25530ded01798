//! A receiver of HTTP that does what its script says, and then takes everything.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Request, Response, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

/// What it does with one request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Takes it and answers this.
    Answer(&'static str),
    /// Takes it, and the answer is lost.
    TakeAndCut,
    /// Refuses it, perhaps with a `retry-after`.
    Refuse(u16, Option<&'static str>),
    /// Refuses what has more lines.
    AtMost(usize),
    /// Takes its time.
    Slow(Duration),
}

/// A request that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn number(&self, header: &str) -> u64 {
        self.headers[header].to_str().unwrap().parse().unwrap()
    }
}

pub(crate) struct Receiver {
    pub(crate) address: String,
    pub(crate) got: Arc<Mutex<Vec<Got>>>,
    task: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start(script: impl IntoIterator<Item = Act>) -> Self {
        Self::start_at("127.0.0.1:0", script).await
    }

    pub(crate) async fn start_at(address: &str, script: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (got, script) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(script.into_iter().collect())));
        let task = tokio::spawn(serve(listener, got.clone(), script));
        Self { address, got, task }
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// What was taken, in the order it came, each record once.
    pub(crate) fn once(&self) -> String {
        let mut next = 0;
        let mut text = String::new();
        for got in self.got() {
            let (first, last) = (got.number("jackfield-audit-first"), got.number("jackfield-audit-last"));
            assert_eq!(got.body.lines().count() as u64, last + 1 - first);
            for (seq, line) in (first..=last).zip(got.body.lines()) {
                if seq > next {
                    text.push_str(&format!("{line}\n"));
                    next = seq;
                }
            }
        }
        text
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, got: Arc<Mutex<Vec<Got>>>, script: Arc<Mutex<VecDeque<Act>>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (got, script) = (got.clone(), script.clone());
        let serve = service_fn(move |request: Request<Incoming>| act(request, got.clone(), script.clone()));
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), serve));
    }
}

async fn act(
    request: Request<Incoming>,
    got: Arc<Mutex<Vec<Got>>>,
    script: Arc<Mutex<VecDeque<Act>>>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let lines = body.lines().count();
    let take = || {
        got.lock().unwrap().push(Got {
            path: head.uri.path().into(),
            headers: head.headers.clone(),
            body: body.clone(),
        })
    };
    let act = script.lock().unwrap().pop_front().unwrap_or(Act::Answer(""));
    let refuse = |status: u16, after: Option<&'static str>| {
        let mut response = Response::builder().status(status);
        if let Some(after) = after {
            response = response.header("retry-after", after);
        }
        Ok(response.body(Full::default()).unwrap())
    };
    match act {
        Act::Answer(text) => {
            take();
            Ok(Response::new(Full::from(text)))
        }
        Act::TakeAndCut => {
            take();
            Err(std::io::Error::other("cut"))
        }
        Act::Refuse(status, after) => refuse(status, after),
        Act::AtMost(most) if lines > most => {
            // Until it is taken.
            script.lock().unwrap().push_front(Act::AtMost(most));
            refuse(413, None)
        }
        Act::AtMost(_) => {
            take();
            Ok(Response::default())
        }
        Act::Slow(time) => {
            tokio::time::sleep(time).await;
            take();
            Ok(Response::default())
        }
    }
}
