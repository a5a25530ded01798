//! A key in the keyring of the operating system: on Linux the kernel's, of the user that the host runs as. It is in no file, and gone
//! when the machine restarts: whoever starts the machine puts it there again, so it is never made here.
//! Source: `man 7 keyrings`.

use serde::{Deserialize, Serialize};

use super::file;
use crate::{Secret, VaultError};

/// A key of the kernel's keyring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KernelKey {
    /// What it is called there: the description of a key of type `user`, which holds 64 hexadecimal digits.
    pub name: String,
}

impl std::fmt::Display for KernelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the key `{}` of the kernel's keyring", self.name)
    }
}

impl KernelKey {
    /// The key.
    pub(super) async fn read(&self) -> Result<Secret, VaultError> {
        let fail = |reason: String| VaultError::Source { place: self.to_string(), reason };
        if self.name.is_empty() || self.name.len() > 200 || self.name.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(fail("a name has 1 to 200 characters".into()));
        }
        let name = self.name.clone();
        let (told, read) = tokio::sync::oneshot::channel();
        // A thread of its own: to have the key it joins the user's keyring, and leaves it when it ends.
        std::thread::Builder::new()
            .name("kernel-keyring".into())
            .spawn(move || told.send(system::find(&name)))
            .map_err(|error| fail(error.to_string()))?;
        let text = read.await.map_err(|_| fail("it could not be asked".into()))?.map_err(fail)?;
        file::parse(&text).ok_or_else(|| fail("it does not hold 64 hexadecimal digits and nothing else".into()))
    }
}

#[cfg(target_os = "linux")]
mod system {
    use linux_keyutils::{KeyError, KeyRing, KeyRingIdentifier};
    use zeroize::Zeroizing;

    use crate::seal::KEY;

    /// What the key of this name holds: the session's, or else the user's.
    pub(super) fn find(name: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        let ring = |id, make| KeyRing::from_special_id(id, make);
        let own = ring(KeyRingIdentifier::Thread, true).map_err(reason)?;
        let read = |ring: &KeyRing| {
            let key = ring.search(name)?;
            // One byte more than there may be: a line's end included.
            let mut text = Zeroizing::new(vec![0; 2 * KEY + 3]);
            let length = key.read(&mut *text)?;
            text.truncate(length);
            Ok(text)
        };
        let in_session = ring(KeyRingIdentifier::Session, false).and_then(|session| read(&session));
        let text = in_session.or_else(|_| {
            own.link_keyring_id(KeyRingIdentifier::User)?;
            read(&own)
        });
        text.map_err(|error| match error {
            KeyError::KeyDoesNotExist => {
                format!("there is none; put it there with `keyctl padd user {name} @u`, from where you keep it")
            }
            error => reason(error),
        })
    }

    fn reason(error: KeyError) -> String {
        match error {
            KeyError::OperationNotSupported | KeyError::PermissionDenied | KeyError::AccessDenied => {
                format!("the kernel does not let this process have it ({error}); containers often may not")
            }
            error => format!("the kernel refuses: {error}"),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use zeroize::Zeroizing;

    pub(super) fn find(_: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        Err("only Linux has such a keyring; use a key file or a passphrase".into())
    }
}
