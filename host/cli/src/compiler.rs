//! This program as the one that compiles components: the host starts it again for each, in a process with bounds.

use std::{ffi::OsStr, path::PathBuf};

use jackfield_core::Compiler;

/// What it is started with. No command a person types.
const ARGUMENT: &str = "__compile-component";

/// Whether this process was started to compile one component.
pub(crate) fn is_asked() -> bool {
    std::env::args_os().nth(1).as_deref() == Some(OsStr::new(ARGUMENT))
}

/// How to start this program to compile; none where the system does not tell where it is.
pub(crate) fn this_program() -> Option<Compiler> {
    // On Linux the running file itself, also after an upgrade has replaced what is at its path.
    let program =
        if cfg!(target_os = "linux") { PathBuf::from("/proc/self/exe") } else { std::env::current_exe().ok()? };
    Some(Compiler { program, args: vec![ARGUMENT.into()] })
}
