//! A mirror: a part of an index for a site that reaches no network. The root, its signature and the pages are in it byte by byte,
//! so the signature of whoever hosts the index goes on proving them; the files that were chosen lie where a file of their digest is
//! looked for first. Nothing in it is rewritten, so nobody has to trust who made the mirror.

use std::{collections::BTreeMap, path::Path};

use jackfield_registry::Digest;

use crate::{
    BuildError, IndexError, MAX_ROOT_BYTES, Page, ROOT_FILE, Release, Root, SIGNATURE_FILE, folder, package_path,
    page_path,
};

/// What a mirror is made of: an index as it was fetched.
#[derive(Clone, Debug)]
pub struct Mirror {
    root: Root,
    bytes: Vec<u8>,
    signature: Option<Vec<u8>>,
    pages: BTreeMap<String, (Page, Vec<u8>)>,
}

impl Mirror {
    /// Takes an index as it was fetched: the root, what lies beside it as its signature, and the pages of those plugins that are to be in
    /// the mirror. That the root is signed is for the caller to see to ([`verify`](crate::verify)), before anything of it is
    /// believed.
    pub fn new(
        root: Vec<u8>,
        signature: Option<Vec<u8>>,
        pages: BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, IndexError> {
        let read = Root::read(&root)?;
        let page = |(name, bytes): (String, Vec<u8>)| Ok((name.clone(), (read.page(&name, &bytes)?, bytes)));
        let pages = pages.into_iter().map(page).collect::<Result<_, IndexError>>()?;
        Ok(Self { root: read, bytes: root, signature, pages })
    }

    /// The index.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The page of a plugin, where it is in the mirror.
    pub fn page(&self, plugin: &str) -> Option<&Page> {
        self.pages.get(plugin).map(|(page, _)| page)
    }

    /// Puts a release's file into the mirror's folder, and what was found beside it (`beside`: paths below the folder, and their
    /// bytes). The file must be the one that the index names; of signatures the site's trust policy judges. It can be done for one
    /// release after the other, so that no more than one file is held at a time, and for one that is there already it does nothing.
    pub fn put(
        &self,
        folder: &Path,
        plugin: &str,
        release: &Release,
        file: &[u8],
        beside: &[(String, Vec<u8>)],
    ) -> Result<(), BuildError> {
        let found = Digest::of(file);
        if found != release.digest {
            let release_id = format!("{plugin}@{}", release.version);
            return Err(BuildError::OtherDigest { release: release_id, expected: release.digest, found });
        }
        // The file last: where it is, what was beside it is too.
        beside.iter().try_for_each(|(path, bytes)| folder::put(folder, path, bytes))?;
        folder::put(folder, &package_path(&release.digest), file)
    }

    /// Puts the index itself into the folder, the root last. A folder that has a later root, or another index, is left as it is.
    pub fn finish(&self, folder: &Path) -> Result<(), BuildError> {
        folder::recover(folder)?;
        if let Some(there) = folder::read(&folder.join(ROOT_FILE), MAX_ROOT_BYTES)? {
            let before = |error| BuildError::Before { path: folder.to_owned(), error: Box::new(error) };
            let seen = Root::read(&there).map_err(before)?.seen(&there);
            self.root.follows(&self.bytes, &seen)?;
        }
        let mut files: Vec<folder::File> =
            self.pages.iter().map(|(name, (_, bytes))| (page_path(name), bytes.clone())).collect();
        files.extend(self.signature.clone().map(|signature| (SIGNATURE_FILE.to_owned(), signature)));
        files.push((ROOT_FILE.to_owned(), self.bytes.clone()));
        folder::publish(folder, &files)
    }
}
