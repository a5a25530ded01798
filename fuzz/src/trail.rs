//! Exported audit trails. An input is a whole trail of a stranger's; or, behind a first line that says so, what is done to a
//! good one: `cut FROM TO TEXT` puts a text in the place of some bytes.
//!
//! Whatever it is, it is judged without a panic; and a good trail that was changed by a single byte is never taken for whole.

use std::sync::LazyLock;

use jackfield_audit::{Chain, Expectations, Key, Kind, Record, verify};

/// A trail of thirty records, two of them signed.
static GOOD: LazyLock<String> = LazyLock::new(|| {
    let key = Key::from_seed(&[7; 32]).expect("a seed has 32 bytes");
    let mut chain = Chain::begin("fuzzed", &key);
    let mut text = chain.header().to_line();
    for number in 0..30 {
        if number % 15 == 14 {
            text.push_str(&chain.checkpoint(number, &key).text);
        } else {
            let record = Record { at: number, subject: "local".into(), ..Record::new(Kind::Call, "key-value.get") };
            text.push_str(&chain.append(&record).text);
        }
    }
    text + &chain.close(30, &key)
});

/// Checks a trail, or a change to one.
pub fn check(input: &[u8]) {
    let Some(change) = crate::text(input).and_then(|text| text.strip_prefix("cut ")) else {
        // Nobody can have signed it, so the most that it can be is nothing at all.
        let expected = Expectations { key: Some("00".repeat(32)), ..Expectations::default() };
        assert!(verify(input, &expected).is_err(), "a trail that nobody has signed is whole");
        return;
    };
    let mut parts = change.splitn(3, ' ');
    let mut number = || parts.next().and_then(|part| part.parse::<usize>().ok());
    let (Some(from), Some(to)) = (number(), number()) else { return };
    let (from, to) = (from % GOOD.len(), to % GOOD.len());
    let (from, to) = (from.min(to), from.max(to));
    let new = parts.next().unwrap_or_default();
    let changed = [&GOOD[..from], new, &GOOD[to..]].concat();
    // Somebody knows whose trail it is; else a stranger could sign another one.
    let key = Key::from_seed(&[7; 32]).expect("a seed has 32 bytes").public();
    let verified = verify(changed.as_bytes(), &Expectations { key: Some(key), ..Expectations::default() });
    assert_eq!(verified.is_ok(), changed == *GOOD, "bytes {from} to {to} became {new:?}");
}
