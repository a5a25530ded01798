//! wasmtime's own settings: which WebAssembly there is, what one instance may be made of, and what is reserved for all of
//! them. What a call and a guest may *use* is in [`Limits`](crate::Limits) and set per store; here is what holds for every
//! guest alike and is refused when a component is loaded.

use std::num::NonZeroUsize;

use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig, WasmFeatures};

use crate::EngineConfig;

/// The stack of a guest's own frames, in bytes: wasmtime's default, deep enough for any parser, and it traps long before
/// the end of the fiber's [`STACK`].
pub(crate) const MAX_WASM_STACK: usize = 512 << 10;
/// A fiber's stack, in bytes: the guest's frames, and those of the host's functions that it calls.
const STACK: usize = 2 << 20;

/// Elements of one table. C# in debug mode has ten thousand functions; the largest other language stays below.
const TABLE_ELEMENTS: usize = 20_000;
/// What wasmtime keeps for one core module's functions, globals and tables in each instance, in bytes, and for all of one
/// component's: an interpreter with ten thousand functions needs a third of it. It is memory that no other limit counts.
const INSTANCE_BYTES: usize = 1 << 20;
/// Core instances of a component. One that the Rust SDK builds has five; one that links libraries when it is packed
/// (Python) has one for each.
pub(crate) const CORE_INSTANCES: u32 = 32;
/// Tables of a component: one for each of its core instances that has functions to hand around.
pub(crate) const TABLES: u32 = 8;

/// What is WebAssembly by default and no toolchain of ours emits. Each would be one more way into the compiler. (Threads,
/// garbage collection and exceptions are not compiled in either; they stand here so that no dependency brings them back.)
const SWITCHED_OFF: [WasmFeatures; 8] = [
    // One memory of 32 bits an instance is what the limits count and what the pool reserves.
    WasmFeatures::MEMORY64,
    WasmFeatures::MULTI_MEMORY,
    WasmFeatures::THREADS,
    WasmFeatures::GC,
    WasmFeatures::EXCEPTIONS,
    WasmFeatures::FUNCTION_REFERENCES,
    WasmFeatures::TAIL_CALL,
    // Its answers depend on the processor; a plugin's must not.
    WasmFeatures::RELAXED_SIMD,
];

pub(crate) fn wasmtime_config(config: &EngineConfig, pooling: bool) -> Config {
    let mut wasmtime = Config::new();
    wasmtime
        .wasm_component_model(true)
        // Measured: a call costs a quarter of what it does with the component model's own concurrency.
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(MAX_WASM_STACK)
        .async_stack_size(STACK)
        // Else a stack that was once deep stays in memory as deep as it was, for as long as the process lives.
        .async_stack_zeroing(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(16))
        // What only debuggers and profilers of guests read would make the code on disk, which is read and checked whole at
        // each start, half as large again.
        .generate_address_map(false)
        .native_unwind_info(false)
        .memory_init_cow(true);
    for feature in SWITCHED_OFF {
        wasmtime.wasm_features(feature, false);
    }
    if pooling {
        wasmtime.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    }
    wasmtime
}

/// Room for as many instances as there may be, each made of as much as it may be made of. Were there less of one part, an
/// integration could use that up, and the others would find none though there is room for their instances.
fn pool(config: &EngineConfig) -> PoolingAllocationConfig {
    let instances = config.max_instances;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(TABLES))
        .total_stacks(instances)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(1)
        .max_memories_per_module(1)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .max_core_instance_size(INSTANCE_BYTES)
        .max_component_instance_size(INSTANCE_BYTES)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(config.max_memory_bytes)
        // Slots that nobody uses and that stay mapped. Each is there for whoever had it last, so one by one as many fill
        // as may, however few are used at once: with a hundred a host was still growing after an hour of steady load.
        .max_unused_warm_slots(32)
        // Measured: instantiation takes half as long when this much stays mapped; more than most guests touch.
        .linear_memory_keep_resident(256 << 10)
        // Only what a guest has touched is emptied, and stays. Measured: an instance comes and goes in a third of the
        // time, and 300 at once leave 30 MiB behind in place of 330. Linux since 6.7; elsewhere all of it is.
        .pagemap_scan(wasmtime::Enabled::Auto)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(64 << 10);
    pool
}
