//! The plugin's log. The macros take what `format!` takes; the host adds the integration, the call and the time, and
//! drops lines beyond the plugin's budget. What is printed to standard output and standard error arrives here too.
//!
//! `log::info!("asked {name}")` with the prelude, or `jackfield_sdk::info!(…)`.

#[doc(inline)]
pub use crate::{debug, error, info, trace, warn};

pub use crate::bindings::jackfield::plugin::log::Level;
use crate::host;

/// Writes one line.
pub fn write(level: Level, message: &str) {
    host::log_write(level, message);
}

/// Logs every step.
#[macro_export]
macro_rules! trace {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Trace, &::std::format!($($message)*)) };
}

/// Logs something for whoever debugs the plugin.
#[macro_export]
macro_rules! debug {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($message)*)) };
}

/// Logs something worth knowing.
#[macro_export]
macro_rules! info {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($message)*)) };
}

/// Logs something odd that does not stop the call.
#[macro_export]
macro_rules! warn {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Warn, &::std::format!($($message)*)) };
}

/// Logs a failure.
#[macro_export]
macro_rules! error {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($message)*)) };
}
