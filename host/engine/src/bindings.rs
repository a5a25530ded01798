//! What wasmtime generates from `wit/plugin`: the traits behind a plugin's imports and the types of its lifecycle.

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
