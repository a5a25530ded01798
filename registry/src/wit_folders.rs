//! Where a plugin's WIT comes from: the first-party packages, which travel with this crate so that nobody copies them,
//! and the author's own folder. In the repository `registry/wit` is a link to the top-level `wit` folder; in a published
//! crate it is a copy. The SDK's macro and `pack` both ask here, so what was compiled against is what gets packed.

use std::io;
use std::path::{Path, PathBuf};

/// Where the first-party packages are while this crate is compiled. Only for procedural macros, which run on the machine
/// that compiled them.
pub const FIRST_PARTY_WIT_DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wit");

/// The first-party packages' folders below [`FIRST_PARTY_WIT_DIR`], each after those it uses.
pub const FIRST_PARTY_WIT_FOLDERS: &[&str] =
    &["types", "plugin", "alerting", "key-value", "metrics", "service-discovery"];

/// Package id and WIT text of each file of the first-party packages, each package after those it uses. A package of
/// several files appears once a file.
pub fn first_party_wit() -> &'static [(&'static str, &'static str)] {
    &[
        ("jackfield:types@0.1.0", include_str!("../wit/types/types.wit")),
        ("jackfield:plugin@0.1.0", include_str!("../wit/plugin/lifecycle.wit")),
        ("jackfield:plugin@0.1.0", include_str!("../wit/plugin/imports.wit")),
        ("jackfield:alerting@0.1.0", include_str!("../wit/alerting/alerting.wit")),
        ("jackfield:key-value@0.1.0", include_str!("../wit/key-value/key-value.wit")),
        ("jackfield:metrics@0.1.0", include_str!("../wit/metrics/metrics.wit")),
        ("jackfield:service-discovery@0.1.0", include_str!("../wit/service-discovery/service-discovery.wit")),
    ]
}

/// The folders of an author's WIT packages, each after those it uses. `wit` either holds the files of one package (then
/// it is the one folder, and may have `deps` as usual), or one folder a package.
pub fn wit_folders(wit: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = std::fs::read_dir(wit)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    if paths.iter().any(|path| is_wit(path)) {
        return Ok(vec![wit.to_owned()]);
    }
    let mut waiting = Vec::new();
    for path in paths.into_iter().filter(|path| path.is_dir()) {
        let text = text_of(&path)?;
        waiting.push((package_of(&text), path, text));
    }
    let mut sorted = Vec::new();
    while !waiting.is_empty() {
        let uses =
            |text: &str, name: &Option<String>| name.as_ref().is_some_and(|name| text.contains(&format!("{name}/")));
        let free = waiting
            .iter()
            .position(|(name, _, text)| waiting.iter().all(|(other, ..)| other == name || !uses(text, other)));
        // A circle is taken as it comes: the parser says what is wrong with it.
        let (_, path, _) = waiting.remove(free.unwrap_or(0));
        sorted.push(path);
    }
    Ok(sorted)
}

fn is_wit(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|extension| extension == "wit")
}

fn text_of(folder: &Path) -> io::Result<String> {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if is_wit(&path) {
            text.push_str(&std::fs::read_to_string(&path)?);
            text.push('\n');
        }
    }
    Ok(text)
}

/// `namespace:name` of the package that a text declares.
fn package_of(text: &str) -> Option<String> {
    let rest = text.lines().find_map(|line| line.trim_start().strip_prefix("package "))?;
    let end = rest.find(['@', ';', '{', ' ']).unwrap_or(rest.len());
    Some(rest[..end].to_owned())
}
