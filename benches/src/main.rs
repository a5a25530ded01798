//! Jackfield side by side with what it is compared to: each row of the table is measured in turn with its rivals, round
//! by round, in one run, so that whatever else the machine does meets all of them alike.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints a table")]

mod audit;
mod bare;
mod calls;
mod echo;
mod extism;
mod grpc;
mod hostile;
mod http;
mod leaks;
mod memory;
mod neighbour;
mod race;
mod secure;
mod start;
mod switch;
mod table;

use std::process::ExitCode;

use anyhow::Result;
use table::Table;

/// As in the program that is shipped.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
usage: jackfield-bench [--quick] [GROUP…]

Groups: calls, parts, callers, rest, start, switch, memory, leaks, audit, secure, neighbour; all of them where none is named.
`neighbour:WAY` is one way to misbehave alone.
--quick: fewer rounds, to see that everything runs.
The last line is JSON.";

fn main() -> ExitCode {
    // This program again, as the other side of a comparison.
    let mut words = std::env::args().skip(1);
    let ended = match words.next().as_deref() {
        Some("__compile") => return jackfield_core::serve_compilations(),
        Some("__grpc") => grpc::serve(words.next().unwrap_or_default()),
        Some("__memory") => memory::child(words),
        Some("__outside") => hostile::outside(),
        Some("__hostile") => hostile::clients(words),
        Some("--help" | "-h") => {
            println!("{USAGE}");
            Ok(())
        }
        _ => run(std::env::args().skip(1).collect()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("jackfield-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut words: Vec<String>) -> Result<()> {
    let quick = words.iter().any(|word| word == "--quick");
    words.retain(|word| word != "--quick");
    let wanted = |group: &str| words.is_empty() || words.iter().any(|word| word.split(':').next() == Some(group));
    let way = words.iter().find_map(|word| word.strip_prefix("neighbour:"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut table = Table::default();
    runtime.block_on(async {
        if wanted("calls") {
            calls::one(&mut table, quick).await?;
        }
        if wanted("parts") {
            calls::parts(&mut table, quick).await?;
        }
        if wanted("callers") {
            calls::many(&mut table, quick).await?;
        }
        if wanted("rest") {
            http::rest(&mut table, quick).await?;
        }
        if wanted("start") {
            start::all(&mut table, quick).await?;
        }
        if wanted("switch") {
            switch::all(&mut table, quick).await?;
        }
        if wanted("memory") {
            memory::all(&mut table, quick).await?;
        }
        if wanted("leaks") {
            leaks::all(&mut table, quick).await?;
        }
        if wanted("audit") {
            audit::all(&mut table, quick).await?;
        }
        if wanted("secure") {
            secure::all(&mut table, quick).await?;
        }
        if wanted("neighbour") {
            neighbour::all(&mut table, quick, way).await?;
        }
        anyhow::Ok(())
    })?;
    println!("{}", table.json());
    Ok(())
}
