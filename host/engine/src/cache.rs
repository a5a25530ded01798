//! Compiled components on disk.
//!
//! Compiled code is trusted code: whoever can change it runs outside the sandbox. So each entry carries a MAC under a key
//! that only this host's user can read, over what it was compiled from and for (component digest, engine configuration,
//! wasmtime version, processor features); it is checked through the very file handle that is then mapped. An entry that
//! is damaged, foreign or for another configuration is compiled anew and replaced, never loaded. The cache is never the
//! only copy of anything: every failure to read or write it costs time and a warning, no more.

use std::{
    fs::{self, File},
    hash::{Hash, Hasher},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use crate::EngineError;

const MAC_LEN: usize = 32;
/// How much of a file is read at once.
const PIECE: usize = 256 << 10;
const KEY_FILE: &str = "mac.key";
/// The most all entries together may take; the oldest go first.
const MAX_BYTES: u64 = 2 << 30;

pub(crate) struct Cache {
    dir: PathBuf,
    key: [u8; 32],
    /// What else, besides the component, decides the compiled code.
    settings: String,
}

impl Cache {
    pub(crate) fn open(dir: &Path, engine: &wasmtime::Engine) -> Result<Self, EngineError> {
        let failed = |e: io::Error| EngineError::Cache { path: dir.display().to_string(), reason: e.to_string() };
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir).map_err(failed)?;
        let key = key(&dir.join(KEY_FILE)).map_err(failed)?;
        let mut hasher = HashBytes(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let settings = HEXLOWER.encode(&hasher.0.finalize()[..8]);
        Ok(Self { dir: dir.to_owned(), key, settings })
    }

    fn path(&self, digest: &[u8; 32]) -> PathBuf {
        self.dir.join(format!("{}-{}.cwasm", HEXLOWER.encode(&digest[..16]), self.settings))
    }

    /// BLAKE3 in keyed mode: several times faster than a MAC on SHA-256, and every start reads all code through it.
    fn mac(&self, digest: &[u8; 32]) -> blake3::Hasher {
        let mut mac = blake3::Hasher::new_keyed(&self.key);
        // Of fixed length, both of them; the code follows.
        mac.update(digest);
        mac.update(self.settings.as_bytes());
        mac
    }

    pub(crate) fn get(&self, engine: &wasmtime::Engine, digest: &[u8; 32]) -> Option<Component> {
        let path = self.path(digest);
        let mut file = File::open(&path).ok()?;
        if !self.is_ours(&mut file, digest).unwrap_or(false) {
            tracing::warn!(path = %path.display(), "a compiled component was damaged or foreign; compiling it anew");
            return None;
        }
        match load(engine, &mut file) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(%error, "a compiled component no longer loads; compiling it anew");
                None
            }
        }
    }

    /// Whether the file ends in the MAC of all that is before it.
    fn is_ours(&self, file: &mut File, digest: &[u8; 32]) -> io::Result<bool> {
        let metadata = file.metadata()?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            if !metadata.is_file() || metadata.mode() & 0o022 != 0 {
                return Ok(false);
            }
        }
        let Some(length) = metadata.len().checked_sub(MAC_LEN as u64) else { return Ok(false) };
        let mut mac = self.mac(digest);
        // In pieces: the file is mapped afterwards, and need not be in this process's memory twice.
        let mut piece = vec![0; PIECE];
        let mut left = length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let Some(piece) = piece.get_mut(..most) else { return Ok(false) };
            file.read_exact(piece)?;
            mac.update(piece);
            left -= most as u64;
        }
        let mut tag = [0; MAC_LEN];
        file.read_exact(&mut tag)?;
        // Compares in constant time.
        Ok(mac.finalize() == blake3::Hash::from_bytes(tag))
    }

    /// Keeps what the compiler made of the component of this digest.
    pub(crate) fn put(&self, code: &[u8], digest: &[u8; 32]) {
        if let Err(error) = self.write(digest, code) {
            tracing::warn!(%error, "a compiled component could not be kept; it will be compiled again next time");
        }
        self.shrink();
    }

    fn write(&self, digest: &[u8; 32], code: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(code)?;
        file.write_all(self.mac(digest).update(code).finalize().as_bytes())?;
        file.persist(self.path(digest)).map_err(|e| e.error)?;
        Ok(())
    }

    fn shrink(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        let mut entries: Vec<_> = entries
            .flatten()
            .filter(|e| e.path().extension().is_some_and(|x| x == "cwasm"))
            .filter_map(|e| e.metadata().ok().map(|m| (m.modified().ok(), m.len(), e.path())))
            .collect();
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, len, _)| len).sum();
        for (_, len, path) in entries {
            if total <= MAX_BYTES {
                break;
            }
            if fs::remove_file(path).is_ok() {
                total -= len;
            }
        }
    }
}

