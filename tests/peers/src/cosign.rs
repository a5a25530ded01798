//! Sigstore's `cosign`, 2.x or 3.x, signing and verifying by key alone: no transparency log, no certificate, nothing outside
//! this machine. The two write signatures into different places: 2 a simple-signing payload under the tag `sha256-<hex>.sig`, 3 a
//! bundle with an in-toto statement that refers to the artifact. 3 verifies either, 2 only its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{Result, client::Client, program::Program};

const NAME: &str = "cosign";
/// A trusted root that trusts nobody: without one, 2 asks Sigstore for its own before it reads a bundle.
const NOBODY: &str = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;

/// Which cosign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 2.x.
    Two,
    /// 3.x.
    Three,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A bare signature, as 2 writes it: of a payload that is stored with it, or of a file. cosign's own older bundles for
    /// files are not made: of one that has a key in it, either version verifies with that key instead of the one it is told.
    Legacy,
    /// A Sigstore bundle, as 3 writes it.
    Bundle,
}

/// A pair of keys in files.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The private key, locked, in cosign's own form.
    pub private: PathBuf,
    /// The public key in PEM.
    pub public: PathBuf,
}

/// cosign in a home of its own, so with credentials of its own.
#[derive(Debug)]
pub struct Cosign {
    client: Client,
    major: Version,
}

impl Cosign {
    /// What its private keys are locked with.
    pub const PASSWORD: &str = "password-of-a-test";

    /// Finds one of that version; it speaks plain HTTP with registries on this machine.
    pub fn find(major: Version) -> Result<Cosign> {
        let version = match major {
            Version::Two => "2.",
            Version::Three => "3.",
        };
        let client = Client::find(&Program { version, ..Program::any(NAME, NAME, NAME) })?;
        Ok(Cosign { client, major })
    }

    /// The same over TLS with servers that this CA (a PEM file) vouches for.
    pub fn trusting(mut self, ca: &Path) -> Cosign {
        self.client.ca = Some(ca.into());
        self
    }

    /// Its version.
    pub fn version(&self) -> &str {
        self.client.version()
    }

    /// How it writes signatures when it is not told.
    pub fn format(&self) -> Format {
        match self.major {
            Version::Two => Format::Legacy,
            Version::Three => Format::Bundle,
        }
    }

    /// Remembers a name and a password for the registry at `address`.
    pub fn login(&self, address: &str, name: &str, password: &str) -> Result<()> {
        self.run(&["login", address, "--username", name, "--password", password]).map(drop)
    }

    /// Makes a pair of keys in a folder, as `<name>.key` and `<name>.pub`.
    pub fn generate_keys(&self, folder: &Path, name: &str) -> Result<Keys> {
        self.make_keys(&["generate-key-pair"], folder, name)
    }

    /// Makes a pair of keys in a folder of a private key that others made, in PEM. Debian's 2.5 takes none on a curve of
    /// NIST's; what 3 made of one serves both.
    pub fn import_key(&self, pem: &Path, folder: &Path, name: &str) -> Result<Keys> {
        self.make_keys(&["import-key-pair", "--key", &pem.to_string_lossy()], folder, name)
    }

    fn make_keys(&self, arguments: &[&str], folder: &Path, name: &str) -> Result<Keys> {
        let mut command = self.command(arguments);
        self.client.run(command.args(["--output-key-prefix", name]).current_dir(folder))?;
        Ok(Keys { private: folder.join(format!("{name}.key")), public: folder.join(format!("{name}.pub")) })
    }

    /// Signs an artifact, named by its digest, in the version's own format.
    pub fn sign(&self, keys: &Keys, reference: &str) -> Result<()> {
        self.sign_as(self.format(), keys, reference, &[])
    }

    /// Signs an artifact, named by its digest, with annotations that are signed too. 2 signs in its own format only.
    pub fn sign_as(&self, format: Format, keys: &Keys, reference: &str, annotations: &[(&str, &str)]) -> Result<()> {
        if format == Format::Bundle && self.major == Version::Two {
            return Err(self.client.failed("2 signs no artifact with a bundle"));
        }
        let mut command = self.signing("sign", format, keys);
        for (name, value) in annotations {
            command.arg(format!("--annotations={name}={value}"));
        }
        self.client.run(command.arg(reference)).map(drop)
    }

