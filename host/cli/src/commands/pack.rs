//! `jackfield plugin pack`: a component, its manifest, its WIT and what is given along become one file. What can be packed is decided by the
//! package format; here the inputs are found where cargo leaves them, and the result is told.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use jackfield_registry::{Manifest, Package, pack};
use serde_json::json;

use super::{Context, enclosed::Enclosed};
use crate::{
    args::PackArgs,
    failure::Failure,
    file::{self, Kind, Over},
    output::{Cell, Style, Table, Tree, size},
};

/// The profiles whose output is looked at.
const PROFILES: [&str; 3] = ["guest", "release", "debug"];

pub(super) fn run(context: &Context, args: &PackArgs) -> Result<(), Failure> {
    let dir = &args.dir;
    let manifest = manifest(&dir.join("plugin.toml"))?;
    let component = match &args.component {
        Some(file) => file.clone(),
        None => built(dir)?,
    };
    let bytes = fs::read(&component)
        .map_err(|error| Failure::Usage(format!("the component {} cannot be read: {error}", component.display())))?;
    let own_wit = args.wit.clone().or_else(|| Some(dir.join("wit")).filter(|wit| wit.is_dir()));
    let wit_dirs: Vec<&Path> = own_wit.iter().map(PathBuf::as_path).collect();

    let enclosed = Enclosed::read(args)?;

    let failed = |error: &dyn std::fmt::Display| Failure::Failed(format!("{}: {error}", component.display()));
    let packed = pack(&bytes, &manifest, &enclosed.contents(&wit_dirs)).map_err(|error| failed(&error))?;
    // What was packed is judged as an installation would judge it, while its author is still at hand.
    let package = Package::read(&packed).map_err(|error| failed(&error))?;
    let operations = jackfield_core::inspect_plugin(&packed).map_err(|error| failed(&error))?;
    let operations: Vec<String> = operations
        .iter()
        .map(|(capability, operation)| {
            let kind = if operation.feed { "feed" } else { &operation.kind };
            format!("{capability}.{} ({kind})", operation.name)
        })
        .collect();
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.wasm", manifest.plugin.name)));
    file::write(&out, &packed, Over::Anything, Kind::Ordinary)?;

    let answer = json!({
        "file": out.display().to_string(),
        "component": component.display().to_string(),
        "name": manifest.plugin.name,
        "version": manifest.plugin.version,
        "size": packed.len(),
        "digest": package.digest.to_string(),
        "capabilities": manifest.plugin.capabilities,
        "operations": operations,
        "readme": enclosed.readme.as_ref().map(|(file, _)| file.display().to_string()),
        "license": enclosed.license.iter().flat_map(|(files, _)| files).map(|file| file.display().to_string()).collect::<Vec<_>>(),
        "sbom": enclosed.sbom.as_ref().map(|(file, _)| file.display().to_string()),
        "sbom-format": enclosed.sbom.as_ref().map(|(_, sbom)| sbom.format().to_string()),
    });
    context.ui.answer(answer.to_string().as_bytes(), table)
}

fn table(answer: &Tree) -> String {
    let mut facts = Table::plain();
    let bytes = answer.number("size").and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
    facts.row([Cell::from("packed"), Cell::from(answer.text("file"))]);
    facts.row([Cell::from("plugin"), Cell::from(format!("{} {}", answer.text("name"), answer.text("version")))]);
    facts.row([Cell::from("component"), Cell::from(answer.text("component"))]);
    facts.row([Cell::from("size"), Cell::from(size(bytes))]);
    facts.row([Cell::from("digest"), Cell::from(answer.text("digest"))]);
    facts.row([Cell::from("capabilities"), Cell::from(answer.texts("capabilities"))]);
    facts.row([Cell::from("operations"), Cell::from(answer.texts("operations"))]);
    facts.row([Cell::from("readme"), Cell::from(answer.text("readme"))]);
    facts.row([Cell::from("license"), Cell::from(answer.texts("license"))]);
    facts.row([Cell::from("sbom"), Cell::from(answer.text("sbom"))]);
    facts.render(Style::default())
}

