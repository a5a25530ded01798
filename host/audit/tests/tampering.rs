//! Whatever is done to a trail is found, with its place.

use std::io::{BufReader, Read as _};

use jackfield_audit::{Chain, Expectations, Fault, Head, Key, Kind, Outcome, Record, What, verify};
use proptest::prelude::*;

const NOW: i64 = 1_700_000_000_000;

fn record(n: u64) -> Record {
    Record {
        at: NOW + n as i64,
        subject: "local".into(),
        target: Some("play".into()),
        call: Some(n),
        parameters: Some(
            serde_json::json!({"key": format!("k-{n}"), "value": "checkpoint\",\"kind\":\"checkpoint"}).into(),
        ),
        outcome: Some(Outcome::Ok),
        ..Record::new(Kind::Call, "key-value.put")
    }
}

/// A trail of so many lines, each hundredth of which is a checkpoint; as lines, with their ends.
fn trail(count: u64, key: &Key) -> Vec<String> {
    let mut chain = Chain::begin("test", key);
    let mut lines = vec![chain.header().to_line()];
    for n in 1..=count {
        let line = if n % 100 == 0 { chain.checkpoint(NOW, key) } else { chain.append(&record(n)) };
        assert_eq!(line.seq, n);
        lines.push(line.text);
    }
    lines.push(chain.close(NOW, key));
    lines
}

fn judge(lines: &[String]) -> Result<u64, Fault> {
    verify(lines.concat().as_bytes(), &Expectations::default()).map(|verified| verified.records)
}

fn key() -> Key {
    Key::from_seed(&[7; 32]).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_change_of_any_byte_of_any_record_is_found_at_that_record(at in 1..300_usize, byte: prop::sample::Index, to in 32..127_u8) {
        let mut lines = trail(300, &key());
        let mut bytes = lines[at].clone().into_bytes();
        let place = byte.index(bytes.len() - 1);
        prop_assume!(bytes[place] != to);
        bytes[place] = to;
        lines[at] = String::from_utf8(bytes).unwrap();
        let fault = judge(&lines).unwrap_err();
        prop_assert_eq!(fault.seq, Some(at as u64), "{}", fault);
    }

    #[test]
    fn a_record_that_is_removed_swapped_duplicated_or_inserted_is_found_where_it_is(at in 1..299_usize, other in 1..299_usize) {
        let whole = trail(300, &key());
        let mut removed = whole.clone();
        removed.remove(at);
        let fault = judge(&removed).unwrap_err();
        prop_assert_eq!((fault.seq, fault.what), (Some(at as u64), What::Missing(at as u64)));

        let mut twice = whole.clone();
        twice.insert(at + 1, whole[at].clone());
        let fault = judge(&twice).unwrap_err();
        prop_assert_eq!((fault.seq, fault.line), (Some(at as u64), at as u64 + 2));

        prop_assume!(at != other);
        let mut swapped = whole.clone();
        swapped.swap(at, other);
        let fault = judge(&swapped).unwrap_err();
        prop_assert_eq!(fault.line, at.min(other) as u64 + 1, "{}", fault);

        let mut inserted = whole.clone();
        inserted.insert(at, whole[other].clone());
        let fault = judge(&inserted).unwrap_err();
        // One that is put before its own place leaves its own a duplicate; either is the wrong one of the two.
        prop_assert!(fault.line >= at as u64 && fault.line <= at as u64 + 2, "{}", fault);
    }

    #[test]
    fn a_trail_that_is_cut_anywhere_is_found_to_be(cut: prop::sample::Index) {
        let whole = trail(50, &key()).concat();
        let cut = cut.index(whole.len());
        prop_assert!(verify(&whole.as_bytes()[..cut], &Expectations::default()).is_err());
    }

    #[test]
    fn nothing_that_is_read_makes_it_panic(bytes: Vec<u8>, text in "\\PC{0,400}") {
        let _ = verify(&bytes[..], &Expectations::default());
        let header = trail(0, &key())[0].clone();
        let _ = verify(format!("{header}{text}\n").as_bytes(), &Expectations::default());
    }
}

/// Which records of ten thousand are tampered with: some, or every one where `JACKFIELD_EVERY_RECORD` is set, which takes minutes.
fn tampered() -> Vec<usize> {
    match std::env::var_os("JACKFIELD_EVERY_RECORD") {
        Some(_) => (1..10_000).collect(),
        None => (1..10_000).step_by(499).chain([2, 99, 100, 101, 9_999]).collect(),
    }
}

#[test]
fn every_kind_of_tampering_with_ten_thousand_records_is_found_at_its_place() {
    let lines = trail(10_000, &key());
    assert_eq!(judge(&lines), Ok(10_000));
    let whole = lines.concat();
    let ends: Vec<usize> = lines
        .iter()
        .scan(0, |end, line| {
            *end += line.len();
            Some(*end)
        })
        .collect();
    // What stands before a line, something in its place, and what stands behind another.
    let judge = |at: usize, instead: &str, behind: usize| {
        let (before, after) = (&whole.as_bytes()[..ends[at - 1]], &whole.as_bytes()[ends[behind]..]);
        let text = before.chain(instead.as_bytes()).chain(after);
        verify(BufReader::new(text), &Expectations::default()).unwrap_err()
    };
    for at in tampered() {
        let changed = lines[at].replacen("\"subject\":\"", "\"subject\":\"x", 1);
        assert_eq!(judge(at, &changed, at).seq, Some(at as u64), "changed {at}");
        assert_eq!(judge(at, "", at).seq, Some(at as u64), "removed {at}");
        let swapped = format!("{}{}", lines[at + 1], lines[at]);
        assert_eq!(judge(at, &swapped, at + 1).line, at as u64 + 1, "swapped {at}");
        let cut = judge(at, "", lines.len() - 1);
        assert_eq!((cut.seq, cut.what), (Some(at as u64), What::CutOff), "cut off before {at}");
    }
}

