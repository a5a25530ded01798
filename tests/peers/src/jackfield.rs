//! Jackfield as its users have it: the built program, started as a server and driven through its command line and its
//! API. Nothing of its code is linked in.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use serde_json::Value;

use crate::{PeerError, Process, Result, http, ports, process};

const NAME: &str = "jackfield";

/// The program.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    /// What servers are started with besides.
    serving: Vec<OsString>,
}

impl Program {
    /// The program at this path.
    pub fn at(path: impl Into<PathBuf>) -> Result<Program> {
        let path = path.into();
        if path.is_file() {
            return Ok(Program { path, serving: Vec::new() });
        }
        let why = format!("{} is not there. Remedy: cargo xtask setup", path.display());
        Err(PeerError::failed(NAME, why))
    }

    /// The program that was built beside the running test, or beside the program that runs.
    pub fn built() -> Result<Program> {
        Program::at(built_folder().map_err(|error| PeerError::failed(NAME, error))?.join(NAME))
    }

    /// The same, whose servers are started with these arguments too.
    pub fn serving<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Program {
        self.serving.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// A command line of it, free of settings that the caller's environment may hold.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("JACKFIELD_")) {
            command.env_remove(name);
        }
        command
    }

    /// Starts a server on a free port; its output goes to a file beside the data folder.
    pub fn serve(&self, data: &Path) -> Result<Server> {
        let log = data.with_extension("log");
        process::on_free_ports(|| self.serve_on(data, &format!("127.0.0.1:{}", ports::free()), &log))
    }

    /// Starts a server on this address, its output going to `log`, and waits until it is ready.
    pub fn serve_on(&self, data: &Path, address: &str, log: &Path) -> Result<Server> {
        let mut command = self.command();
        command.arg("serve").arg("--data").arg(data).arg("--listen").arg(address).args(&self.serving);
        let mut process = Process::start(NAME, &mut command, log)?;
        process
            .wait_ready(Duration::from_secs(60), || http::get(address, "/healthz").is_ok_and(|r| r.status == 200))?;
        Ok(Server { program: self.clone(), process, address: address.into() })
    }
}

/// Where cargo put what it built of the running program's profile: `target/release`.
pub fn built_folder() -> io::Result<PathBuf> {
    let running = std::env::current_exe()?;
    // target/release/deps/test-0123, or target/release/program.
    let folder = running.parent().unwrap_or(Path::new("."));
    let profile = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(profile.to_path_buf())
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    program: Program,
    process: Process,
    address: String,
}

impl Server {
    /// Where it listens, as `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// A command line that talks to it.
    pub fn command(&self) -> Command {
        let mut command = self.program.command();
        command.arg("--server").arg(self.url());
        command
    }

    /// Runs a command line against it; exit status and output, whatever they are.
    pub fn run(&self, arguments: &[&str]) -> Result<Output> {
        self.command().args(arguments).output().map_err(|error| PeerError::failed(NAME, error))
    }

