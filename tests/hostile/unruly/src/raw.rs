//! What the host offers as a hostile author meets it: with bindings of his own, past the SDK and whatever that tidies.

use jackfield_sdk::prelude::*;

use crate::unruly::RawRequest;

mod bindings {
    #![allow(missing_docs, unreachable_pub, unused, clippy::all, clippy::pedantic)]

    jackfield_sdk::wit_bindgen::generate!({
        inline: "package test:raw; world raw { import jackfield:plugin/outbound@0.1.0; }",
        path: ["../../../wit/types", "../../../wit/plugin"],
        world: "test:raw/raw",
        with: { "jackfield:types/types@0.1.0": ::jackfield_sdk::types },
        generate_all,
        type_section_suffix: "unruly-raw",
        runtime_path: "::jackfield_sdk::wit_bindgen::rt",
    });
}

use bindings::jackfield::plugin::outbound;

/// Sends it as it is; what came back, header lines, an empty line and the body.
pub(crate) fn send(request: RawRequest) -> Result<Vec<u8>> {
    let RawRequest { endpoint, method, path, headers, body } = request;
    let headers = headers.into_iter().map(|(name, value)| outbound::Header { name, value }).collect();
    let request = outbound::Request { endpoint, method, path_and_query: path, headers, body, timeout_ms: Some(5000) };
    let response = outbound::send(&request)?;
    let mut all = format!("{}\n", response.status);
    for header in response.headers {
        all.push_str(&format!("{}: {}\n", header.name, header.value));
    }
    all.push('\n');
    let mut all = all.into_bytes();
    while let Some(piece) = response.body.read(1 << 16)? {
        all.extend(piece);
    }
    Ok(all)
}
