//! Looking for secrets: what it costs a body that holds none, and one that is made to cost the most.

use std::{hint::black_box, sync::Arc};

use anyhow::Result;
use jackfield_gateway::{Needles, Scan};

use crate::{
    race::{race, way},
    table::Table,
};

/// Secrets looked for at once.
const SECRETS: u64 = 1000;
/// Bytes of each text, and of the pieces it comes in.
const TEXT: usize = 4 << 20;
const PIECE: usize = 16 << 10;

/// Numbers that look random and are the same in every run (splitmix64).
fn number(n: u64) -> u64 {
    let mut x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// A token of 20 to 60 characters; half of them begin alike, as those of one issuer do.
fn secret(n: u64) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let len = 20 + number(n) % 41;
    let rest = (0..len).map(|i| char::from(LETTERS[(number(n * 100 + i) % LETTERS.len() as u64) as usize]));
    let begin = if n.is_multiple_of(2) { "ghp_" } else { "" };
    begin.chars().chain(rest).collect()
}

fn texts() -> Vec<(&'static str, Vec<u8>)> {
    let mut json = Vec::new();
    for n in 0.. {
        let line = format!(
            "{{\"metric\":{{\"__name__\":\"http_requests_total\",\"instance\":\"10.0.{}.{}:9090\"}},\"value\":[{},\"{}\"]}},",
            n % 256,
            number(n) % 256,
            1_700_000_000 + n,
            number(n) % 100_000
        );
        json.extend(line.into_bytes());
        if json.len() >= TEXT {
            break;
        }
    }
    let random: Vec<u8> = (0..TEXT as u64 / 8).flat_map(|n| number(n).to_le_bytes()).collect();
    let near: Vec<u8> =
        (0..).flat_map(|n| format!("{}!", &secret(n % SECRETS)[..18]).into_bytes()).take(TEXT).collect();
    vec![
        ("JSON", json),
        ("random bytes", random),
        ("all percent escapes", b"%41".iter().copied().cycle().take(TEXT).collect()),
        ("beginnings of secrets", near),
    ]
}

/// Megabytes a second, by kind of text.
pub(crate) async fn all(table: &mut Table, quick: bool) -> Result<()> {
    let secrets: Vec<String> = (0..SECRETS).map(secret).collect();
    let needles = Arc::new(Needles::new(secrets.iter().map(|secret| secret.as_bytes())));
    for (case, text) in texts() {
        let (text, needles) = (Arc::new(text), needles.clone());
        let bytes = text.len() as f64;
        let mut ways = [way("looked through for 1,000 secrets", move |times| {
            let (text, needles) = (text.clone(), needles.clone());
            async move {
                for _ in 0..times {
                    let (mut scan, mut out) = (Scan::new(needles.clone()), Vec::with_capacity(2 * PIECE));
                    for piece in text.chunks(PIECE) {
                        out.clear();
                        scan.push(black_box(piece), &mut out);
                        black_box(&out);
                    }
                    anyhow::ensure!(scan.found() == 0, "there is nothing to be found");
                }
                Ok(())
            }
        })];
        let name = ways[0].name;
        let took = race(&mut ways, if quick { 3 } else { 9 }).await?;
        table.add("secrets in bodies", case, name, bytes / took[0] * 1e3, "MB/s", "pieces of 16 KiB");
    }
    Ok(())
}