    /// Runs a command line against it that must succeed, with `-o json`; its answer, `null` where there is none.
    pub fn cli(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.run(&[arguments, &["-o", "json"]].concat())?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(PeerError::failed(NAME, format!("{arguments:?}: {}: {errors}{text}", output.status)));
        }
        // What has nothing to say, a deletion, says nothing.
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text)
            .map_err(|error| PeerError::failed(NAME, format!("{arguments:?}: {error} in {text}")))
    }

    /// Calls an operation over the API: the status and the answer.
    pub fn call(&self, integration: &str, operation: &str, parameters: &Value) -> Result<(u16, Value)> {
        let path = format!("/v1/integrations/{integration}/{}", operation.replace('.', "/"));
        self.send("POST", &path, parameters)
    }

    /// Calls an operation over the API: the whole response, to the byte.
    pub fn call_raw(&self, integration: &str, operation: &str, parameters: &Value) -> Result<http::Response> {
        let path = format!("/v1/integrations/{integration}/{}", operation.replace('.', "/"));
        let headers = [("content-type", "application/json")];
        http::request(&self.address, "POST", &path, &headers, parameters.to_string().as_bytes())
            .map_err(|error| PeerError::failed(NAME, format!("POST {path}: {error}")))
    }

    /// Calls an operation over the API that must succeed.
    pub fn ok(&self, integration: &str, operation: &str, parameters: &Value) -> Result<Value> {
        match self.call(integration, operation, parameters)? {
            (200, answer) => Ok(answer),
            (status, problem) => {
                let why = format!("{integration} {operation} {parameters}: {status} {problem}");
                Err(PeerError::failed(NAME, why))
            }
        }
    }

    /// Sends JSON to the API: the status and the answer (`null` where there is none).
    pub fn send(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        let failed = |error: io::Error| PeerError::failed(NAME, format!("{method} {path}: {error}"));
        let headers = [("content-type", "application/json")];
        let body = body.to_string();
        let body = if method == "GET" || method == "DELETE" { "" } else { body.as_str() };
        let response = http::request(&self.address, method, path, &headers, body.as_bytes()).map_err(failed)?;
        let answer = if response.body.is_empty() { Value::Null } else { response.json().map_err(failed)? };
        Ok((response.status, answer))
    }

    /// Reads a resource of the API that must be there.
    pub fn get(&self, path: &str) -> Result<Value> {
        match self.send("GET", path, &Value::Null)? {
            (200, answer) => Ok(answer),
            (status, problem) => Err(PeerError::failed(NAME, format!("GET {path}: {status} {problem}"))),
        }
    }

    /// Installs a packed plugin, and accepts whatever it asks for: the status and the answer.
    pub fn install(&self, file: &Path) -> Result<(u16, Value)> {
        let (status, plan) = self.upload(file, "?dry-run=true")?;
        match plan["accept"].as_str() {
            _ if status != 200 => Ok((status, plan)),
            Some(accept) => self.upload(file, &format!("?accept={accept}")),
            None => self.upload(file, ""),
        }
    }

    /// Sends a packed plugin to be installed without a signature, with this query: the status and the answer.
    pub fn upload(&self, file: &Path, query: &str) -> Result<(u16, Value)> {
        let failed = |error: io::Error| PeerError::failed(NAME, format!("{}: {error}", file.display()));
        let bytes = std::fs::read(file).map_err(failed)?;
        let headers = [("content-type", "application/wasm")];
        let more = query.strip_prefix('?').map(|query| format!("&{query}")).unwrap_or_default();
        let path = format!("/v1/plugins?allow-unsigned=true{more}");
        let response = http::request(&self.address, "POST", &path, &headers, &bytes).map_err(failed)?;
        Ok((response.status, response.json().map_err(failed)?))
    }

    /// Adds an integration, or gives the one that is there this configuration.
    pub fn integrate(&self, name: &str, plugin: &str, config: &Value) -> Result<Value> {
        let path = format!("/v1/integrations/{name}");
        let (status, answer) = match self.send("GET", &path, &Value::Null)? {
            (404, _) => {
                let new = serde_json::json!({"name": name, "plugin": plugin, "config": config});
                self.send("POST", "/v1/integrations", &new)?
            }
            _ => self.send("PATCH", &path, &serde_json::json!({"config": config}))?,
        };
        match status {
            200 | 201 => Ok(answer),
            _ => Err(PeerError::failed(NAME, format!("integration {name}: {status} {answer}"))),
        }
    }

    /// Follows a change feed as server-sent events.
    pub fn follow(&self, integration: &str, feed: &str, query: &str, last: Option<&str>) -> Result<Feed> {
        let path = format!("/v1/integrations/{integration}/{}?{query}", feed.replace('.', "/"));
        let mut headers = vec![("accept", "text/event-stream")];
        headers.extend(last.map(|cursor| ("last-event-id", cursor)));
        let failed = |error: io::Error| PeerError::failed(NAME, format!("{path}: {error}"));
        let stream = http::open(&self.address, "GET", &path, &headers, b"", Duration::from_secs(30)).map_err(failed)?;
        if stream.status != 200 {
            return Err(PeerError::failed(NAME, format!("{path}: {}", stream.status)));
        }
        Ok(Feed { stream, cursor: last.map(str::to_string) })
    }
}

/// A change feed.
#[derive(Debug)]
pub struct Feed {
    stream: http::Streaming,
    cursor: Option<String>,
}

impl Feed {
    /// The next change. Fails when the feed ends or keeps silent.
    pub fn change(&mut self) -> Result<Value> {
        let (mut event, mut data) = (String::new(), String::new());
        loop {
            let line = match self.stream.line() {
                Ok(Some(line)) => line,
                Ok(None) => return Err(PeerError::failed(NAME, "the change feed ended")),
                Err(error) => return Err(PeerError::failed(NAME, format!("the change feed broke off: {error}"))),
            };
            match line.split_once(':').map(|(field, value)| (field, value.trim_start())) {
                Some(("event", value)) => event = value.into(),
                Some(("id", value)) => self.cursor = Some(value.into()),
                Some(("data", value)) => data.push_str(value),
                _ if line.is_empty() && event == "change" => {
                    let change = serde_json::from_str(&data);
                    return change.map_err(|error| PeerError::failed(NAME, format!("{error} in {data}")));
                }
                _ if line.is_empty() && event == "error" => {
                    return Err(PeerError::failed(NAME, format!("the change feed failed: {data}")));
                }
                _ if line.is_empty() => {
                    event.clear();
                    data.clear();
                }
                _ => {}
            }
        }
    }

    /// The cursor of what was read last: where another feed goes on.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }
}