/// Loads an entry whose MAC was found to be right.
fn load(engine: &wasmtime::Engine, file: &mut File) -> wasmtime::Result<Component> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd as _;
        // The very file that was checked, not whatever is at its path by now.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        if Path::new(&path).exists() {
            // SAFETY: `deserialize_file` trusts the file, also as long as it is mapped. It bears a MAC that only this
            // host's key makes, and only `put` makes it, over what the compiler returned. It is never written again:
            // entries are replaced by renaming, and the folder and its files are this user's alone, who needs no detour
            // to run code as this user.
            return unsafe { Component::deserialize_file(engine, &path) };
        }
    }
    let mut code = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut code)?;
    code.truncate(code.len().saturating_sub(MAC_LEN));
    // SAFETY: as above, and the bytes are ours alone.
    unsafe { Component::deserialize(engine, &code) }
}

/// The key of this cache; made at first use, readable by its owner only.
fn key(path: &Path) -> io::Result<[u8; 32]> {
    own(path)?;
    match fs::read(path) {
        Ok(bytes) if bytes.len() == 32 => {
            let mut key = [0; 32];
            key.copy_from_slice(&bytes);
            return Ok(key);
        }
        Ok(_) => fs::remove_file(path)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|e| io::Error::other(e.to_string()))?;
    // tempfile makes files of mode 0600. Two hosts that start at once agree on whichever key was there first.
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(&key)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(key),
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => self::key(path),
        Err(e) => Err(e.error),
    }
}

/// Holds the folder and the key in it, if there is one, to what makes the key worth something: nobody else can have put it
/// there or read it.
fn own(key: &Path) -> io::Result<()> {
    let refuse = |what: &Path, why: &str| Err(io::Error::other(format!("{} {why}", what.display())));
    let folder = key.parent().unwrap_or(Path::new("."));
    let found = match fs::symlink_metadata(key) {
        Ok(found) if !found.is_file() => return refuse(key, "is no plain file; remove it"),
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        if fs::metadata(folder)?.mode() & 0o022 != 0 {
            return refuse(folder, "can be written by other users, who could exchange compiled code; `chmod go-w` it");
        }
        let Some(found) = found else { return Ok(()) };
        if found.mode() & 0o077 != 0 {
            return refuse(key, "can be read by other users, who could forge compiled code; remove it");
        }
        // What this process makes now belongs to whom its key must belong to.
        if found.uid() != tempfile::NamedTempFile::new_in(folder)?.as_file().metadata()?.uid() {
            return refuse(key, "belongs to another user; choose another cache folder");
        }
    }
    #[cfg(not(unix))]
    let _ = (folder, found);
    Ok(())
}

/// A stable hash where the standard library's is random by process.
struct HashBytes(Sha256);

impl Hasher for HashBytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_that_others_can_have_touched_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEY_FILE);
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let made = key(&path).unwrap();
        assert_eq!(key(&path).unwrap(), made);
        set(&path, 0o644);
        assert!(key(&path).is_err());
        set(&path, 0o600);
        set(folder.path(), 0o777);
        assert!(key(&path).is_err());
        set(folder.path(), 0o700);
        assert_eq!(key(&path).unwrap(), made);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(key(&path).is_err());
    }
}