fn manifest(file: &Path) -> Result<Manifest, Failure> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::Usage(format!("{shown} cannot be read: {error}; give the folder that holds the plugin's manifest"))
    })?;
    Manifest::from_toml(&text).map_err(|error| Failure::Failed(format!("{shown}:\n{error}")))
}

/// The newest component that cargo built from a folder.
fn built(dir: &Path) -> Result<PathBuf, Failure> {
    let name = crate_name(dir)?;
    let candidates: Vec<PathBuf> = targets(dir)
        .into_iter()
        .flat_map(|target| {
            PROFILES.map(|profile| target.join("wasm32-wasip2").join(profile).join(format!("{name}.wasm")))
        })
        .collect();
    newest(&candidates).ok_or_else(|| {
        Failure::Usage(format!(
            "no component of `{name}` is built; run `cargo build --release --target wasm32-wasip2` in {} (its Cargo.toml needs `crate-type = [\"cdylib\", \"rlib\"]` under `[lib]`), or name the file with --component",
            dir.display()
        ))
    })
}

fn newest(candidates: &[PathBuf]) -> Option<PathBuf> {
    let changed = |file: &PathBuf| -> Option<SystemTime> {
        fs::metadata(file).ok().filter(fs::Metadata::is_file)?.modified().ok()
    };
    let dated = candidates.iter().filter_map(|file| Some((changed(file)?, file)));
    dated.max_by_key(|(changed, _)| *changed).map(|(_, file)| file.clone())
}

/// The folders that cargo may have built into.
fn targets(dir: &Path) -> Vec<PathBuf> {
    let own = env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let dir = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let above = dir.ancestors().map(|dir| dir.join("target")).filter(|target| target.is_dir());
    own.into_iter().chain(above).collect()
}

/// The name cargo gives the component: the library's, else the package's with `_` for `-`.
fn crate_name(dir: &Path) -> Result<String, Failure> {
    let file = dir.join("Cargo.toml");
    let text = fs::read_to_string(&file).map_err(|error| {
        Failure::Usage(format!(
            "{} cannot be read: {error}; name the component's file with --component",
            file.display()
        ))
    })?;
    let manifest: toml::Table = text.parse().map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    let name = |section: &str| manifest.get(section)?.get("name")?.as_str();
    let name = name("lib").or_else(|| name("package")).ok_or_else(|| {
        Failure::Usage(format!("{} names no package; give the plugin's own folder, or --component", file.display()))
    })?;
    Ok(name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(cargo_toml: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("Cargo.toml"), cargo_toml).unwrap();
        dir
    }

    #[test]
    fn the_component_is_named_as_cargo_names_it() {
        assert_eq!(crate_name(folder("[package]\nname = \"plugin-x\"").path()).unwrap(), "plugin_x");
        assert_eq!(
            crate_name(folder("[package]\nname = \"p\"\n[lib]\nname = \"own-name\"").path()).unwrap(),
            "own_name"
        );
        assert!(crate_name(folder("[workspace]").path()).is_err());
    }

    #[test]
    fn the_newest_build_is_taken_and_none_is_an_error_with_the_command_to_run() {
        let dir = folder("[package]\nname = \"plugin-x\"");
        let plugin = dir.path().join("plugins/x");
        fs::create_dir_all(&plugin).unwrap();
        fs::copy(dir.path().join("Cargo.toml"), plugin.join("Cargo.toml")).unwrap();
        fs::create_dir(dir.path().join("target")).unwrap();
        assert!(matches!(built(&plugin), Err(Failure::Usage(text)) if text.contains("cargo build")));
        let old = SystemTime::now() - std::time::Duration::from_secs(60);
        for (profile, time) in [("guest", Some(old)), ("debug", None)] {
            let folder = dir.path().join("target/wasm32-wasip2").join(profile);
            fs::create_dir_all(&folder).unwrap();
            let file = fs::File::create(folder.join("plugin_x.wasm")).unwrap();
            time.into_iter().for_each(|time| file.set_modified(time).unwrap());
        }
        assert!(built(&plugin).unwrap().ends_with("debug/plugin_x.wasm"));
    }
}
