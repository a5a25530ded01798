//! A command that gives a user's token (`client.authentication.k8s.io`). It is read and judged like the rest, and not run: what
//! the host runs is for whoever starts it to say, not for a text that is set as a credential.

use zeroize::Zeroizing;

use super::{KubeconfigError, entry::Entry};

const VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
const MODES: [&str; 3] = ["Never", "IfAvailable", "Always"];

/// The command.
pub(super) struct Exec {
    pub(super) command: String,
    /// What it is given in its environment; it may be secret.
    pub(super) values: Vec<Zeroizing<String>>,
}

impl Exec {
    pub(super) fn read(exec: &Entry<'_, '_>) -> Result<Self, KubeconfigError> {
        exec.only(&["command", "args", "env", "apiVersion", "interactiveMode", "provideClusterInfo", "installHint"])?;
        let command = exec.text("command")?.ok_or_else(|| exec.wrong("command", "is missing"))?.to_owned();
        if !exec.text("apiVersion")?.is_some_and(|version| VERSIONS.contains(&version)) {
            return Err(exec.wrong("apiVersion", format!("is one of {}", VERSIONS.join(" and "))));
        }
        if exec.text("interactiveMode")?.is_some_and(|mode| !MODES.contains(&mode)) {
            return Err(exec.wrong("interactiveMode", format!("is one of {}", MODES.join(", "))));
        }
        exec.flag("provideClusterInfo")?;
        exec.text("installHint")?;
        exec.texts("args")?;
        let mut values = Vec::new();
        for variable in exec.members("env")? {
            variable.only(&["name", "value"])?;
            if variable.text("name")?.is_none() {
                return Err(variable.wrong("name", "is missing"));
            }
            values.extend(variable.text("value")?.map(|value| Zeroizing::new(value.to_owned())));
        }
        Ok(Self { command, values })
    }
}
