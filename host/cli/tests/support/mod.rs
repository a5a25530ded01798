//! The built program, run as a user runs it: with a data folder of its own and nothing of the caller's environment.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of it")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

/// A data folder and the program beside it.
pub struct Bench {
    folder: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Its standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The same, which must have ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

impl Bench {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The program, without arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jackfield"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("JACKFIELD_") || text.starts_with("XDG_") || text == "RUST_LOG" {
                command.env_remove(&name);
            }
        }
        // Compiled plugins are kept from test to test; they are found by their digest.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-cache");
        command.env("JACKFIELD_DATA", self.data()).env("JACKFIELD_CACHE", cache).env("HOME", self.path());
        command.current_dir(self.path());
        command
    }

    /// Runs a command line.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command().args(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// Runs a command line with something on standard input.
    pub fn run_with(&self, input: &[u8], arguments: &[&str]) -> Ran {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    }

    /// What accepts exactly what a plugin's file asks for.
    pub fn accept(&self, file: &str) -> String {
        let plan = self.run(&["plugin", "inspect", file, "--allow-unsigned", "-o", "json"]).ok().json();
        plan["accept"].as_str().unwrap_or_else(|| panic!("nothing to accept in {plan}")).to_owned()
    }

    /// Installs the playground and adds it as `pg`.
    pub fn with_playground(self) -> Self {
        let file = playground();
        let file = file.to_str().unwrap();
        self.run(&["plugin", "install", file, "--allow-unsigned", "--accept", &self.accept(file)]).ok();
        self.run(&["integration", "add", "pg", "--plugin", "playground", "--label", "env=test"]).ok();
        self
    }

    /// Starts a server on the data folder.
    pub fn serve(&self) -> Server {
        self.serve_on("127.0.0.1:0")
    }

    pub fn serve_on(&self, listen: &str) -> Server {
        let mut command = self.command();
        command.args(["serve", "--listen", listen]).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut seen = String::new();
        for line in &mut lines {
            let line = line.unwrap();
            if let Some(url) = line.strip_prefix("jackfield is listening on ") {
                let url = url.to_owned();
                // The log is read on, or the server would wait for it.
                thread::spawn(move || lines.for_each(drop));
                return Server { child, url };
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        panic!("the server ended: {:?}\n{seen}", child.wait());
    }

    /// Starts a command that goes on.
    pub fn start(&self, arguments: &[&str]) -> Going {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = child.stdout.take().unwrap();
        Going { child, lines: lines(out) }
    }
}

/// The packed playground plugin.
pub fn playground() -> PathBuf {
    let folder = std::env::var_os("JACKFIELD_PLUGINS_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("target/plugins"),
        PathBuf::from,
    );
    let file = folder.join("playground.wasm");
    assert!(file.is_file(), "{} is not there; run `cargo xtask test`, which builds the plugins first", file.display());
    file
}

/// A server, ended with the test.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    /// Asks it without the program: status and body.
    pub fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
        (head[9..12].parse().unwrap(), answer[end..].to_vec())
    }

    /// Asks it to stop and waits; its exit code.
    pub fn stop(mut self) -> Option<i32> {
        signal(&self.child, "TERM");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that goes on, ended with the test.
pub struct Going {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Going {
    /// The next line it prints.
    #[track_caller]
    pub fn line(&mut self) -> String {
        match self.lines.recv_timeout(Duration::from_secs(20)) {
            Ok(line) => line,
            Err(error) => {
                let _ = self.child.kill();
                let mut err = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
                panic!("no line: {error}; it says: {err}");
            }
        }
    }

    /// The next line, if there is one so soon.
    pub fn line_within(&mut self, time: Duration) -> Option<String> {
        match self.lines.recv_timeout(time) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            Err(mpsc::RecvTimeoutError::Disconnected) => Some(self.line()),
        }
    }

    /// Ctrl-C: exit code and standard error.
    pub fn interrupt(mut self) -> (Option<i32>, String) {
        signal(&self.child, "INT");
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code(), err)
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
}

fn lines(out: ChildStdout) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    receive
}
