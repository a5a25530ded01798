//! A way to an outside system that fails as networks do: connections are refused, cut before a request has arrived whole,
//! cut when the answer is due, and held up; at random, by a seed.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// A proxy between Jackfield and an outside system. It ends with the test program.
#[derive(Debug)]
pub struct Troubled {
    url: String,
    calm: Arc<AtomicBool>,
    faults: Arc<AtomicU64>,
}

/// What happens to a piece of what passes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passes,
    Late,
    /// The connection ends before it arrives.
    Lost,
    /// Half of it arrives, then the connection ends.
    Torn,
}

impl Troubled {
    /// Starts one before the system at `address` (`host:port`).
    pub fn before(address: &str, seed: u64) -> Troubled {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (calm, faults) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let troubled = Troubled { url, calm: calm.clone(), faults: faults.clone() };
        let address = address.to_owned();
        thread::spawn(move || {
            let mut dice = Dice(seed | 1);
            for client in listener.incoming().flatten() {
                let dice = Dice(dice.next() | 1);
                let (address, calm, faults) = (address.clone(), calm.clone(), faults.clone());
                thread::spawn(move || carry(&client, &address, dice, &calm, &faults));
            }
        });
        troubled
    }

    /// Its address as a URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on everything passes.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// How many connections it has ended so far.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }
}

fn carry(client: &TcpStream, address: &str, mut dice: Dice, calm: &Arc<AtomicBool>, faults: &Arc<AtomicU64>) {
    if !calm.load(Ordering::Relaxed) && dice.next().is_multiple_of(20) {
        faults.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let Ok(system) = TcpStream::connect(address) else { return };
    thread::scope(|scope| {
        let (there, back) = (Dice(dice.next() | 1), Dice(dice.next() | 1));
        scope.spawn(|| pump(client, &system, there, calm, faults));
        pump(&system, client, back, calm, faults);
    });
}

/// Passes on what comes, until one side ends or the dice say so; then both end.
fn pump(mut from: &TcpStream, mut to: &TcpStream, mut dice: Dice, calm: &AtomicBool, faults: &AtomicU64) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read) = from.read(&mut buffer) {
        let piece = &buffer[..read];
        let fate = if calm.load(Ordering::Relaxed) { Fate::Passes } else { dice.fate() };
        let passed = match fate {
            Fate::Passes => piece,
            Fate::Late => {
                thread::sleep(Duration::from_millis(dice.next() % 30));
                piece
            }
            Fate::Torn => &piece[..read / 2],
            Fate::Lost => &[],
        };
        let ends = matches!(fate, Fate::Torn | Fate::Lost) && read > 0;
        faults.fetch_add(u64::from(ends), Ordering::Relaxed);
        if to.write_all(passed).is_err() || ends || read == 0 {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// xorshift64*: the same seed, the same troubles.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn fate(&mut self) -> Fate {
        match self.next() % 100 {
            0..3 => Fate::Lost,
            3..5 => Fate::Torn,
            5..15 => Fate::Late,
            _ => Fate::Passes,
        }
    }
}
