//! Components without code, and what is needed to pack them.

#![allow(dead_code, unreachable_pub, reason = "a module of several test programs, each of which uses a part")]

use std::path::Path;

use jackfield_registry::{Contents, Manifest};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

/// A capability of somebody else's.
pub const ECHO: &str = "
    /// Says it again.
    package acme:echo@1.0.0;
    /// Echoes.
    interface echo {
      use jackfield:types/types@0.1.0.{error};
      /// Says `what` again.
      say: func(what: string) -> result<string, error>;
    }
";

/// A component that exports these interfaces, all of whose functions trap.
pub fn component(exports: &[&str]) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let first = include_str!("../../../wit/types/types.wit");
    resolve.push_source("types.wit", first).unwrap();
    let lifecycle = include_str!("../../../wit/plugin/lifecycle.wit");
    resolve.push_source("lifecycle.wit", lifecycle).unwrap();
    resolve.push_source("kv.wit", include_str!("../../../wit/key-value/key-value.wit")).unwrap();
    resolve.push_source("echo.wit", ECHO).unwrap();
    let exports: String = exports.iter().map(|name| format!("export {name};")).collect();
    let package = resolve.push_source("world.wit", &format!("package a:b; world w {{ {exports} }}")).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

/// What every plugin exports.
pub const LIFECYCLE: &str = "jackfield:plugin/lifecycle@0.1.0";

/// A manifest that names these capabilities.
pub fn manifest(capabilities: &str) -> Manifest {
    Manifest::from_toml(&format!(
        "[plugin]\nname = \"echo\"\nversion = \"1.2.3\"\ndescription = \"Echo\"\nhost = \"*\"\ncapabilities = {capabilities}"
    ))
    .unwrap()
}

/// A component that exports the capability, its manifest, and the folder with its WIT.
pub fn echo() -> (Vec<u8>, Manifest, tempfile::TempDir) {
    let wit = tempfile::tempdir().unwrap();
    std::fs::write(wit.path().join("echo.wit"), ECHO).unwrap();
    (component(&[LIFECYCLE, "acme:echo/echo@1.0.0"]), manifest("[\"acme:echo@1.0.0\"]"), wit)
}

/// No more than the WIT.
pub fn with<'a>(wit_dirs: &'a [&'a Path]) -> Contents<'a> {
    Contents { wit_dirs, ..Contents::default() }
}
