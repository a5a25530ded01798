//! Files that are hostile to whoever reads them: nested ten thousand deep, with a hundred thousand functions, with names of
//! a megabyte, or wanting more of the machine than any plugin gets. None of them may be installed, and none may cost the
//! host more than saying so.

use std::fmt::Write as _;

use wasm_encoder::{ComponentSection as _, ComponentTypeSection, ComponentValType, PrimitiveValType, RawSection};

use crate::{
    guests::{CAPABILITY, with},
    manifest,
    pack::section,
    packed, wit,
};

/// Ten thousand: as deep, and as often, as it takes to overflow what recurses.
const MANY: usize = 10_000;

/// A file that is no plugin.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Its name, which is what is wrong with it.
    pub name: &'static str,
    make: fn() -> Vec<u8>,
    /// What its refusal says, in part.
    pub told: &'static str,
}

impl Form {
    /// The file.
    pub fn file(&self) -> Vec<u8> {
        (self.make)()
    }
}

const fn form(name: &'static str, told: &'static str, make: fn() -> Vec<u8>) -> Form {
    Form { name, make, told }
}

/// All of them.
pub const FORMS: [Form; 27] = [
    form("types-nested-deeply", "nest", || typed(options(MANY))),
    form("variants-nested-deeply", "nest", || typed(variants(MANY))),
    form("type-declarations-nested-deeply", "nest", || typed(declarations(MANY))),
    form("type-declarations-nested-for-megabytes", "nest", || typed(declarations(1_000_000))),
    form("components-nested-deeply", "nest", || plugin(&components(MANY), "")),
    form("a-wit-type-nested-deeply", "nest", || {
        described(&format!("type t = {}u8{};", "option<".repeat(MANY), ">".repeat(MANY)))
    }),
    form("a-wit-type-nested-by-name", "nest", || described(&chain(MANY))),
    form("a-wit-type-nested-by-name-for-megabytes", "nest", || described(&chain(100_000))),
    form("wit-packages-nested-deeply", "nest", || {
        let open: String = (0..MANY).fold(String::new(), |mut text, n| {
            let _ = write!(text, "package a:p{n}@0.1.0 {{ ");
            text
        });
        plugin(&good(), &format!("{open}{}", "}".repeat(MANY)))
    }),
    form("wit-packages-that-use-each-other", "packages", || {
        let one = |n| format!("package a:p{n}@0.1.0 {{ interface i {{ use a:p{}/i@0.1.0.{{t}}; }} }}", n - 1);
        let first = "package a:p0@0.1.0 { interface i { type t = u8; } }".to_owned();
        plugin(&good(), &[first].into_iter().chain((1..MANY).map(one)).collect::<String>())
    }),
    form("wit-worlds-that-include-each-other", "worlds", || {
        let one = |n| format!("world w{n} {{ include w{}; import a{n}: func(); }}", n - 1);
        let worlds: String = (1..MANY).map(one).collect();
        plugin(&good(), &format!("package test:worlds@0.1.0 {{ world w0 {{}} {worlds} }}"))
    }),
    form("a-wit-record-of-a-quarter-million-fields", "parts", || {
        let fields = (0..250_000).fold(String::new(), |mut text, n| {
            let _ = write!(text, "field{n}:u8,");
            text
        });
        described(&format!("record r {{ {fields} }} f: func(r: r);"))
    }),
    form("ten-thousand-functions", "functions", || functions(MANY)),
    form("a-hundred-thousand-functions", "functions", || functions(100_000)),
    form("a-large-interface-that-is-imported-a-thousand-times", "more than 200", || plugin(&imports(900, 1000), "")),
    form("a-hundred-thousand-exports", "more than 200", || plugin(&exports(100_000), "")),
    form("a-name-of-a-megabyte", "string size", || plugin(&named(1 << 20), "")),
    form("a-name-of-almost-a-hundred-kilobytes", "the component exports", || plugin(&named(49_000), "")),
    form("two-manifests", "more than one section", || {
        let mut file = plugin(&good(), "");
        section("jackfield:manifest", manifest("other", CAPABILITY).as_bytes(), &mut file);
        file
    }),
    form("two-wits", "more than one section", || {
        let mut file = plugin(&good(), "");
        section("jackfield:wit", wit().as_bytes(), &mut file);
        file
    }),
    form("a-million-sections", "sections", || {
        let mut file = plugin(&good(), "");
        file.extend([0, 1, 0].repeat(1_000_000));
        file
    }),
    form("a-memory-of-two-gigabytes", "memory", || plugin(&with("32768", ""), "")),
    form("two-memories", "memor", || plugin(&with("1", "(memory 1)"), "")),
    form("a-memory-of-64-bits", "memory64", || plugin(&beside("(memory i64 1)"), "")),
    form("a-shared-memory", "threads", || plugin(&beside("(memory 1 1 shared)"), "")),
    form("a-table-of-a-million", "table", || plugin(&with("1", "(table 1000000 funcref)"), "")),
    form("a-hundred-tables", "table", || plugin(&with("1", &"(table 1 funcref)".repeat(99)), "")),
];

