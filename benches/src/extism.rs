//! Extism, by its own library as it is published for Python: the crate of the same version wants a newer compiler than
//! this workspace has. The plugin is written by hand, so that nothing but Extism's calls is measured.

use std::{path::PathBuf, process::Command, sync::Arc};

use anyhow::{Context as _, Result};
use libloading::{Library, Symbol};

use crate::race::{Way, way};

const VERSION: &str = "1.41.0";

/// Copies its input to its output.
const ECHO: &str = r#"(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u64" (func $input_load (param i64) (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_8 (param i64) (result i32)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u64" (func $store (param i64 i64)))
  (import "extism:host/env" "store_u8" (func $store_8 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (func (export "echo") (result i32)
    (local $length i64) (local $at i64) (local $out i64)
    (local.set $length (call $input_length))
    (local.set $out (call $alloc (local.get $length)))
    (block $words (loop $next
      (br_if $words (i64.gt_u (i64.add (local.get $at) (i64.const 8)) (local.get $length)))
      (call $store (i64.add (local.get $out) (local.get $at)) (call $input_load (local.get $at)))
      (local.set $at (i64.add (local.get $at) (i64.const 8)))
      (br $next)))
    (block $bytes (loop $next
      (br_if $bytes (i64.ge_u (local.get $at) (local.get $length)))
      (call $store_8 (i64.add (local.get $out) (local.get $at)) (call $input_load_8 (local.get $at)))
      (local.set $at (i64.add (local.get $at) (i64.const 1)))
      (br $next)))
    (call $output (local.get $out) (local.get $length))
    (i32.const 0)))"#;

type New = unsafe extern "C" fn(*const u8, u64, *const usize, u64, bool, *mut *mut i8) -> usize;
type Call = unsafe extern "C" fn(usize, *const i8, *const u8, u64) -> i32;
type OutputLength = unsafe extern "C" fn(usize) -> u64;

/// A plugin in Extism.
pub(crate) struct Extism {
    library: Arc<Library>,
    plugin: usize,
}

impl Extism {
    pub(crate) fn load() -> Result<Self> {
        let path = library()?;
        let wasm = wat::parse_str(ECHO)?;
        // SAFETY: the library is what its publisher says; its functions are declared as in its C header.
        unsafe {
            let library = Library::new(&path)?;
            let new: Symbol<'_, New> = library.get("extism_plugin_new")?;
            let plugin = new(wasm.as_ptr(), wasm.len() as u64, std::ptr::null(), 0, false, std::ptr::null_mut());
            anyhow::ensure!(plugin != 0, "extism does not take the plugin");
            Ok(Self { library: Arc::new(library), plugin })
        }
    }

    /// Echoes so many bytes.
    pub(crate) fn way(&self, bytes: usize) -> Way {
        let (library, plugin) = (self.library.clone(), self.plugin);
        let input = Arc::new(vec![7_u8; bytes]);
        way("extism 1.41", move |n| {
            let (library, input) = (library.clone(), input.clone());
            async move {
                // SAFETY: as above; one caller at a time.
                unsafe {
                    let call: Symbol<'_, Call> = library.get("extism_plugin_call")?;
                    let length: Symbol<'_, OutputLength> = library.get("extism_plugin_output_length")?;
                    for _ in 0..n {
                        let status = call(plugin, c"echo".as_ptr().cast(), input.as_ptr(), input.len() as u64);
                        anyhow::ensure!(status == 0 && length(plugin) == input.len() as u64, "extism failed");
                    }
                }
                Ok(())
            }
        })
    }
}

/// The library, from the package for Python, in the user's cache.
fn library() -> Result<PathBuf> {
    let folder = jackfield_peers::cache::root().join("extism").join(VERSION);
    let found = || {
        let entries = std::fs::read_dir(folder.join("extism_sys")).ok()?;
        entries.flatten().map(|e| e.path()).find(|p| p.extension().is_some_and(|e| e == "so" || e == "dylib"))
    };
    if let Some(path) = found() {
        return Ok(path);
    }
    let output = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
        .arg(&folder)
        .arg(format!("extism-sys=={VERSION}"))
        .output()
        .context("it needs Python 3")?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    found().context("the package has no library for this machine")
}
