//! Where a plugin's WIT comes from: the first-party packages, which travel with this crate so that nobody copies them,
//! and the author's own folder. In the repository `registry/wit` is a link to the top-level `wit` folder; in a published
//! crate it is a copy. The SDK's macro and `pack` both ask here, so what was compiled against is what gets packed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// Where the first-party packages are while this crate is compiled. Only for procedural macros, which run on the machine
/// that compiled them.
pub const FIRST_PARTY_WIT_DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wit");

/// The first-party packages' folders below [`FIRST_PARTY_WIT_DIR`], each after those it uses.
pub const FIRST_PARTY_WIT_FOLDERS: &[&str] =
    &["types", "plugin", "alerting", "key-value", "metrics", "orchestrator", "service-discovery"];

/// Package id and WIT text of each file of the first-party packages, each package after those it uses. A package of
/// several files appears once a file.
pub fn first_party_wit() -> &'static [(&'static str, &'static str)] {
    &[
        ("jackfield:types@0.1.0", include_str!("../wit/types/types.wit")),
        ("jackfield:plugin@0.1.0", include_str!("../wit/plugin/lifecycle.wit")),
        ("jackfield:plugin@0.1.0", include_str!("../wit/plugin/imports.wit")),
        ("jackfield:plugin@0.1.0", include_str!("../wit/plugin/issuer.wit")),
        ("jackfield:alerting@0.1.0", include_str!("../wit/alerting/alerting.wit")),
        ("jackfield:key-value@0.1.0", include_str!("../wit/key-value/key-value.wit")),
        ("jackfield:metrics@0.1.0", include_str!("../wit/metrics/metrics.wit")),
        ("jackfield:orchestrator@0.1.0", include_str!("../wit/orchestrator/orchestrator.wit")),
        ("jackfield:service-discovery@0.1.0", include_str!("../wit/service-discovery/service-discovery.wit")),
    ]
}

/// The folders of an author's WIT packages, each after those it uses. Each of `dirs` either holds the files of one package
/// (then it is that folder, and may have `deps` as usual), or one folder a package. A package that is there twice, or that
/// is one of Jackfield's own, is an error: the parser knows no way to tell which is meant.
pub fn wit_folders(dirs: &[&Path]) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for dir in dirs {
        let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", dir.display()));
        let paths = entries(dir).map_err(named)?;
        if paths.iter().any(|path| is_wit(path)) {
            folders.push(dir.to_path_buf());
        } else {
            folders.extend(paths.into_iter().filter(|path| path.is_dir()));
        }
    }
    let folders = in_order_of_use(folders)?;
    let mut known: BTreeMap<String, PathBuf> =
        first_party_wit().iter().map(|(id, _)| ((*id).to_owned(), PathBuf::new())).collect();
    for folder in &folders {
        let mut units = vec![folder.clone()];
        let deps = folder.join("deps");
        if deps.is_dir() {
            units.extend(entries(&deps)?.into_iter().filter(|path| path.is_dir() || is_wit(path)));
        }
        for unit in units {
            for id in packages_of(&text_of(&unit)?).into_iter().collect::<BTreeSet<_>>() {
                if let Some(other) = known.insert(id.clone(), unit.clone()) {
                    let place = if other.as_os_str().is_empty() {
                        "Jackfield's own".into()
                    } else {
                        other.display().to_string()
                    };
                    let remedy = "remove one; Jackfield's own packages need no copy";
                    let message = format!("the WIT package {id} is in {} and in {place}: {remedy}", unit.display());
                    return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
                }
            }
        }
    }
    Ok(folders)
}

fn in_order_of_use(folders: Vec<PathBuf>) -> io::Result<Vec<PathBuf>> {
    let mut waiting = Vec::new();
    for path in folders {
        let text = text_of(&path)?;
        waiting.push((packages_of(&text), path, text));
    }
    let name = |id: &str| format!("{}/", id.split('@').next().unwrap_or(id));
    let mut sorted = Vec::new();
    while !waiting.is_empty() {
        let free = waiting.iter().position(|(own, _, text)| {
            waiting.iter().flat_map(|(other, ..)| other).all(|id| own.contains(id) || !text.contains(&name(id)))
        });
        // A circle is taken as it comes: the parser says what is wrong with it.
        let (_, path, _) = waiting.remove(free.unwrap_or(0));
        sorted.push(path);
    }
    Ok(sorted)
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn is_wit(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|extension| extension == "wit")
}

/// The text of a file, or of all the files in a folder.
fn text_of(path: &Path) -> io::Result<String> {
    if path.is_file() {
        return std::fs::read_to_string(path);
    }
    let mut text = String::new();
    for path in entries(path)?.iter().filter(|path| is_wit(path)) {
        text.push_str(&std::fs::read_to_string(path)?);
        text.push('\n');
    }
    Ok(text)
}

/// The ids, `namespace:name@version`, of the packages that a text declares.
fn packages_of(text: &str) -> Vec<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut words = code.split([' ', '\t', '\n', '\r', ';', '{', '}']).filter(|word| !word.is_empty());
    let mut packages = Vec::new();
    while let Some(word) = words.next() {
        if word == "package" {
            packages.extend(words.next().map(str::to_owned));
        }
    }
    packages
}
