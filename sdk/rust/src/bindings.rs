//! What the host offers, as wit-bindgen generates it. Plugins meet it through the modules around this one.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, rustdoc::all)]

jackfield_sdk_macros::host_imports!();
