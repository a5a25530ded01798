//! `jackfield serve`: the API on a loopback address until someone says stop. The address is taken first, so that a port in
//! use is told before the data folder is touched, and so that the lock file can name the port the system chose.

use std::{io::IsTerminal as _, path::Path, process, time::Duration};

use jackfield_core::{AuditRetention, Host, HostBuilder, Secret, Sink, SinkError};
use jackfield_server::{ServerOptions, bind};
use tracing_subscriber::EnvFilter;

use super::Context;
use crate::{
    args::{Cassettes, LogFormat, ServeArgs},
    compiler,
    failure::Failure,
    memory,
};

/// What a shell reports for a program that was stopped by Ctrl-C.
const INTERRUPTED: i32 = 130;

pub(super) async fn run(context: &Context, args: ServeArgs) -> Result<(), Failure> {
    log(context.verbose, Some(args.log_format));
    let (data, cache) = (context.connection.data()?, context.connection.cache());
    let bound = bind(args.listen).await.map_err(|error| Failure::Failed(error.to_string()))?;
    let url = format!("http://{}", bound.address());
    let passphrase = context.connection.vault_passphrase()?;
    let builder = Host::builder()
        .data_dir(&data)
        .announce(&url)
        .credential_sources(context.connection.secrets())
        .registries(context.connection.registries()?);
    let cassettes = Cassettes::from(&args.cassettes);
    let host = host(cassettes.of(builder), cache.as_deref(), passphrase, &args).await?;

    memory::give_back();
    cassettes.told().for_each(|told| context.ui.say(&told));
    context.ui.say(&format!("jackfield is listening on {url}"));
    bound.serve(host.clone(), ServerOptions::default(), told_to_stop()).await;
    host.shutdown().await;
    Ok(())
}

async fn host(
    mut builder: HostBuilder,
    cache: Option<&Path>,
    passphrase: Option<Secret>,
    args: &ServeArgs,
) -> Result<Host, Failure> {
    if let Some(compiler) = compiler::this_program() {
        builder = builder.compiler(compiler);
    }
    if let Some(cache) = cache {
        builder = builder.cache_dir(cache);
    }
    if let Some(passphrase) = passphrase {
        builder = builder.vault_passphrase(passphrase);
    }
    if let Some(interval) = args.health_interval {
        builder = builder.health_interval(interval);
    }
    if let Some(folder) = &args.plugins_folder {
        builder = builder.plugins_folder(folder);
    }
    builder = builder.audit_retention(AuditRetention {
        bytes: Some(u64::from(args.audit_mib) << 20),
        age: args.audit_days.map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60)),
    });
    for text in &args.audit_sinks {
        // Read here, not by clap, which repeats what was written, a token in it too.
        let sink: Sink = text.parse().map_err(|error: SinkError| Failure::Usage(format!("--audit-sink: {error}")))?;
        builder = builder.audit_sink(sink);
    }
    builder.build().await.map_err(|error| Failure::Failed(error.message))
}

/// Done when someone says stop. Who says it twice does not want to wait for what is under way.
async fn told_to_stop() {
    stop_signal().await;
    tracing::info!("stopping; once more stops at once");
    tokio::spawn(async {
        stop_signal().await;
        process::exit(INTERRUPTED);
    });
}

/// Done on SIGINT or SIGTERM.
#[cfg(unix)]
pub(super) async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the system's own way holds: the signal ends the process.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Done on Ctrl-C.
#[cfg(not(unix))]
pub(super) async fn stop_signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// Sends the log to standard error: RUST_LOG's choice, else a server's news, else, for a command that ends at once, only
/// what went wrong.
pub(super) fn log(verbose: u8, serving: Option<LogFormat>) {
    let default = match (serving, verbose) {
        (Some(_), 0) => "info",
        (None, 0) => "off",
        (None, 1) => "warn",
        (Some(_), 1) | (None, 2) => "jackfield=debug,info",
        _ => "jackfield=trace,debug",
    };
    // `jackfield` begins the name of each of our crates, and of no other.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || !std::io::stderr().is_terminal();
    // A log is set up once; a second time would only repeat it.
    let _ = match serving {
        Some(LogFormat::Json) => builder.json().try_init(),
        _ => builder.with_ansi(!plain).try_init(),
    };
}
