//! Components that are sound and run, and then do their worst: what each does, where, and what a caller is told.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, UnresolvedPackageGroup};

use crate::{manifest, packed, wit};

/// The capability that every guest exports.
pub(crate) const CAPABILITY: &str = "test:crafted@0.1.0";

/// Where a guest misbehaves, and so who meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// When an instance of it starts: nothing of it ever works.
    Start,
    /// In every function it exports.
    Each,
    /// In what the operation `act` does, or what the host does for it.
    Act,
    /// When the host allocates in its memory: every function that takes a text.
    Allocate,
}

/// A hostile plugin.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    /// Its name, which is what it does.
    pub name: &'static str,
    /// Where it does it.
    pub place: Place,
    /// The name of the hole in `guest.wat` that is filled, and with what.
    hole: (&'static str, &'static str),
    /// The code or, where it has none, the kind of the error that comes of it.
    pub told: &'static str,
}

const fn guest(place: Place, name: &'static str, hole: &'static str, code: &'static str, told: &'static str) -> Guest {
    Guest { name, place, hole: (hole, code), told }
}

const SPIN: &str = "(loop (br 0))";

/// All of them.
pub const GUESTS: [Guest; 22] = [
    guest(Place::Start, "start-traps", "start", "unreachable", "internal"),
    guest(Place::Start, "start-spins", "start", SPIN, "cpu-limit"),
    guest(
        Place::Start,
        "start-grows",
        "start",
        "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
        "memory-limit",
    ),
    guest(
        Place::Start,
        "start-hoards",
        "start",
        "(loop (drop (call $timer (i64.const 1000000))) (br 0))",
        "resources-limit",
    ),
    guest(
        Place::Start,
        "start-chatters",
        "start",
        "(loop (call $log (i32.const 2) (i32.const 8) (i32.const 3)) (br 0))",
        "cpu-limit",
    ),
    guest(Place::Each, "each-panics", "each", "unreachable", "internal"),
    guest(Place::Each, "each-exits", "each", "(call $exit (i32.const 1))", "internal"),
    guest(
        Place::Act,
        "fills-tables",
        "act",
        "(loop (br_if 0 (i32.ne (table.grow $table (ref.null func) (i32.const 100)) (i32.const -1)))) unreachable",
        "tables-limit",
    ),
    guest(
        Place::Act,
        "fills-a-table-at-once",
        "act",
        "(drop (table.grow $table (ref.null func) (i32.const 0x7fffffff))) unreachable",
        "tables-limit",
    ),
    guest(Place::Act, "leaks-tokens", "act", "(loop (drop (call $token (i32.const 1))) (br 0))", "resources-limit"),
    guest(
        Place::Act,
        "leaks-timers",
        "act",
        "(loop (drop (call $timer (i64.const 1000000))) (br 0))",
        "resources-limit",
    ),
    guest(Place::Act, "leaks-streams", "act", "(loop (drop (call $stdout)) (br 0))", "resources-limit"),
    guest(
        Place::Act,
        "asks-for-randomness-without-end",
        "act",
        "(call $random (i64.const -1) (i32.const 1024))",
        "internal",
    ),
    guest(Place::Act, "frees-with-a-trap", "after", "unreachable", "internal"),
    guest(Place::Act, "frees-for-ever", "after", SPIN, "cpu-limit"),
    guest(Place::Act, "destroys-with-a-trap", "destroy", "unreachable", "internal"),
    guest(Place::Act, "destroys-for-ever", "destroy", SPIN, "cpu-limit"),
    // Through the host: each token that goes makes another and lets it go.
    guest(
        Place::Act,
        "destroys-by-recursion",
        "destroy",
        "(call $drop-token (call $token (i32.const 1)))",
        "stack-limit",
    ),
    guest(Place::Allocate, "allocates-with-a-trap", "allocate", "unreachable", "internal"),
    guest(Place::Allocate, "allocates-out-of-bounds", "allocate", "(return (i32.const -4))", "internal"),
    guest(Place::Allocate, "allocates-for-ever", "allocate", SPIN, "cpu-limit"),
    // Through the host: it is called by the host, and calls back.
    guest(
        Place::Allocate,
        "allocates-by-calling-back",
        "allocate",
        "(call $state-get (i32.const 8) (i32.const 3) (i32.const 1024))",
        "internal",
    ),
];

impl Guest {
    /// The guest of this name.
    ///
    /// # Panics
    /// Where there is none.
    pub fn named(name: &str) -> Self {
        *GUESTS.iter().find(|guest| guest.name == name).unwrap_or_else(|| panic!("there is no guest `{name}`"))
    }

    /// The component, hostile as soon as it is installed.
    pub fn component(&self) -> Vec<u8> {
        component(&self.text(""))
    }

    /// The component, hostile from the first moment.
    pub fn component_at_once(&self) -> Vec<u8> {
        component(&self.text("(global.set $hostile (i32.const 1))"))
    }

    /// The plugin of its name, hostile as soon as it is installed.
    pub fn packed(&self) -> Vec<u8> {
        packed(&self.component(), &manifest(self.name, CAPABILITY), &wit())
    }

    /// The same, hostile from the first moment.
    pub fn packed_at_once(&self) -> Vec<u8> {
        packed(&self.component_at_once(), &manifest(self.name, CAPABILITY), &wit())
    }

    fn text(&self, always: &str) -> String {
        let (hole, code) = self.hole;
        let mut holes = vec![(hole, code), ("always", always)];
        if hole == "destroy" {
            holes.push(("act", "(call $drop-token (call $token (i32.const 1)))"));
        }
        fill(&holes)
    }
}

/// A well-behaved component with so many tables.
pub fn with_tables(count: usize) -> Vec<u8> {
    // One of its own it has anyway, and one by which its imports are reached.
    with("1", &"(table 1 funcref)".repeat(count.saturating_sub(2)))
}

/// A well-behaved component with a memory of so many pages, and more fields in its core module.
pub(crate) fn with(pages: &str, fields: &str) -> Vec<u8> {
    component(&fill(&[("pages", pages), ("fields", fields)]))
}

/// `guest.wat` with these holes filled, and the others empty.
fn fill(holes: &[(&str, &str)]) -> String {
    let mut text = include_str!("guest.wat").to_owned();
    for hole in ["pages", "fields", "always", "start", "allocate", "each", "act", "after", "destroy"] {
        let empty = if hole == "pages" { "1" } else { "" };
        let code = holes.iter().find(|(name, _)| *name == hole).map_or(empty, |(_, code)| code);
        text = text.replace(&format!("{{{{{hole}}}}}"), code);
    }
    text
}

fn component(module: &str) -> Vec<u8> {
    let mut module = wat::parse_str(module).unwrap_or_else(|error| panic!("{error}"));
    let mut resolve = Resolve::default();
    let group = UnresolvedPackageGroup::parse("world.wit", &wit()).map_err(|(_, error)| error).expect("the WIT parses");
    let package = resolve.push_group(group).expect("the WIT is right");
    let world = resolve.select_world(&[package], Some("guest")).expect("it has a world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("the world fits");
    let mut encoder = ComponentEncoder::default().module(&module).unwrap_or_else(|error| panic!("{error:#}"));
    encoder.encode().unwrap_or_else(|error| panic!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guest_is_a_component_with_a_name_of_its_own() {
        for (index, guest) in GUESTS.iter().enumerate() {
            assert!(guest.component().starts_with(b"\0asm"), "{}", guest.name);
            assert!(GUESTS[..index].iter().all(|other| other.name != guest.name), "{}", guest.name);
        }
    }
}
