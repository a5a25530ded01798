//! The compatibility matrix of `docs/compatibility.md`: what each first-party plugin's manifest says it is for, beside the
//! versions that tests of this repository really ran against. The former is read from the manifests; of the latter the
//! record of a test run (see [`crate::record`]) is kept, in `tests/data/tested.json`.
//!
//! All of it is derived: `cargo xtask compatibility` writes it, and a test fails where what is written is anything else.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

const BEGIN: &str = "<!-- matrix: written by `cargo xtask compatibility` -->";
const END: &str = "<!-- end of the matrix -->";

/// Why there is no matrix.
#[derive(Debug, thiserror::Error)]
pub enum MatrixError {
    /// A file cannot be read or written.
    #[error("{}: {why}", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// The page has no place for it.
    #[error("{} has no two lines `{BEGIN}` and `{END}`, between which the matrix stands", .0.display())]
    Markers(PathBuf),
}

/// The versions that tests ran against, by system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tested(BTreeMap<String, BTreeSet<String>>);

impl Tested {
    /// Reads the record of a test run. Lines of tests that were skipped, and of figures, name no version.
    pub fn from_record(record: &str) -> Self {
        let mut tested = Self::default();
        for line in record.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            if let (Some(peer), Some(version)) = (line["peer"].as_str(), line["version"].as_str()) {
                tested.add(peer, version);
            }
        }
        tested
    }

    /// Adds a version. What stands behind a comma in a system's name is how it was run.
    pub fn add(&mut self, peer: &str, version: &str) {
        let name = peer.split(',').next().unwrap_or_default().trim();
        let version = release(version);
        if !name.is_empty() && !version.is_empty() {
            self.0.entry(name.to_owned()).or_default().insert(version.to_owned());
        }
    }

    /// Reads what is kept of a run.
    pub fn read(workspace: &Path) -> Result<Self, MatrixError> {
        let file = kept(workspace);
        serde_json::from_str(&read(&file)?)
            .map(Self)
            .map_err(|error| MatrixError::File { file, why: error.to_string() })
    }

    /// Keeps it.
    pub fn write(&self, workspace: &Path) -> Result<(), MatrixError> {
        let file = kept(workspace);
        let text = serde_json::to_string_pretty(&self.0)
            .map_err(|error| MatrixError::File { file: file.clone(), why: error.to_string() })?;
        write(&file, &format!("{text}\n"))
    }

    /// Whether a version of a system is among them.
    pub fn has(&self, peer: &str, version: &str) -> bool {
        let mut one = Self::default();
        one.add(peer, version);
        one.beyond(self).is_empty()
    }

    /// What is here and not there, as `system version`.
    pub fn beyond(&self, other: &Self) -> Vec<String> {
        let all = self.0.iter().flat_map(|(system, versions)| versions.iter().map(move |version| (system, version)));
        let there = |(system, version): &(&String, &String)| other.0.get(*system).is_some_and(|v| v.contains(*version));
        all.filter(|one| !there(one)).map(|(system, version)| format!("{system} {version}")).collect()
    }

    /// The versions of a system, as a manifest may spell it: `victoriametrics` is `victoria-metrics`.
    fn of(&self, system: &str) -> Vec<&str> {
        let plain = |name: &str| name.replace(['-', '_', ' '], "").to_lowercase();
        let found = self.0.iter().filter(|(name, _)| plain(name) == plain(system));
        sorted(found.flat_map(|(_, versions)| versions).map(String::as_str))
    }
}

fn kept(workspace: &Path) -> PathBuf {
    workspace.join("tests/data/tested.json")
}

/// The page that the matrix stands in.
pub fn page(workspace: &Path) -> PathBuf {
    workspace.join("docs/compatibility.md")
}

/// The number of a package's version, without what its packager added: `3.5.16` of `3.5.16-4+b2`.
fn release(version: &str) -> &str {
    let version = version.trim().trim_start_matches(['v', 'V']);
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    version[..end].trim_end_matches('.')
}

/// By number, so that 3.10 comes after 3.9.
fn sorted<'v>(versions: impl Iterator<Item = &'v str>) -> Vec<&'v str> {
    let mut all: Vec<&str> = versions.collect();
    all.sort_by_key(|version| version.split('.').map(|n| n.parse::<u64>().unwrap_or(0)).collect::<Vec<_>>());
    all
}

/// A first-party plugin as its manifest describes it.
struct Plugin {
    name: String,
    version: String,
    capabilities: Vec<String>,
    /// Systems, and the versions that are named of each.
    systems: Vec<(String, Vec<String>)>,
}

