//! Which WIT a plugin is compiled against: the first-party packages, and the author's own from the `wit` folder beside
//! `Cargo.toml`.

use std::path::{Path, PathBuf};

use jackfield_registry::{FIRST_PARTY_WIT_DIR, FIRST_PARTY_WIT_FOLDERS, wit_folders};

/// The first-party packages' folders, each after those it uses.
pub(crate) fn first_party() -> Vec<PathBuf> {
    FIRST_PARTY_WIT_FOLDERS.iter().map(|folder| Path::new(FIRST_PARTY_WIT_DIR).join(folder)).collect()
}

/// The author's packages' folders; none where there is no `wit` folder.
pub(crate) fn own(crate_dir: &Path) -> Result<Vec<PathBuf>, String> {
    let wit = crate_dir.join("wit");
    if !wit.is_dir() {
        return Ok(Vec::new());
    }
    wit_folders(&[&wit]).map_err(|e| e.to_string())
}
