//! An OpenBao that does what a test says: answers by a script, and remembers what it was asked.
//! Each test program uses a part of it.
#![allow(dead_code)]

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) token: String,
    pub(crate) body: String,
}

/// What it answers: a status and a body, or nothing.
pub(crate) enum Answer {
    Say(u16, String),
    /// It hangs up in the middle of its answer.
    Cut,
    /// It takes its time.
    Late(std::time::Duration, String),
    /// It never answers.
    Hang,
}

pub(crate) fn ok(body: impl Into<String>) -> Answer {
    Answer::Say(200, body.into())
}

pub(crate) fn status(status: u16) -> Answer {
    Answer::Say(status, r#"{"errors":["as the test says"]}"#.into())
}

/// A scripted server that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (script, log) = (Arc::new(script), asked.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, log) = (script.clone(), log.clone());
                tokio::spawn(async move {
                    // How a connection ends is the client's business.
                    let _ = serve(stream, &*script, &log).await;
                });
            }
        });
        Self { url, asked, task }
    }

    /// What it was asked so far whose line contains this.
    pub(crate) fn asked(&self, what: &str) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.line.contains(what)).cloned().collect()
    }
}

async fn serve(
    mut stream: TcpStream,
    script: &(dyn Fn(&Asked) -> Answer + Send + Sync),
    log: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let header = |name: &str| {
        let found = head.lines().find_map(|line| line.split_once(':').filter(|(n, _)| n.eq_ignore_ascii_case(name)));
        found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    let line = head.lines().next().unwrap_or_default().to_owned();
    let asked = Asked { line, token: header("x-vault-token"), body: String::from_utf8_lossy(&body).into_owned() };
    let answer = script(&asked);
    log.lock().unwrap().push(asked);
    let mut say = async |status: u16, body: String| {
        let head = format!("HTTP/1.1 {status} It\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await
    };
    match answer {
        Answer::Say(status, body) => say(status, body).await,
        Answer::Late(time, body) => {
            tokio::time::sleep(time).await;
            say(200, body).await
        }
        Answer::Cut => stream.write_all(b"HTTP/1.1 200 It\r\ncontent-length: 100\r\n\r\n{\"data\":").await,
        Answer::Hang => {
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
            Ok(())
        }
    }
}