fn plugins(workspace: &Path) -> Result<Vec<Plugin>, MatrixError> {
    let folder = workspace.join("plugins");
    let cannot = |why: std::io::Error| MatrixError::File { file: folder.clone(), why: why.to_string() };
    let mut plugins = Vec::new();
    for entry in fs::read_dir(&folder).map_err(cannot)? {
        let file = entry.map_err(cannot)?.path().join("plugin.toml");
        if file.is_file() {
            plugins.push(plugin(&file)?);
        }
    }
    plugins.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(plugins)
}

fn plugin(file: &Path) -> Result<Plugin, MatrixError> {
    let wrong = |why: String| MatrixError::File { file: file.to_owned(), why };
    let manifest: toml::Table = read(file)?.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
    let about = manifest.get("plugin").and_then(toml::Value::as_table);
    let text = |name: &str| {
        let found = about.and_then(|about| about.get(name)?.as_str());
        found.map(str::to_owned).ok_or_else(|| wrong(format!("it has no `plugin.{name}`")))
    };
    let texts = |value: Option<&toml::Value>| -> Vec<String> {
        let all = value.and_then(toml::Value::as_array).into_iter().flatten();
        all.filter_map(toml::Value::as_str).map(str::to_owned).collect()
    };
    let systems = manifest.get("compatibility").and_then(toml::Value::as_array).into_iter().flatten();
    let named =
        |system: &toml::Value| Some((system.get("system")?.as_str()?.to_owned(), texts(system.get("versions"))));
    Ok(Plugin {
        name: text("name")?,
        version: text("version")?,
        capabilities: texts(about.and_then(|about| about.get("capabilities"))),
        systems: systems.filter_map(named).collect(),
    })
}

/// The matrix: a row a plugin and system, and what else tests ran against.
pub fn matrix(workspace: &Path, tested: &Tested) -> Result<String, MatrixError> {
    let mut out = String::from(
        "| plugin | capabilities | system | for versions (manifest) | tests ran against |\n|---|---|---|---|---|\n",
    );
    let plugins = plugins(workspace)?;
    for Plugin { name, version, capabilities, systems } in &plugins {
        let mut capabilities: Vec<String> = capabilities.iter().map(|id| short(id)).collect();
        capabilities.dedup();
        let row = |system: &str, named: &str, ran: &str| {
            format!("| {name} {version} | {} | {system} | {named} | {ran} |\n", capabilities.join(", "))
        };
        if systems.is_empty() {
            out.push_str(&row("none", "", ""));
        }
        for (system, versions) in systems {
            let ran = tested.of(system);
            let ran = if ran.is_empty() { "none yet".to_owned() } else { ran.join(", ") };
            out.push_str(&row(system, &range(versions), &ran));
        }
    }
    let of_plugins =
        |peer: &str| plugins.iter().flat_map(|p| &p.systems).any(|(s, _)| !only(tested, peer).of(s).is_empty());
    let others: Vec<String> = tested
        .0
        .iter()
        .filter(|(peer, _)| !of_plugins(peer))
        .map(|(peer, versions)| format!("{peer} {}", sorted(versions.iter().map(String::as_str)).join(", ")))
        .collect();
    if !others.is_empty() {
        out.push_str(&format!("\nTests of the host itself ran against {}.\n", others.join("; ")));
    }
    Ok(out)
}

/// What was tested of one system.
fn only(tested: &Tested, peer: &str) -> Tested {
    Tested(tested.0.iter().filter(|(name, _)| *name == peer).map(|(n, v)| (n.clone(), v.clone())).collect())
}

/// `key-value@0.1.0` of `jackfield:key-value/locks@0.1.0`: what people call a first-party capability.
fn short(id: &str) -> String {
    let (path, version) = id.split_once('@').unwrap_or((id, ""));
    let package = path.split('/').next().unwrap_or(path);
    format!("{}@{version}", package.strip_prefix("jackfield:").unwrap_or(package))
}

/// `3.4 to 3.5`: what lies between two versions that a manifest names counts as tested.
fn range(versions: &[String]) -> String {
    match sorted(versions.iter().map(String::as_str)).as_slice() {
        [] => "any".to_owned(),
        [only] => (*only).to_owned(),
        [first, .., last] => format!("{first} to {last}"),
    }
}

/// The page with the matrix in its place, and the page as it is.
pub fn rewritten(workspace: &Path, tested: &Tested) -> Result<(String, String), MatrixError> {
    let file = page(workspace);
    let before = read(&file)?;
    let parts = before.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let (head, tail) = parts.ok_or(MatrixError::Markers(file))?;
    let after = format!("{head}{BEGIN}\n\n{}\n{END}{tail}", matrix(workspace, tested)?);
    Ok((after, before))
}

