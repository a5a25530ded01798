//! Many forms looked for at once.
//!
//! Of each form a few neighbouring windows of five bytes are entered in a bitmap, by a hash; the text is looked at only every
//! few bytes, and where a window's bit is set, the forms with that window are compared. So the common byte costs a fraction
//! of a nanosecond, and which windows of a form are entered is chosen so that few forms share one: keys that all begin with
//! the same word are told apart by what follows it.
//!
//! The forms themselves are in memory of their own like every secret; the tables beside them hold hashes only.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasherDefault, Hasher},
    ops::Range,
};

use jackfield_vault::Secret;

use super::{
    REDACTED, SHORTEST,
    forms::{self, Form},
    views::{self, View},
};

/// Bytes of a window.
const WINDOW: usize = 5;
const WINDOW_BITS: u64 = (1 << (8 * WINDOW)) - 1;
/// Every byte's bit that tells small letters from capitals: windows are compared without it.
const CASE: u64 = 0x2020_2020_2020_2020;
/// The text is looked at every so many bytes at most.
const MOST_STRIDE: usize = 4;
/// How far into a form its windows may be.
const FARTHEST: usize = 24;

/// The forms of all secrets, ready to be looked for.
pub struct Needles {
    forms: Secret,
    places: Vec<Place>,
    stride: usize,
    /// By windows of which the text holds one that is looked at, wherever the form begins.
    within: Table,
    /// By the window that a form begins with.
    begins: Table,
    /// By the first two bytes, without their case.
    starts: HashMap<[u8; 2], Vec<u32>>,
    longest: usize,
    salt: u64,
}

struct Place {
    range: Range<usize>,
    any_case: bool,
}

/// Forms by a window's hash, each with where in the form that window is.
struct Table {
    bits: Vec<u64>,
    shift: u32,
    forms: HashMap<u32, Vec<(u32, u8)>, BuildHasherDefault<Hashed>>,
}

/// The hash of what is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0 << 8 | u64::from(*byte));
    }

    fn write_u32(&mut self, number: u32) {
        // The table's own bits are the upper ones.
        self.0 = u64::from(number) << 32 | u64::from(number);
    }
}

impl Table {
    fn new(windows: usize) -> Self {
        // Sixteen bits a window keep false alarms rare; a megabit still fits the processor's own memory.
        let bits = (windows * 16).next_power_of_two().clamp(1 << 12, 1 << 20);
        Self { bits: vec![0; bits / 64], shift: 64 - bits.trailing_zeros(), forms: HashMap::default() }
    }

    fn enter(&mut self, hash: u64, form: usize, at: usize) {
        let bit = (hash >> self.shift) as usize;
        if let Some(word) = self.bits.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
        let entry = (u32::try_from(form).unwrap_or(u32::MAX), u8::try_from(at).unwrap_or(u8::MAX));
        self.forms.entry(hash as u32).or_default().push(entry);
    }

    fn get(&self, hash: u64) -> &[(u32, u8)] {
        let bit = (hash >> self.shift) as usize;
        let set = self.bits.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1);
        if set { self.forms.get(&(hash as u32)).map_or(&[], Vec::as_slice) } else { &[] }
    }
}

impl Needles {
    /// Of some secrets. Those shorter than [`SHORTEST`] are left out.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut all: Vec<Form> = secrets.into_iter().flat_map(forms::all).collect();
        all.sort_by(|a, b| a.bytes.cmp(&b.bytes));
        all.dedup_by(|a, b| a.bytes == b.bytes && a.any_case == b.any_case);
        let len = all.iter().map(|form| form.bytes.len()).sum();
        let mut places = Vec::with_capacity(all.len());
        let forms = Secret::with(len, |bytes| {
            let mut at = 0;
            for form in &all {
                let range = at..at + form.bytes.len();
                bytes[range.clone()].copy_from_slice(&form.bytes);
                at = range.end;
                places.push(Place { range, any_case: form.any_case });
            }
            Ok::<(), std::convert::Infallible>(())
        });
        let Ok(forms) = forms;
        let shortest = places.iter().map(|place| place.range.len()).min().unwrap_or(SHORTEST);
        let longest = places.iter().map(|place| place.range.len()).max().unwrap_or(0);
        let stride = (shortest + 1).saturating_sub(WINDOW).clamp(1, MOST_STRIDE);
        let mut needles = Self {
            within: Table::new(places.len() * stride),
            begins: Table::new(places.len()),
            forms,
            places,
            stride,
            starts: HashMap::new(),
            longest,
            salt: getrandom::u64().unwrap_or(0x9e37_79b9_7f4a_7c15) | 1,
        };
        for form in 0..needles.places.len() {
            needles.enter(form);
        }
        needles
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The text with every secret in it redacted; none where there is none, which costs no allocation.
    pub fn redact(&self, text: &[u8]) -> Option<Vec<u8>> {
        let found = self.find(text);
        if found.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(text.len());
        write(text, &found, &mut out);
        Some(out)
    }

