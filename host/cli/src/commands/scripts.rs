//! What the command line says of itself: completions for shells, and manual pages.

use clap::CommandFactory as _;

use super::Context;
use crate::{
    args::{Cli, CompletionsArgs, ManArgs},
    failure::Failure,
};

pub(super) fn completions(context: &Context, args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "jackfield", &mut script);
    context.ui.print_bytes(&script)
}

pub(super) fn man(context: &Context, args: &ManArgs) -> Result<(), Failure> {
    let dir = &args.dir;
    let failed = |error| Failure::Failed(format!("the manual pages cannot be written to {}: {error}", dir.display()));
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(failed)?;
    context.ui.note(&format!("the manual pages are in {}", dir.display()));
    Ok(())
}
