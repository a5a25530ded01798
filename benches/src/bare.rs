//! wasmtime and nothing around it: one instance, its functions looked up, the same component and the same settings.

use anyhow::Result;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, UpdateDeadline,
    component::{Component, Func, InstancePre, Linker, Val},
};

use crate::echo::{Client, Ours as _, packed};

/// An instance of the guest that is called again and again.
pub(crate) struct Bare {
    pub(crate) store: Store<()>,
    pub(crate) client: Client,
    note: Func,
}

/// What instances are made of.
pub(crate) fn pre() -> Result<InstancePre<()>> {
    let mut config = Config::new();
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(200)
        .total_core_instances(800)
        .total_memories(200)
        .total_tables(400)
        .total_stacks(200)
        .max_memory_size(512 << 20)
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(64 << 10);
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .epoch_interruption(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = Engine::new(&config).ours()?;
    let component = Component::from_binary(&engine, &packed("echo")?).ours()?;
    let mut linker = Linker::new(&engine);
    // Nothing of it is called.
    linker.define_unknown_imports_as_traps(&component).ours()?;
    linker.instantiate_pre(&component).ours()
}

pub(crate) fn store(engine: &Engine) -> Store<()> {
    let mut store = Store::new(engine, ());
    store.set_epoch_deadline(1_000_000);
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
    store
}

impl Bare {
    pub(crate) async fn new() -> Result<Self> {
        let pre = pre()?;
        let mut store = store(pre.engine());
        let instance = pre.instantiate_async(&mut store).await.ours()?;
        let client = Client::new(&mut store, &instance).ours()?;
        let exports = pre.component().component_type();
        let name = exports.exports(pre.engine()).map(|(name, _)| name.to_owned()).find(|n| n.starts_with("bench:echo"));
        let interface = pre.component().get_export_index(None, name.unwrap_or_default());
        let note = pre.component().get_export_index(interface.as_ref(), "note");
        let note = note.and_then(|note| instance.get_func(&mut store, note));
        Ok(Self { store, client, note: note.ok_or_else(|| anyhow::anyhow!("the guest has no `note`"))? })
    }

    /// `note` with values that are there already.
    pub(crate) async fn note_values(&mut self, note: &[Val]) -> Result<()> {
        let mut results = [Val::Bool(false)];
        self.note.call_async(&mut self.store, note, &mut results).await.ours()?;
        Ok(())
    }
}