fn good() -> Vec<u8> {
    with("1", "")
}

/// A good component with a core module of these fields in it, too.
fn beside(fields: &str) -> Vec<u8> {
    let module = wat::parse_str(format!("(module {fields})")).unwrap_or_else(|error| panic!("{error}"));
    let mut component = good();
    RawSection { id: 1, data: &module }.append_to_component(&mut component);
    component
}

/// A component as a plugin, with more behind its WIT.
fn plugin(component: &[u8], more: &str) -> Vec<u8> {
    packed(component, &manifest("formed", CAPABILITY), &format!("{}\n{more}", wit()))
}

/// A good component whose WIT has an interface with this in it, too.
fn described(items: &str) -> Vec<u8> {
    plugin(&good(), &format!("package test:deep@0.1.0 {{ interface deep {{ {items} }} }}"))
}

/// A good component with a section of types in front.
fn typed(types: Vec<u8>) -> Vec<u8> {
    let good = good();
    let (header, rest) = good.split_at(8);
    plugin(&[header, &types, rest].concat(), "")
}

fn types(count: usize, mut one: impl FnMut(&mut ComponentTypeSection, ComponentValType)) -> Vec<u8> {
    let mut section = ComponentTypeSection::new();
    let mut inner = ComponentValType::Primitive(PrimitiveValType::U8);
    for n in 0..count {
        one(&mut section, inner);
        inner = ComponentValType::Type(u32::try_from(n).expect("not so many"));
    }
    let mut bytes = Vec::new();
    section.append_to_component(&mut bytes);
    bytes
}

fn options(depth: usize) -> Vec<u8> {
    types(depth, |section, inner| section.defined_type().option(inner))
}

fn variants(depth: usize) -> Vec<u8> {
    types(depth, |section, inner| section.defined_type().variant([("none", None), ("some", Some(inner))]))
}

/// Types of instances that declare a type of an instance that declares …
fn declarations(depth: usize) -> Vec<u8> {
    let mut data = vec![1];
    data.extend([0x42, 1, 1].repeat(depth));
    data.extend([0x42, 0]);
    let mut bytes = Vec::new();
    RawSection { id: 7, data: &data }.append_to_component(&mut bytes);
    bytes
}

/// Components in components.
fn components(depth: usize) -> Vec<u8> {
    let header = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
    let mut bytes = header.to_vec();
    for _ in 0..depth {
        let mut outer = header.to_vec();
        RawSection { id: 4, data: &bytes }.append_to_component(&mut outer);
        bytes = outer;
    }
    bytes
}

/// Types that are each an option of the one before.
fn chain(depth: usize) -> String {
    let mut text = "type t0 = option<u8>;".to_owned();
    for n in 1..depth {
        let _ = write!(text, "type t{n} = option<t{}>;", n - 1);
    }
    let _ = write!(text, "f: func(t: t{});", depth - 1);
    text
}

/// A plugin that exports an interface of so many functions, and describes it.
fn functions(count: usize) -> Vec<u8> {
    let (mut exports, mut wit) = (String::new(), String::new());
    for n in 0..count {
        let _ = write!(exports, "(export \"op{n}\" (func $f))");
        let _ = write!(wit, "op{n}: func();");
    }
    let text = format!(
        "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
           (func $f (canon lift (core func $i \"f\"))) (instance $x {exports})
           (export \"test:many/many@0.1.0\" (instance $x)))"
    );
    let component = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    let wit = format!("package test:bundle; package test:many@0.1.0 {{ interface many {{ {wit} }} }}");
    packed(&component, &manifest("many", "test:many@0.1.0"), &wit)
}

/// A component that exports so many functions of its own.
fn exports(count: usize) -> Vec<u8> {
    let exports = (0..count).fold(String::new(), |mut text, n| {
        let _ = write!(text, "(export \"op{n}\" (func $f))");
        text
    });
    let text = format!(
        "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
           (func $f (canon lift (core func $i \"f\"))) {exports})"
    );
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A component that imports one and the same interface, of so many functions, under so many names.
fn imports(functions: usize, times: usize) -> Vec<u8> {
    let functions: String = (0..functions).map(|n| format!("(export \"op{n}\" (func))")).collect();
    let imports: String = (0..times).map(|n| format!("(import \"a:b/c{n}\" (instance (type $i)))")).collect();
    let text = format!("(component (type $i (instance {functions})) {imports})");
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A component that exports an interface with a name of so many bytes.
fn named(length: usize) -> Vec<u8> {
    let name = "x".repeat(length);
    let text = format!("(component (instance $x) (export \"test:{name}/{name}@0.1.0\" (instance $x)))");
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}
