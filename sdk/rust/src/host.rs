//! The seam between the SDK and the host. In a component these are the imports; in a native build, where there is no
//! host, they are the stand-ins of [`testing`](crate::testing), so that a plugin's own tests run as ordinary tests.

#[cfg(target_family = "wasm")]
mod component {
    use crate::bindings::jackfield::plugin::{config, log, outbound, secrets, state};
    use crate::types::Result;

    pub(crate) fn config_get() -> String {
        config::get()
    }

    pub(crate) fn log_write(level: log::Level, message: &str) {
        log::write(level, message);
    }

    pub(crate) fn state_get(key: &str) -> Result<Option<state::Versioned>> {
        state::get(key)
    }

    pub(crate) fn state_list(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<state::Item>> {
        state::list(prefix, after, limit)
    }

    pub(crate) fn state_commit(mutations: Vec<state::Mutation>) -> Result<u64> {
        state::commit(&mutations)
    }

    pub(crate) fn send(request: outbound::Request) -> Result<(u16, Vec<outbound::Header>, Body)> {
        let response = outbound::send(&request)?;
        Ok((response.status, response.headers, Body(response.body)))
    }

    pub(crate) fn secrets_generate(length: u32) -> Result<String> {
        secrets::generate(length)
    }

    pub(crate) fn secrets_send(
        request: outbound::Request,
        take: Vec<String>,
    ) -> Result<(u16, Vec<outbound::Header>, Body)> {
        let response = secrets::send(&request, &take)?;
        Ok((response.status, response.headers, Body(response.body)))
    }

    #[derive(Debug)]
    pub(crate) struct Body(outbound::Body);

    impl Body {
        pub(crate) fn read(&mut self, max: u32) -> Result<Option<Vec<u8>>> {
            self.0.read(max)
        }

        pub(crate) fn read_within(&mut self, max: u32, wait_ms: u32) -> Result<Option<Vec<u8>>> {
            self.0.read_within(max, wait_ms)
        }
    }
}

#[cfg(target_family = "wasm")]
pub(crate) use component::*;

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::seam::*;
