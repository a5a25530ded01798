//! The parent's side: starts the child, feeds it, and ends it when it takes too long.

use std::{io, process::Stdio, time::Duration};

use bytes::Bytes;
use futures_util::future::join3;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    time::timeout,
};

use super::{
    Compiler,
    child::{MAX_CPU_SECONDS, MAX_MEMORY, REFUSED},
};
use crate::EngineError;

/// How long a compilation may take. The child's processor time is bounded too; this bounds its waiting.
const MAX_TIME: Duration = Duration::from_secs(240);
/// The most code that is taken, in bytes: about ten times what the largest component becomes.
const MAX_CODE: u64 = 1 << 30;
/// The longest reason that is taken, in bytes.
const MAX_REASON: u64 = 4096;

pub(super) async fn compile(compiler: &Compiler, wasm: Bytes) -> Result<Vec<u8>, EngineError> {
    let failed = |reason: String| EngineError::Compile(reason);
    let mut child = Command::new(&compiler.program)
        .args(&compiler.args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Also when the load is given up.
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| failed(format!("its compiler {} does not start: {e}", compiler.program.display())))?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(failed("its compiler has no pipes".to_owned()));
    };
    let feed = async move {
        // A child that refuses ends without reading to the end; its status tells.
        let _ = stdin.write_all(&wasm).await;
    };
    let whole = async {
        let ((), code, reason) = join3(feed, read(stdout, MAX_CODE), read(stderr, MAX_REASON)).await;
        Ok::<_, io::Error>((child.wait().await?, code?, reason?))
    };
    let (status, code, reason) = match timeout(MAX_TIME, whole).await {
        Ok(ended) => ended.map_err(|e| failed(format!("its compiler failed: {e}")))?,
        Err(_) => return Err(failed(format!("that takes more than {} s", MAX_TIME.as_secs()))),
    };
    if status.success() {
        return Ok(code);
    }
    let reason = String::from_utf8_lossy(&reason).trim().to_owned();
    Err(failed(match status.code() {
        Some(code) if code == i32::from(REFUSED) => reason,
        Some(code) => format!("its compiler ended with status {code}: {reason}"),
        // Ended by a signal: SIGXCPU, or the abort that follows a refused allocation.
        None => format!(
            "that takes more than the {MAX_CPU_SECONDS} s of processor time or the {} GiB of memory it may take",
            MAX_MEMORY >> 30
        ),
    }))
}

async fn read(from: impl AsyncRead + Unpin, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut bounded = from.take(most);
    bounded.read_to_end(&mut bytes).await?;
    // What is beyond is read and dropped, so that the child is not stopped by a full pipe before it can say why.
    tokio::io::copy(bounded.get_mut(), &mut tokio::io::sink()).await?;
    Ok(bytes)
}