#[test]
fn an_end_that_is_forged_or_made_with_another_key_is_found() {
    let whole = trail(30, &key());
    let other = Key::from_seed(&[8; 32]).unwrap();
    // The last ten records cut off, and an end put on that nobody signed, or somebody else.
    let mut chain = Chain::begin("test", &key());
    let mut cut = whole[..21].to_vec();
    (1..=20).for_each(|n| drop(chain.append(&record(n))));
    cut.push(chain.close(NOW, &other));
    assert_eq!(judge(&cut).unwrap_err().what, What::Signature);
    // A trail that is made anew altogether is whole; only who knows the key, or an earlier head, can tell.
    let anew = trail(30, &other).concat();
    assert!(verify(anew.as_bytes(), &Expectations::default()).is_ok());
    let known = Expectations { key: Some(key().public()), ..Expectations::default() };
    assert!(matches!(verify(anew.as_bytes(), &known).unwrap_err().what, What::OtherKey(_)));
}

#[test]
fn a_trail_that_was_rolled_back_is_told_by_a_head_of_later() {
    let mut chain = Chain::begin("test", &key());
    let mut lines = vec![chain.header().to_line()];
    (1..=20).for_each(|n| lines.push(chain.append(&record(n)).text));
    let old = [&lines[..], &[chain.close(NOW, &key())]].concat().concat();
    lines.push(chain.append(&record(21)).text);
    let seen = chain.head().clone();
    lines.push(chain.append(&record(22)).text);
    lines.push(chain.close(NOW, &key()));
    let expected = Expectations { head: Some(seen.clone()), ..Expectations::default() };
    assert!(verify(lines.concat().as_bytes(), &expected).is_ok());
    assert_eq!(verify(old.as_bytes(), &expected).unwrap_err().what, What::NotOurs(21));
    let wrong = Expectations { head: Some(Head { hash: "0".repeat(64), ..seen }), ..Expectations::default() };
    assert_eq!(verify(lines.concat().as_bytes(), &wrong).unwrap_err().what, What::NotOurs(21));
}

#[test]
fn a_part_of_a_trail_is_whole_by_itself() {
    let mut chain = Chain::begin("test", &key());
    (1..=10).for_each(|n| drop(chain.append(&record(n))));
    let mut part = chain.header_after(chain.head()).to_line();
    (11..=20).for_each(|n| part.push_str(&chain.append(&record(n)).text));
    part.push_str(&chain.close(NOW, &key()));
    let verified = verify(part.as_bytes(), &Expectations::default()).unwrap();
    assert_eq!((verified.first, verified.records, verified.head.seq), (11, 10, 20));
}

#[test]
fn not_even_a_space_can_be_put_into_the_first_line_or_the_last() {
    let whole = trail(30, &key());
    for at in [0, whole.len() - 1] {
        for place in 0..whole[at].len() {
            for space in [" ", "\t", "\r"] {
                let mut lines = whole.clone();
                lines[at].insert_str(place, space);
                let known = Expectations { key: Some(key().public()), ..Expectations::default() };
                assert!(verify(lines.concat().as_bytes(), &known).is_err(), "{space:?} at {place} of line {at}");
            }
        }
    }
}

#[test]
fn a_trail_that_goes_on_is_whole_as_far_as_it_comes_and_says_how_far_it_is_signed() {
    let open = Expectations { open: true, key: Some(key().public()), ..Expectations::default() };
    let whole = trail(250, &key());
    for lines in [1, 2, 100, 101, 150, 201, 251] {
        let verified = verify(whole[..lines].concat().as_bytes(), &open).unwrap();
        let signed = [201, 101].into_iter().find(|checkpoint| lines >= *checkpoint).map_or(0, |line| line - 2);
        assert_eq!((verified.records, verified.signed), (lines as u64 - 1, signed as u64));
    }
    let closed = verify(whole.concat().as_bytes(), &open).unwrap();
    assert_eq!((closed.records, closed.signed), (250, 250));

    // A line that was torn, one that was taken out, one that was changed and is followed by another.
    let torn = whole[..50].concat();
    assert_eq!(verify(&torn.as_bytes()[..torn.len() - 1], &open).unwrap_err().what, What::CutOff);
    let without = [&whole[..40], &whole[41..60]].concat().concat();
    assert_eq!(verify(without.as_bytes(), &open).unwrap_err().seq, Some(40));
    let changed = whole[..60].concat().replace("\"call\":40", "\"call\":41");
    assert_eq!(verify(changed.as_bytes(), &open).unwrap_err().seq, Some(40));
    // What is missing at the end, only an earlier head tells.
    let last = verify(whole[..60].concat().as_bytes(), &open).unwrap().head;
    let expected = Expectations { head: Some(last), ..open };
    assert!(verify(whole[..80].concat().as_bytes(), &expected).is_ok());
    assert_eq!(verify(whole[..59].concat().as_bytes(), &expected).unwrap_err().what, What::NotOurs(59));
}