    /// The same for text. What is redacted is whole characters' bytes or none: a secret is not found in part of one.
    pub fn redact_str(&self, text: &str) -> Option<String> {
        self.redact(text.as_bytes()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn form(&self, index: usize) -> &[u8] {
        self.places.get(index).and_then(|place| self.forms.expose().get(place.range.clone())).unwrap_or_default()
    }

    fn enter(&mut self, index: usize) {
        let form = self.form(index);
        let last = form.len().saturating_sub(WINDOW + self.stride - 1).min(FARTHEST);
        let hashes: Vec<u64> = (0..last + self.stride).map(|at| self.hash(window(form, at))).collect();
        if let [a, b, ..] = *form {
            let forms = self.starts.entry([a | 0x20, b | 0x20]).or_default();
            forms.push(u32::try_from(index).unwrap_or(u32::MAX));
        }
        if let Some(hash) = hashes.first() {
            self.begins.enter(*hash, index, 0);
        }
        // Where its windows are shared with the fewest others.
        let crowd = |first: usize| -> usize {
            let windows = hashes.iter().skip(first).take(self.stride);
            windows.map(|hash| self.within.get(*hash).len()).sum()
        };
        let first = (0..=last).min_by_key(|first| crowd(*first)).unwrap_or(0);
        for (at, hash) in hashes.iter().enumerate().skip(first).take(self.stride) {
            self.within.enter(*hash, index, at);
        }
    }

    fn hash(&self, window: u64) -> u64 {
        let mixed = (window ^ self.salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 29
    }

    /// Where there are secrets in a text, in order and apart from one another.
    pub(super) fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if self.is_empty() {
            return found;
        }
        self.plain(text, |range| found.push(range));
        for view in views::of(text, self.longest) {
            self.plain(&view.bytes, |range| found.push(view.source(range)));
        }
        join(&mut found);
        found
    }

    /// From where on a text may be the beginning of a secret that goes on in what is not here yet; its length where it
    /// cannot.
    pub(super) fn tail(&self, text: &[u8]) -> usize {
        if self.is_empty() {
            return text.len();
        }
        let mut tail = self.plain_tail(text);
        // Only the end of the text matters; an escape takes at most six bytes for one.
        let from = text.len().saturating_sub(6 * self.longest);
        for view in views::of_tail(text, from) {
            tail = tail.min(self.view_tail(&view, text.len()));
        }
        tail
    }

    fn view_tail(&self, view: &View, end: usize) -> usize {
        let begins = self.plain_tail(&view.bytes);
        view.start(begins).unwrap_or(end).min(view.incomplete.unwrap_or(end))
    }

    /// Calls `found` for every secret in a text that is not escaped.
    fn plain(&self, text: &[u8], mut found: impl FnMut(Range<usize>)) {
        let mut look = |at: usize, forms: &[(u32, u8)]| {
            for (form, offset) in forms {
                let Some(start) = at.checked_sub(usize::from(*offset)) else { continue };
                let end = start + self.form(*form as usize).len();
                if text.get(start..end).is_some_and(|here| self.is(*form as usize, here)) {
                    found(start..end);
                }
            }
        };
        // Nearly all of the text: where eight bytes can be read at once.
        let mut at = 0;
        for eight in text.windows(8).step_by(self.stride) {
            let forms = self.within.get(self.hash(masked(eight.try_into().unwrap_or_default())));
            if !forms.is_empty() {
                look(at, forms);
            }
            at += self.stride;
        }
        while at + WINDOW <= text.len() {
            look(at, self.within.get(self.hash(window(text, at))));
            at += self.stride;
        }
    }

    /// Whether these bytes are the beginning of a form, or all of it.
    fn is(&self, form: usize, bytes: &[u8]) -> bool {
        let whole = self.form(form);
        let Some(begin) = whole.get(..bytes.len()) else { return false };
        match self.places.get(form) {
            Some(place) if place.any_case => begin.eq_ignore_ascii_case(bytes),
            _ => begin == bytes,
        }
    }

    fn plain_tail(&self, text: &[u8]) -> usize {
        let from = text.len().saturating_sub(self.longest.saturating_sub(1));
        let begins = |at: &usize| {
            let rest = text.get(*at..).unwrap_or_default();
            match *rest {
                [] => false,
                [a] => self.starts.keys().any(|start| start[0] == a | 0x20),
                [a, b, ..] if rest.len() < WINDOW => {
                    let forms = self.starts.get(&[a | 0x20, b | 0x20]);
                    forms.into_iter().flatten().any(|form| self.is(*form as usize, rest))
                }
                _ => {
                    let forms = self.begins.get(self.hash(window(text, *at)));
                    forms
                        .iter()
                        .any(|(form, _)| rest.len() < self.form(*form as usize).len() && self.is(*form as usize, rest))
                }
            }
        };
        (from..text.len()).find(begins).unwrap_or(text.len())
    }
}

/// Five bytes at a place, without their case; zeros behind the end.
fn window(text: &[u8], at: usize) -> u64 {
    let bytes = match text.get(at..at + 8) {
        Some(bytes) => bytes.try_into().unwrap_or_default(),
        None => {
            let mut bytes = [0; 8];
            let rest = text.get(at..).unwrap_or_default();
            let len = rest.len().min(8);
            bytes[..len].copy_from_slice(&rest[..len]);
            bytes
        }
    };
    masked(bytes)
}

fn masked(bytes: [u8; 8]) -> u64 {
    (u64::from_le_bytes(bytes) | CASE) & WINDOW_BITS
}

/// In order, and those that overlap or touch made one.
fn join(ranges: &mut Vec<Range<usize>>) {
    ranges.sort_by_key(|range| (range.start, range.end));
    ranges.dedup_by(|next, before| {
        let joined = next.start <= before.end;
        if joined {
            before.end = before.end.max(next.end);
        }
        joined
    });
}

/// Writes a text with these parts of it redacted.
fn write(text: &[u8], found: &[Range<usize>], out: &mut Vec<u8>) {
    let mut done = 0;
    for range in found {
        out.extend_from_slice(text.get(done..range.start).unwrap_or_default());
        out.extend_from_slice(REDACTED.as_bytes());
        done = range.end;
    }
    out.extend_from_slice(text.get(done..).unwrap_or_default());
}

impl Default for Needles {
    fn default() -> Self {
        Self::new([])
    }
}

impl fmt::Debug for Needles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Needles").field("forms", &self.places.len()).finish_non_exhaustive()
    }
}