    /// What the signatures on an artifact say that verify with this public key; fails where there is none. Mind that 3
    /// also takes an attestation for a signature.
    pub fn verify(&self, public: &Path, reference: &str) -> Result<Vec<Value>> {
        let claims = self.client.run(self.verifying("verify", public).arg(reference))?;
        serde_json::from_slice(&claims).map_err(|error| self.client.failed(error))
    }

    /// Signs a file: the signature in base64, or the bundle.
    pub fn sign_file(&self, format: Format, keys: &Keys, file: &Path) -> Result<Vec<u8>> {
        let mut command = self.signing("sign-blob", format, keys);
        if format == Format::Legacy {
            return self.client.run(command.arg(file));
        }
        let bundle = self.client.home().join("bundle.json");
        self.client.run(command.arg("--bundle").arg(&bundle).arg(file))?;
        fs::read(&bundle).map_err(|error| self.client.failed(error))
    }

    /// Verifies a file by its signature in base64, or by its bundle.
    pub fn verify_file(&self, format: Format, public: &Path, signature: &[u8], file: &Path) -> Result<()> {
        let path = self.client.home().join("signature");
        fs::write(&path, signature).map_err(|error| self.client.failed(error))?;
        let mut command = self.verifying("verify-blob", public);
        self.read_as(format, &mut command)?;
        command.arg(if format == Format::Bundle { "--bundle" } else { "--signature" }).arg(&path);
        self.client.run(command.arg(file)).map(drop)
    }

    /// Attests a predicate (a JSON file) of a type (`spdxjson`, `slsaprovenance`, a URI) of an artifact, named by its digest.
    pub fn attest(&self, format: Format, keys: &Keys, kind: &str, predicate: &Path, reference: &str) -> Result<()> {
        let mut command = self.signing("attest", format, keys);
        self.client.run(command.args(["--type", kind]).arg("--predicate").arg(predicate).arg(reference)).map(drop)
    }

    /// The envelopes of the attestations of a type that verify with this public key; fails where there is none. As an
    /// attestation of type `https://sigstore.dev/cosign/sign/v1` 2 also verifies what 3 signed.
    pub fn verify_attestation(&self, format: Format, public: &Path, kind: &str, reference: &str) -> Result<Vec<Value>> {
        let mut command = self.verifying("verify-attestation", public);
        self.read_as(format, &mut command)?;
        let envelopes = self.client.run(command.args(["--type", kind, reference]))?;
        let envelopes = serde_json::Deserializer::from_slice(&envelopes).into_iter();
        envelopes.collect::<std::result::Result<_, _>>().map_err(|error| self.client.failed(error))
    }

    /// Runs it with these arguments; what it printed.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let printed = self.client.run(&mut self.command(arguments))?;
        Ok(String::from_utf8_lossy(&printed).into_owned())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.client.command();
        command.env("COSIGN_PASSWORD", Self::PASSWORD).args(arguments);
        command
    }

    /// A command that signs without telling a transparency log.
    fn signing(&self, what: &str, format: Format, keys: &Keys) -> Command {
        let mut command = self.command(&[what, "--yes", "--tlog-upload=false"]);
        if self.major == Version::Three {
            // The configuration it would fetch knows better than the flag.
            command.arg("--use-signing-config=false");
        }
        if format != self.format() {
            command.arg(format!("--new-bundle-format={}", format == Format::Bundle));
        }
        command.arg("--key").arg(&keys.private);
        command
    }

    /// A command that verifies without asking a transparency log.
    fn verifying(&self, what: &str, public: &Path) -> Command {
        let mut command = self.command(&[what, "--insecure-ignore-tlog=true", "--key"]);
        command.arg(public);
        command
    }

    /// Tells 2 what it will read; 3 sees it.
    fn read_as(&self, format: Format, command: &mut Command) -> Result<()> {
        if format == Format::Bundle && self.major == Version::Two {
            let nobody = self.client.home().join("nobody.json");
            fs::write(&nobody, NOBODY).map_err(|error| self.client.failed(error))?;
            command.arg("--new-bundle-format").arg("--trusted-root").arg(nobody);
        }
        Ok(())
    }
}