/// Writes the matrix into the page; whether that changed it.
pub fn rewrite(workspace: &Path, tested: &Tested) -> Result<bool, MatrixError> {
    let (after, before) = rewritten(workspace, tested)?;
    if after != before {
        write(&page(workspace), &after)?;
    }
    Ok(after != before)
}

fn read(file: &Path) -> Result<String, MatrixError> {
    fs::read_to_string(file).map_err(|error| MatrixError::File { file: file.to_owned(), why: error.to_string() })
}

fn write(file: &Path, text: &str) -> Result<(), MatrixError> {
    fs::write(file, text).map_err(|error| MatrixError::File { file: file.to_owned(), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A checkout with one plugin and a page.
    fn workspace(manifest: &str, page: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for path in ["plugins/dns", "docs", "tests/data"] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        fs::write(folder.path().join("plugins/dns/plugin.toml"), manifest).unwrap();
        fs::write(folder.path().join("docs/compatibility.md"), page).unwrap();
        folder
    }

    const MANIFEST: &str = "
        [plugin]
        name = 'dns'
        version = '0.2.0'
        capabilities = ['jackfield:dns@0.2.0', 'jackfield:dns/zones@0.2.0', 'acme:mail@1.0.0']
        [[compatibility]]
        system = 'victoriametrics'
        versions = ['1.145', '1.79']
        [[compatibility]]
        system = 'bind'
        versions = ['9']
    ";

    #[test]
    fn the_matrix_is_what_manifests_name_beside_what_tests_ran_against() {
        let folder = workspace(MANIFEST, "");
        let mut tested = Tested::default();
        for (peer, version) in
            [("victoria-metrics", "1.79.5+ds1"), ("victoria-metrics, with TLS", "1.145.0"), ("cosign", "v3.1.0")]
        {
            tested.add(peer, version);
        }
        let expected = "\
| plugin | capabilities | system | for versions (manifest) | tests ran against |
|---|---|---|---|---|
| dns 0.2.0 | dns@0.2.0, acme:mail@1.0.0 | victoriametrics | 1.79 to 1.145 | 1.79.5, 1.145.0 |
| dns 0.2.0 | dns@0.2.0, acme:mail@1.0.0 | bind | 9 | none yet |

Tests of the host itself ran against cosign 3.1.0.
";
        assert_eq!(matrix(folder.path(), &tested).unwrap(), expected);
    }

    #[test]
    fn it_is_written_between_the_markers_and_nothing_else_is_touched() {
        let page = format!("# Before\n{BEGIN}\nold\n{END}\nafter\n");
        let folder = workspace(MANIFEST, &page);
        let tested = Tested::default();
        assert!(rewrite(folder.path(), &tested).unwrap());
        assert!(!rewrite(folder.path(), &tested).unwrap(), "written again it is the same");
        let written = fs::read_to_string(super::page(folder.path())).unwrap();
        assert!(written.starts_with("# Before\n") && written.ends_with(&format!("{END}\nafter\n")), "{written}");
        assert!(written.contains("| bind | 9 | none yet |") && !written.contains("old"), "{written}");
    }

    #[test]
    fn a_page_without_a_place_for_it_is_told() {
        let folder = workspace(MANIFEST, "# Nothing\n");
        let error = rewrite(folder.path(), &Tested::default()).unwrap_err().to_string();
        assert!(error.contains("compatibility.md") && error.contains(BEGIN), "{error}");
    }

    #[test]
    fn a_record_is_read_for_versions_and_kept_as_it_was() {
        let record = "\
{\"peer\":\"etcd\",\"version\":\"3.4.23\",\"test\":\"x\"}
{\"peer\":\"etcd, client certificates\",\"version\":\"3.5.16-4+b2\",\"test\":\"y\"}
{\"skipped\":\"a::b\",\"peer\":\"oras\",\"why\":\"w\"}
{\"measured\":\"m\"}
{\"peer\":\"moto\",\"version\":\"of PATH\",\"test\":\"z\"}
";
        let tested = Tested::from_record(record);
        assert!(tested.has("etcd", "3.4.23") && tested.has("etcd", "3.5.16") && !tested.has("etcd", "3.4.24"));
        assert_eq!(tested.beyond(&Tested::default()), ["etcd 3.4.23", "etcd 3.5.16"]);
        let folder = workspace(MANIFEST, "");
        tested.write(folder.path()).unwrap();
        assert_eq!(Tested::read(folder.path()).unwrap(), tested);
    }
}
