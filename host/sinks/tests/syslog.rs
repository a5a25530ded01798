//! Syslog: a message a record, over streams that break and datagrams.

mod support;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use support::{InMemory, verify_open, within};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Mutex,
};

/// The next message behind its length.
async fn counted(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = Vec::new();
    stream.read_until(b' ', &mut length).await.ok()?;
    let length: usize = std::str::from_utf8(&length).unwrap().trim().parse().ok()?;
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await.ok()?;
    Some(String::from_utf8(message).unwrap())
}

fn line(message: &str) -> &str {
    assert!(message.starts_with("<110>1 2023-11-14T22:13:20Z "), "{message}");
    message.split_once("] {").map(|(head, _)| &message[head.len() + 2..]).unwrap()
}

fn seq(message: &str) -> u64 {
    message.split_once(" seq=\"").unwrap().1.split_once('"').unwrap().0.parse().unwrap()
}

#[tokio::test]
async fn a_stream_that_breaks_costs_no_record_and_what_comes_again_comes_in_order() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let got: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
    let taken = got.clone();
    let server = tokio::spawn(async move {
        for most in [30, 45, 60, usize::MAX] {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            taken.lock().await.push(Vec::new());
            // Reads so many messages, and lets go of the connection.
            for _ in 0..most {
                let Some(message) = counted(&mut stream).await else { break };
                taken.lock().await.last_mut().unwrap().push(message);
            }
        }
    });
    let trail = InMemory::new();
    let sink = trail.follow(&format!("syslog:tcp://{address}"));
    for _ in 0..8 {
        trail.record(10);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    sink.until_sent(80).await;
    for _ in 0..100 {
        let all: BTreeSet<u64> = got.lock().await.iter().flatten().map(|message| seq(message)).collect();
        if all.len() == 80 {
            break;
        }
        // Only what is sent tells that the last connection has broken.
        trail.record(1);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let connections = got.lock().await.clone();
    for messages in &connections {
        assert!(messages.is_sorted_by_key(|message| seq(message)), "each connection is in order");
    }
    let mut next = 1;
    let mut text = trail.header_before(1).to_line();
    for message in connections.iter().flatten() {
        if seq(message) == next {
            text.push_str(&format!("{}\n", line(message)));
            next += 1;
        }
    }
    assert!(verify_open(&text).unwrap().records >= 80, "{next}");
    server.abort();
}

#[tokio::test]
async fn a_datagram_is_a_message() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let trail = InMemory::new();
    trail.record(3);
    let sink = trail.follow(&format!("syslog:udp://{}", socket.local_addr().unwrap()));
    sink.until_sent(3).await;
    let mut buffer = vec![0; 64 << 10];
    for expected in 1..=3 {
        let length = socket.recv(&mut buffer).await.unwrap();
        let message = std::str::from_utf8(&buffer[..length]).unwrap();
        assert_eq!(seq(message), expected);
        assert!(serde_json::from_str::<serde_json::Value>(line(message)).is_ok());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_machines_own_socket_is_tried_until_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let trail = InMemory::new();
    trail.record(1);
    let sink = trail.follow(&format!("syslog:{}", path.display()));
    within("it to fail", || sink.status().last_error.is_some()).await;
    assert!(sink.status().last_error.unwrap().message.contains("no such socket"));
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    sink.until_sent(1).await;
    let mut buffer = vec![0; 8 << 10];
    let length = socket.recv(&mut buffer).await.unwrap();
    assert_eq!(seq(std::str::from_utf8(&buffer[..length]).unwrap()), 1);
}
