//! One run of a command: nothing but what the operator declared goes in, and what comes out is bounded in time and length.
//! It runs in a process group of its own, which is gone when this is over, whatever it has started.

use std::{
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    time::timeout,
};
use zeroize::Zeroizing;

use super::{SourceCommand, output};
use crate::source::{Drawn, MOST, Refusal, without_end};

/// How long it may run.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a command; the fields that are asked for of what it prints.
pub(crate) async fn run(command: &SourceCommand, fields: &[String]) -> Result<Drawn, Refusal> {
    run_for(command, fields, PATIENCE)
        .await
        .map_err(|reason| Refusal::Away(format!("the command `{}`: {reason}", command.name)))
}

async fn run_for(command: &SourceCommand, fields: &[String], patience: Duration) -> Result<Drawn, String> {
    let mut line = Command::new(&command.program);
    line.args(&command.args).env_clear().current_dir("/").kill_on_drop(true);
    line.envs(command.env.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    line.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    line.process_group(0);
    let mut child = line.spawn().map_err(|error| format!("{} cannot be run: {error}", command.program.display()))?;
    let group = Group::of(&child);
    let ran = timeout(patience, read(&mut child)).await;
    // What it has started and left behind, too.
    drop(group);
    let (status, mut printed, said) = match ran {
        Ok(ran) => ran?,
        Err(_) => return Err(format!("it did not end within {} s and was killed", patience.as_secs_f32())),
    };
    if !status.success() {
        // What it says may hold what it knows.
        return Err(format!("it ended with {}, having said {said} bytes, which are not shown", ended(status)));
    }
    without_end(&mut printed);
    if printed.is_empty() {
        return Err("it printed nothing".into());
    }
    output::drawn(&printed, fields, command.ttl)
}

/// How it ended, what it printed, and how much it said besides.
async fn read(child: &mut Child) -> Result<(ExitStatus, Zeroizing<Vec<u8>>, usize), String> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let printed = async {
        let mut printed = Zeroizing::new(Vec::with_capacity(MOST + 1));
        let Some(stdout) = stdout else { return Ok(printed) };
        stdout.take(MOST as u64 + 1).read_to_end(&mut printed).await.map_err(|error| error.to_string())?;
        match printed.len() > MOST {
            true => Err("it printed more than 64 KiB".to_owned()),
            false => Ok(printed),
        }
    };
    // Both at once: one that is full would hold it up.
    let (printed, said) = tokio::join!(printed, count(stderr));
    let printed = printed?;
    let status = child.wait().await.map_err(|error| error.to_string())?;
    Ok((status, printed, said))
}

async fn count(stream: Option<impl AsyncRead + Unpin>) -> usize {
    let (Some(mut stream), mut said) = (stream, 0_usize) else { return 0 };
    let mut piece = Zeroizing::new([0_u8; 4096]);
    while let Ok(more @ 1..) = stream.read(&mut *piece).await {
        said = said.saturating_add(more);
    }
    said
}

fn ended(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("status {code}"),
        None => "a signal".to_owned(),
    }
}

/// The processes that a command consists of; they are killed when this is dropped.
struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl Group {
    #[cfg(unix)]
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self { leader: id.and_then(rustix::process::Pid::from_raw) }
    }

    #[cfg(not(unix))]
    fn of(_: &Child) -> Self {
        Self {}
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(leader) = self.leader {
            // Fails where there is none of them any more.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::time::Instant;

    use super::*;

    fn shell(script: &str) -> SourceCommand {
        SourceCommand {
            name: "it".into(),
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: vec!["HOME".into()],
            ttl: Duration::from_secs(60),
        }
    }

    async fn whole(script: &str) -> Result<String, String> {
        let drawn = run_for(&shell(script), &[String::new()], Duration::from_millis(1500)).await?;
        Ok(drawn.fields.text("").unwrap().to_owned())
    }

    #[tokio::test]
    async fn what_a_command_prints_is_used_and_it_knows_nothing_but_what_it_was_given() {
        assert_eq!(whole("echo t0ken").await.unwrap(), "t0ken");
        assert_eq!(whole("cat; echo none").await.unwrap(), "none");
        let env = whole("/usr/bin/env").await.unwrap();
        let names: Vec<_> = env.lines().filter_map(|line| line.split('=').next()).collect();
        assert!(names.contains(&"HOME") && !names.contains(&"CARGO_MANIFEST_DIR"), "{names:?}");
    }

    #[tokio::test]
    async fn what_it_says_when_it_fails_is_not_told() {
        let failed = whole("echo s3cret; echo s3cret >&2; exit 3").await.unwrap_err();
        assert!(failed.contains("status 3") && failed.contains("7 bytes") && !failed.contains("s3cret"), "{failed}");
        assert!(whole("true").await.unwrap_err().contains("nothing"));
        assert!(whole("yes").await.unwrap_err().contains("64 KiB"));
        let absent = SourceCommand { program: "/nothing/there".into(), ..shell("") };
        let failed = run_for(&absent, &[], Duration::from_secs(1)).await;
        assert!(failed.is_err_and(|reason| reason.contains("cannot be run")));
    }

    #[tokio::test]
    async fn one_that_does_not_end_is_killed_with_all_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        let began = Instant::now();
        let failed = whole(&format!("(sleep 3; touch {}) & sleep 60", mark.display())).await.unwrap_err();
        assert!(failed.contains("killed") && began.elapsed() < Duration::from_secs(5), "{failed}");
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(!mark.exists(), "its child is gone, too");
    }
}
