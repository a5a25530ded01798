//! The file of a plugin, on the way that an installation takes it: its sections, its manifest, its WIT against its own
//! type, and, where all that is as it should be, the compiler and the linker. Whatever the bytes are, this ends soon,
//! takes little (libFuzzer watches both) and says why not.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use jackfield_core::inspect_plugin;
use jackfield_engine::{Engine, EngineConfig};
use jackfield_reflect::read_component;
use jackfield_registry::{Package, strip};
use tokio::runtime::{Builder, Runtime};

/// Checks a file.
pub fn check(input: &[u8]) {
    if let Ok(bare) = strip(input) {
        assert!(bare.len() <= input.len());
        assert_eq!(strip(&bare).as_ref(), Ok(&bare), "stripped twice is another component");
    }
    if let Err(error) = Package::read(input) {
        assert!(!error.to_string().is_empty());
        // What is not packed yet is reflected when it is packed.
        let _ = read_component(input);
        return;
    }
    match inspect_plugin(input) {
        Ok(operations) => {
            for (capability, operation) in &operations {
                assert!(!capability.is_empty() && !operation.name.is_empty());
            }
            // Sound parts may still not fit together: that is an error and no crash.
            let _ = RUNNER.1.block_on(RUNNER.0.load(Bytes::copy_from_slice(input)));
        }
        Err(error) => assert!(!error.message.is_empty()),
    }
}

/// One engine for all inputs, with room for a few instances, since none is ever run.
static RUNNER: LazyLock<(Arc<Engine>, Runtime)> = LazyLock::new(|| {
    let config = EngineConfig { max_instances: 4, ..EngineConfig::default() };
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    (Engine::new(config).expect("an engine"), runtime)
});
