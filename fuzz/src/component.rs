//! The file of a plugin, on the way that an installation takes it: its sections, its manifest, what its author gave along,
//! its WIT against its own type, and, where all that is as it should be, the compiler and the linker. Whatever the bytes are, this ends soon,
//! takes little (libFuzzer watches both) and says why not. What begins like JSON is
//! a bill of materials by itself, which few inputs would reach inside a file.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use jackfield_core::inspect_plugin;
use jackfield_engine::{Engine, EngineConfig};
use jackfield_reflect::read_component;
use jackfield_registry::{Package, Sbom, strip};
use tokio::runtime::{Builder, Runtime};

/// Checks a file.
pub fn check(input: &[u8]) {
    if let Some(text) = crate::text(input).filter(|text| text.trim_start().starts_with('{')) {
        return bill(text);
    }
    if let Ok(bare) = strip(input) {
        assert!(bare.len() <= input.len());
        assert_eq!(strip(&bare).as_ref(), Ok(&bare), "stripped twice is another component");
    }
    match Package::read(input) {
        Ok(package) => package.sbom.iter().for_each(|sbom| bill(sbom.as_str())),
        Err(error) => {
            let words = error.to_string().len();
            assert!((1..=64 * (input.len() + 1024)).contains(&words), "{words} bytes of error");
            // What is not packed yet is reflected when it is packed.
            let _ = read_component(input);
            return;
        }
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

/// What is taken for a bill of materials is handed on as it is; what is not is refused in a line.
fn bill(text: &str) {
    match Sbom::parse(text.to_owned()) {
        Ok(sbom) => assert_eq!(sbom.as_str(), text),
        Err(error) => assert!((1..400).contains(&error.to_string().len()), "{error}"),
    }
}

/// One engine for all inputs, with room for a few instances, since none is ever run.
static RUNNER: LazyLock<(Arc<Engine>, Runtime)> = LazyLock::new(|| {
    let config = EngineConfig { max_instances: 4, ..EngineConfig::default() };
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    (Engine::new(config).expect("an engine"), runtime)
});
