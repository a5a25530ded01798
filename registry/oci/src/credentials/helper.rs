//! Docker's credential helpers: programs called `docker-credential-NAME` that are asked for a registry on their standard
//! input and answer in JSON. A name out of a configuration becomes the name of a program here, so it is letters, digits,
//! `-` and `_`, and no shell sees it. What a helper says beside its answer is not repeated: it may hold the secret.

use std::{process::Stdio, time::Duration};

use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    time::timeout,
};
use zeroize::Zeroizing;

use super::Credential;
use crate::OciError;

/// The longest answer, in bytes.
const MOST: usize = 64 << 10;
/// What a helper says when it has none; it fails then, as it does for every other reason.
const NONE: &[u8] = b"credentials not found in native keychain";
/// The user of an identity token.
const TOKEN: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: Zeroizing<String>,
}

/// Asks a helper. None where it has no credentials for that server.
pub(super) async fn get(
    name: &str,
    server: &str,
    registry: &str,
    patience: Duration,
) -> Result<Option<Credential>, OciError> {
    let program = format!("docker-credential-{}", crate::error::shown(name));
    let fail = |reason: &str| OciError::Credentials {
        registry: registry.to_owned(),
        place: program.clone(),
        reason: reason.to_owned(),
    };
    if !is_name(name) {
        return Err(fail("a helper's name is letters, digits, `-` and `_`; correct it in Docker's config.json"));
    }
    let (succeeded, said) = match timeout(patience, run(&program, server)).await {
        Ok(Ok(ran)) => ran,
        Ok(Err(reason)) => return Err(fail(reason)),
        Err(_) => return Err(fail("it did not answer in time")),
    };
    if !succeeded {
        return match said.trim_ascii() == NONE {
            true => Ok(None),
            false => Err(fail("it failed; run `docker-credential-… get` by hand with the registry as its input")),
        };
    }
    let Answer { username, secret } =
        serde_json::from_slice(&said).map_err(|_| fail("its answer has no Username and Secret"))?;
    Ok(match username.as_str() {
        TOKEN => Some(Credential::IdentityToken(secret)),
        // That is how some say that they have none.
        "" if secret.is_empty() => None,
        _ => Some(Credential::Password { user: username, password: secret }),
    })
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

async fn run(program: &str, server: &str) -> Result<(bool, Zeroizing<Vec<u8>>), &'static str> {
    let mut command = Command::new(program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|_| "there is no such program in the PATH that can be run")?;
    if let Some(mut input) = child.stdin.take() {
        // One that does not read its input says by its answer what came of it.
        let _ = input.write_all(server.as_bytes()).await;
    }
    let said = match child.stdout.take() {
        Some(output) => all(output).await?,
        None => Zeroizing::default(),
    };
    let status = child.wait().await.map_err(|_| "how it ended cannot be known")?;
    Ok((status.success(), said))
}

async fn all(mut output: impl AsyncRead + Unpin) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    // Growing would leave copies behind.
    let mut said = Zeroizing::new(Vec::with_capacity(MOST));
    while output.read_buf(&mut (&mut *said).limit_to(MOST)).await.map_err(|_| "its answer cannot be read")? > 0 {}
    if said.len() < MOST { Ok(said) } else { Err("its answer is too long") }
}

/// A buffer that takes no more than so many bytes in all.
trait LimitTo {
    fn limit_to(self, most: usize) -> bytes::buf::Limit<Self>
    where
        Self: Sized;
}

impl LimitTo for &mut Vec<u8> {
    fn limit_to(self, most: usize) -> bytes::buf::Limit<Self> {
        let room = most.saturating_sub(self.len());
        bytes::BufMut::limit(self, room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_to_another_program() {
        for name in ["osxkeychain", "ecr-login", "a_1"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "../x", "a b", "a;b", "a\0", "ä", "a.b", "/bin/sh"] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[tokio::test]
    async fn an_endless_answer_is_given_up() {
        assert_eq!(all(tokio::io::repeat(b'x')).await.unwrap_err(), "its answer is too long");
    }

    #[tokio::test]
    async fn a_helper_that_is_not_there_is_named() {
        let error = get("nosuchhelper", "a.b", "a.b", Duration::from_secs(5)).await.unwrap_err().to_string();
        assert!(error.contains("docker-credential-nosuchhelper") && error.contains("PATH"), "{error}");
    }
}
