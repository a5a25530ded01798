//! What wasmtime generates from `wit/plugin`: the traits behind a plugin's imports, the types of its lifecycle, and those of
//! what only some plugins export.

#![allow(missing_docs, reason = "generated; the WIT documents it")]
#![allow(unreachable_pub, reason = "generated")]

wasmtime::component::bindgen!({
    path: ["wit/types", "wit/plugin"],
    world: "jackfield:plugin/plugin",
    imports: {
        // These two answer from memory: no fiber switch needed.
        "jackfield:plugin/config.get": trappable,
        "jackfield:plugin/log.write": trappable,
        default: async | trappable,
    },
    exports: { default: async },
    with: { "jackfield:plugin/outbound.body": crate::imports::BodyResource },
    require_store_data_send: true,
});

/// A plugin that issues credentials.
pub mod issuer {
    wasmtime::component::bindgen!({
        inline: "package jackfield:host; world issues { export jackfield:plugin/credential-issuer@0.1.0; }",
        path: ["wit/types", "wit/plugin"],
        world: "jackfield:host/issues",
        exports: { default: async },
        with: { "jackfield:types/types": crate::bindings::jackfield::types::types },
        require_store_data_send: true,
    });
}
