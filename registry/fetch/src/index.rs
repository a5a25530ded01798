//! Where an index is, and reading its files: below a folder here, or below an address on a web server.

use std::{
    fmt, fs,
    io::Read as _,
    path::{Component, Path, PathBuf},
    str::FromStr,
};

use jackfield_net::{Address, AddressError};
use jackfield_registry::Digest;
use jackfield_trust::{Evidence, MAX_EVIDENCE_BYTES, Origin};

use crate::{Content, FetchError, Fetched, Fetcher, Place, SIGNATURE_SUFFIX, WebFile, fetch::in_time, web};

/// Where an index is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexPlace {
    /// Below an address: `https://plugins.example/index`.
    Web(WebFile),
    /// In a folder, by its absolute path.
    Folder(PathBuf),
}

/// Why a text names no index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexPlaceError {
    /// It begins like nothing that is known.
    #[error("an index is named by `https://HOST/PATH`, or by the absolute path of its folder where the host runs")]
    Scheme,
    /// The address is not right.
    #[error("the address is not right: {0}")]
    Address(#[from] AddressError),
    /// There is a query.
    #[error("an index's address has no query and no `#`")]
    Query,
    /// A path with steps in it that lead elsewhere.
    #[error("the path of an index's folder has no `.` and no `..` in it")]
    Steps,
}

impl IndexPlace {
    /// Whether it is elsewhere.
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Web(_))
    }

    /// Where a file below it comes from, as policies name it.
    pub(crate) fn origin_of(&self, path: &str) -> Origin {
        match self {
            Self::Web(folder) => Origin::place(format!("{folder}/{path}")),
            Self::Folder(folder) => Origin::file(&folder.join(path).display().to_string()),
        }
    }

    /// Whether it is on this machine.
    pub fn is_here(&self) -> bool {
        match self {
            Self::Web(folder) => folder.address.is_loopback(),
            Self::Folder(_) => true,
        }
    }

    /// A file below it.
    fn file(&self, path: &str) -> Result<At, FetchError> {
        match self {
            Self::Web(folder) => {
                let address = format!("{folder}/{path}");
                let parsed = Address::parse(&address).map(|address| At::Web(WebFile { address }));
                parsed.map_err(|_| FetchError::Status { place: address, status: 400 })
            }
            Self::Folder(folder) => Ok(At::Here(folder.join(path))),
        }
    }
}

/// A file of an index.
enum At {
    Web(WebFile),
    Here(PathBuf),
}

impl FromStr for IndexPlace {
    type Err = IndexPlaceError;

    fn from_str(text: &str) -> Result<Self, IndexPlaceError> {
        let text = text.strip_prefix("file://").unwrap_or(text);
        if let Some(("https" | "http", rest)) = text.split_once("://") {
            if rest.contains(['?', '#']) {
                return Err(IndexPlaceError::Query);
            }
            return Ok(Self::Web(WebFile { address: Address::parse(text.trim_end_matches('/'))? }));
        }
        let path = Path::new(text);
        if !path.is_absolute() || text.contains(char::is_control) {
            return Err(IndexPlaceError::Scheme);
        }
        // One folder has one name: what it was added under is what policies are compared with.
        if path.components().any(|part| matches!(part, Component::ParentDir | Component::CurDir)) {
            return Err(IndexPlaceError::Steps);
        }
        Ok(Self::Folder(path.components().collect()))
    }
}

impl fmt::Display for IndexPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web(folder) => folder.fmt(f),
            Self::Folder(folder) => folder.display().fmt(f),
        }
    }
}

impl Fetcher {
    /// A file of an index, of `most` bytes at most, by its path there; none where the server says that it is what it called
    /// `known` before.
    pub async fn index_file(
        &self,
        index: &IndexPlace,
        path: &str,
        most: usize,
        known: Option<&str>,
    ) -> Result<Option<Content>, FetchError> {
        match index.file(path)? {
            At::Web(file) => {
                let options = self.options(&file)?;
                let fetched = web::fetch_unless(self.dialer(), &options, &file, most, known);
                in_time(&file.to_string(), fetched).await
            }
            At::Here(file) => Ok(Some(Content { bytes: read(file, most).await?, etag: None })),
        }
    }

    /// A plugin's file that lies in an index's own folders, with the signature beside it.
    pub async fn beside_index(&self, index: &IndexPlace, path: &str, most: usize) -> Result<Fetched, FetchError> {
        let file = match index.file(path)? {
            At::Web(file) => return self.fetch(&Place::Web(file), most).await,
            At::Here(file) => file,
        };
        let shown = file.display().to_string();
        let mut beside = file.clone().into_os_string();
        beside.push(SIGNATURE_SUFFIX);
        let bytes = read(file, most).await?;
        let evidence = match read(beside.into(), MAX_EVIDENCE_BYTES).await {
            Ok(bundle) => vec![Evidence::Bundle(bundle)],
            Err(error) if error.is_not_found() => Vec::new(),
            Err(error) => return Err(error),
        };
        let signed = Digest::of(&bytes);
        let origin = Origin::file(&shown);
        Ok(Fetched {
            file: bytes,
            origin,
            pinned: shown,
            tag: None,
            signed,
            manifest: None,
            evidence,
            copied_from: None,
        })
    }
}

/// Reads a file of `most` bytes at most.
pub(crate) async fn read(path: PathBuf, most: usize) -> Result<Vec<u8>, FetchError> {
    let place = path.display().to_string();
    let read = move || -> std::io::Result<Option<Vec<u8>>> {
        // A pipe would never end, and a link lead out of the folder.
        if !fs::symlink_metadata(&path)?.is_file() {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no ordinary file"));
        }
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
        Ok((bytes.len() <= most).then_some(bytes))
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(FetchError::TooLarge { place, most }),
        Ok(Err(source)) => Err(FetchError::Read { place, source }),
        Err(ended) => Err(FetchError::Read { place, source: std::io::Error::other(ended) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_place(text: &str) -> Result<String, IndexPlaceError> {
        text.parse().map(|place: IndexPlace| place.to_string())
    }

    #[tokio::test]
    async fn what_is_no_ordinary_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index.json");
        std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
        let error = read(file, 1_000).await.unwrap_err().to_string();
        assert!(error.contains("no ordinary file"), "{error}");
        let error = read(folder.path().to_owned(), 1_000).await.unwrap_err().to_string();
        assert!(error.contains("no ordinary file"), "{error}");
    }

    #[test]
    fn an_index_has_one_spelling() {
        for (text, same) in [
            ("https://Plugins.example:443/index/", "https://plugins.example/index"),
            ("https://plugins.example/", "https://plugins.example"),
            ("/srv//mirror/", "/srv/mirror"),
            ("file:///srv/mirror", "/srv/mirror"),
        ] {
            assert_eq!(read_place(text).unwrap(), same, "{text}");
        }
    }

    #[test]
    fn what_names_no_index_is_refused_with_how_one_is_named() {
        for text in ["", "mirror", "./mirror", "ftp://x/y", "oci://x/y"] {
            assert_eq!(read_place(text).unwrap_err(), IndexPlaceError::Scheme, "{text}");
        }
        assert_eq!(read_place("/srv/../etc").unwrap_err(), IndexPlaceError::Steps);
        assert_eq!(read_place("https://x/y?z").unwrap_err(), IndexPlaceError::Query);
        assert!(matches!(read_place("https://me:secret@x/y").unwrap_err(), IndexPlaceError::Address(_)));
    }
}
