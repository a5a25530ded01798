//! Who signed an index. A root is a file, signed as plugins' files are: what `cosign sign-blob --bundle` writes.

use jackfield_registry::Digest;
use jackfield_trust::{Evidence, Signer, Signers};

use crate::{IndexError, IndexFile, MAX_ROOT_BYTES};

/// Whether a root's bytes are signed by one of those who may; who it was.
///
/// `bundle`: what lies beside it as [`SIGNATURE_FILE`](crate::SIGNATURE_FILE), or none where nothing does. It takes some
/// milliseconds for a key, more for an identity: not for a thread that others wait for.
///
/// ```
/// use jackfield_trust::{PrivateKey, SignerRule, Signers};
/// let key = PrivateKey::generate()?;
/// let signers = Signers::new(&[SignerRule::of_key(&key.public())], None)?;
/// let root = b"the bytes of a root";
/// let bundle = key.bundle(&jackfield_registry::Digest::of(root));
/// assert!(jackfield_index::verify(root, Some(&bundle), &signers).is_ok());
/// assert!(jackfield_index::verify(b"others", Some(&bundle), &signers).is_err());
/// assert!(jackfield_index::verify(root, None, &signers).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(bytes: &[u8], bundle: Option<&[u8]>, signers: &Signers) -> Result<Signer, IndexError> {
    if bytes.len() > MAX_ROOT_BYTES {
        return Err(IndexError::TooLarge { file: IndexFile::Root, size: bytes.len(), most: MAX_ROOT_BYTES });
    }
    let evidence = [Evidence::Bundle(bundle.ok_or(IndexError::Unsigned)?.to_vec())];
    signers.of_file(&Digest::of(bytes), &evidence).map_err(|reasons| IndexError::NotBySigner { reasons })
}
