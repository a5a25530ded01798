//! One Jackfield for one test: a server on a free port with a data folder of its own, and what it needs to be useful.

use std::path::{Path, PathBuf};

use jackfield_peers::jackfield::{Program, Server, built_folder};
use serde_json::Value;
use tempfile::TempDir;

/// A Jackfield of the test's own.
#[derive(Debug)]
pub struct Stand {
    server: Option<Server>,
    address: String,
    program: Program,
    folder: TempDir,
}

impl Stand {
    /// Starts one that knows no plugin.
    pub fn start() -> Stand {
        Stand::serving(&[])
    }

    /// Starts one whose server is started with these arguments too.
    pub fn serving(arguments: &[&str]) -> Stand {
        let program = Program::built().unwrap().serving(arguments);
        let folder = tempfile::tempdir().unwrap();
        let server = program.serve(&folder.path().join("data")).unwrap();
        Stand { address: server.address().into(), server: Some(server), program, folder }
    }

    /// Starts one with an integration: its name, its plugin, its configuration.
    pub fn with(integration: &str, plugin: &str, config: &Value) -> Stand {
        let stand = Stand::start();
        stand.add(integration, plugin, config);
        stand
    }

    /// Installs one of this checkout's plugins and adds an integration of it.
    pub fn add(&self, integration: &str, plugin: &str, config: &Value) {
        self.install(plugin);
        self.server().integrate(integration, plugin, config).unwrap();
    }

    /// Installs one of this checkout's plugins.
    pub fn install(&self, plugin: &str) {
        let (status, answer) = self.server().install(&packed(plugin)).unwrap();
        assert!(matches!(status, 200 | 201), "{plugin}: {status} {answer}");
    }

    /// Makes a vault for credentials, which a key file in the scratch folder opens; the file.
    pub fn init_vault(&self) -> PathBuf {
        let kek = self.scratch().join("kek");
        self.server().cli(&["vault", "init", "--key-file", kek.to_str().unwrap()]).unwrap();
        kek
    }

    /// The version of a credential that is used.
    pub fn current_version(&self, credential: &str) -> u64 {
        let shown = self.server().get(&format!("/v1/credentials/{credential}")).unwrap();
        let versions = shown["versions"].as_array().unwrap();
        versions.iter().find(|version| version["state"] == "current").unwrap()["version"].as_u64().unwrap()
    }

    /// The server.
    ///
    /// # Panics
    /// While it is stopped.
    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("the server is stopped")
    }

    /// The server, to stop, kill or freeze its process.
    ///
    /// # Panics
    /// While it is stopped.
    pub fn server_mut(&mut self) -> &mut Server {
        self.server.as_mut().expect("the server is stopped")
    }

    /// Stops the server; the data folder stays.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Ends the server as a crash would; the data folder stays.
    pub fn crash(&mut self) {
        self.server_mut().process().kill();
        self.server = None;
    }

    /// Starts the server again on the same data and address.
    pub fn restart(&mut self) {
        self.server = None;
        self.server =
            Some(self.program.serve_on(&self.data(), &self.address, &self.scratch().join("data.log")).unwrap());
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder that goes with the test.
    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// The program that is tested.
    pub fn program(&self) -> &Program {
        &self.program
    }
}

/// The packed file of one of this checkout's plugins.
pub fn packed(plugin: &str) -> PathBuf {
    let file = plugins_folder().join(format!("{plugin}.wasm"));
    assert!(file.is_file(), "{} is not there. Remedy: cargo xtask guests", file.display());
    file
}

/// Where the packed plugins are: `JACKFIELD_PLUGINS_DIR`, or where `cargo xtask guests` puts them.
pub fn plugins_folder() -> PathBuf {
    match std::env::var_os("JACKFIELD_PLUGINS_DIR") {
        Some(folder) => folder.into(),
        None => built_folder().unwrap().with_file_name("plugins"),
    }
}

/// The checkout.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}
