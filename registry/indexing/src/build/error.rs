//! Why no index was built.

use std::path::PathBuf;

use jackfield_registry::{Digest, PackageError};

use crate::IndexError;

/// Why no index, or no mirror of one, was written.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file or a folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is nothing that says what the index is.
    #[error(
        "{}: it is not there; it says what the index is: `name = \"…\"` and `description = \"…\"`, see docs/index.md",
        path.display()
    )]
    NoSettings {
        /// Where it should be.
        path: PathBuf,
    },
    /// A file is not what it must be.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A plugin's file is none.
    #[error("{}: {error}", path.display())]
    Package {
        /// The file.
        path: PathBuf,
        /// Why.
        error: PackageError,
    },
    /// The index that is there is damaged.
    #[error(
        "{}: the index that is there cannot be built upon: {error}; put back the folder as it was published, since a new index would begin with serial 1 and be refused by whoever saw this one",
        path.display()
    )]
    Before {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        error: Box<IndexError>,
    },
    /// The index that is there is another one.
    #[error(
        "the folder has the index `{found}`, and `name` in index.toml is `{named}`; an index keeps its name for ever: build into another folder"
    )]
    OtherIndex {
        /// The name in `index.toml`.
        named: String,
        /// The name of what is there.
        found: String,
    },
    /// Two files say that they are the same version.
    #[error(
        "{}: it is another file of {release} (digest {found}, there is {known}); a version is one file for ever: raise the version in plugin.toml",
        path.display()
    )]
    OtherFile {
        /// The file.
        path: PathBuf,
        /// `NAME@VERSION`.
        release: String,
        /// The digest of the file that is known.
        known: Digest,
        /// The digest of this file.
        found: Digest,
    },
    /// A note on something that there is not.
    #[error("{path}: it is about {release}, which neither is among the files nor was in the index before")]
    NoSuchRelease {
        /// The file with the note.
        path: String,
        /// `NAME` or `NAME@VERSION`.
        release: String,
    },
    /// A file is called otherwise than what is in it.
    #[error("{}: it has the advisory `{id}`; call the file {id}.toml", path.display())]
    Misnamed {
        /// The file.
        path: PathBuf,
        /// The advisory.
        id: String,
    },
    /// An advisory about a plugin that the index does not have.
    #[error(
        "the advisory `{id}` is about the plugin `{plugin}`, which the index does not have, so it would warn of nothing"
    )]
    NothingAffected {
        /// The advisory.
        id: String,
        /// The plugin.
        plugin: String,
    },
    /// An advisory is gone that was published.
    #[error(
        "the advisory `{id}` was published and is gone; nobody would learn why: keep its file, and say when it was taken back by `withdrawn`"
    )]
    Dropped {
        /// The advisory.
        id: String,
    },
    /// A file is missing that is said to lie beside the index.
    #[error("{}: the file of {release} is not there, or not of its size; give it to the build again", path.display())]
    NotThere {
        /// `NAME@VERSION`.
        release: String,
        /// Where it should be.
        path: PathBuf,
    },
    /// The index cannot be given another serial.
    #[error("the index has the highest serial that there is; it cannot be built upon")]
    NoSerial,
    /// A file that is to be mirrored is another one.
    #[error("the file that was fetched as {release} has the digest {found}, and the index names {expected}")]
    OtherDigest {
        /// `NAME@VERSION`.
        release: String,
        /// What the index names.
        expected: Digest,
        /// What was fetched.
        found: Digest,
    },
}
