//! What a plugin's author gives along for people and their tools: README, license, bill of materials. They are looked for in
//! the plugin's folder under the names that they have everywhere, or are named on the command line. What is named must be
//! there; what is looked for need not.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jackfield_registry::{Contents, Sbom};

use crate::{args::PackArgs, failure::Failure};

/// How the file of a license may begin; both spellings are in use.
const LICENSES: [&str; 2] = ["LICENSE", "LICENCE"];

/// What was found, and where.
#[derive(Debug)]
pub(super) struct Enclosed {
    pub(super) readme: Option<(PathBuf, String)>,
    /// One text of as many files as there are.
    pub(super) license: Option<(Vec<PathBuf>, String)>,
    pub(super) sbom: Option<(PathBuf, Sbom)>,
}

impl Enclosed {
    /// Looks for them, and reads them.
    pub(super) fn read(args: &PackArgs) -> Result<Self, Failure> {
        let dir = &args.dir;
        let there = |name: &str| Some(dir.join(name)).filter(|file| file.is_file());
        let with_text = |file: PathBuf| text(&file).map(|text| (file, text));
        let readme = args.readme.clone().or_else(|| there("README.md")).map(with_text).transpose()?;
        let sbom = args.sbom.clone().or_else(|| there("sbom.json")).map(with_text).transpose()?;
        let files = match &args.license[..] {
            [] => licenses(dir),
            named => named.to_vec(),
        };
        Ok(Self { readme, license: joined(files)?, sbom: sbom.map(understood).transpose()? })
    }

    /// The same for the package format.
    pub(super) fn contents<'a>(&'a self, wit_dirs: &'a [&'a Path]) -> Contents<'a> {
        Contents {
            wit_dirs,
            readme: self.readme.as_ref().map(|(_, text)| text.as_str()),
            license: self.license.as_ref().map(|(_, text)| text.as_str()),
            sbom: self.sbom.as_ref().map(|(_, sbom)| sbom),
        }
    }
}

fn understood((file, text): (PathBuf, String)) -> Result<(PathBuf, Sbom), Failure> {
    match Sbom::parse(text) {
        Ok(sbom) => Ok((file, sbom)),
        Err(error) => Err(Failure::Failed(format!("{} is no bill of materials: {error}", file.display()))),
    }
}

fn text(file: &Path) -> Result<String, Failure> {
    let shown = file.display();
    let bytes = fs::read(file).map_err(|error| Failure::Usage(format!("{shown} cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|_| Failure::Failed(format!("{shown} is not text in UTF-8")))
}

/// Several licenses are one text, one after another.
fn joined(files: Vec<PathBuf>) -> Result<Option<(Vec<PathBuf>, String)>, Failure> {
    let mut texts = files.iter().map(|file| text(file)).collect::<Result<Vec<_>, _>>()?;
    let text = match texts.len() {
        0 => return Ok(None),
        1 => texts.remove(0),
        _ => texts.iter().map(|text| text.trim_end()).collect::<Vec<_>>().join("\n\n\n") + "\n",
    };
    Ok(Some((files, text)))
}

/// The file that Cargo.toml names, else those in the folder, by name.
fn licenses(dir: &Path) -> Vec<PathBuf> {
    if let Some(file) = cargos(dir) {
        return vec![file];
    }
    let names = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).filter(|n| is_license(n)).collect();
    // The order of a folder is chance, and the digest must not be.
    names.sort();
    names.iter().map(|name| dir.join(name)).filter(|file| file.is_file()).collect()
}

/// `LICENSE`, `LICENSE.md`, `LICENSE-MIT`, `LICENSE-APACHE.txt` and the like.
fn is_license(name: &str) -> bool {
    let stem = [".md", ".txt"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let rest = LICENSES.iter().find_map(|begin| stem.strip_prefix(begin));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The file that the crate's manifest names. One that cannot be read has been told by cargo, if cargo has built anything.
fn cargos(dir: &Path) -> Option<PathBuf> {
    let manifest: toml::Table = fs::read_to_string(dir.join("Cargo.toml")).ok()?.parse().ok()?;
    Some(dir.join(manifest.get("package")?.get("license-file")?.as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(dir: &Path) -> PackArgs {
        PackArgs {
            dir: dir.to_owned(),
            component: None,
            wit: None,
            readme: None,
            license: Vec::new(),
            sbom: None,
            out: None,
            _format: None,
        }
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| fs::write(dir.path().join(name), text).unwrap());
        dir
    }

    #[test]
    fn what_lies_in_the_folder_under_its_usual_name_is_taken() {
        let sbom = r#"{"spdxVersion":"SPDX-2.3"}"#;
        let dir = folder(&[
            ("README.md", "# X\n"),
            ("LICENSE-MIT", "mit\n"),
            ("LICENSE-APACHE.txt", "apache\n\n"),
            ("LICENSE.orig", "no"),
            ("LICENSED", "no"),
            ("sbom.json", sbom),
        ]);
        fs::create_dir(dir.path().join("LICENSE")).unwrap();
        let enclosed = Enclosed::read(&args(dir.path())).unwrap();
        let contents = enclosed.contents(&[]);
        assert_eq!(contents.readme, Some("# X\n"));
        assert_eq!(contents.license, Some("apache\n\n\nmit\n"));
        assert_eq!(contents.sbom.map(Sbom::as_str), Some(sbom));
        let nothing = Enclosed::read(&args(folder(&[]).path())).unwrap();
        assert!(nothing.readme.is_none() && nothing.license.is_none() && nothing.sbom.is_none());
    }

    #[test]
    fn what_is_named_comes_first_and_must_be_there() {
        let dir = folder(&[
            ("Cargo.toml", "[package]\nname = \"x\"\nlicense-file = \"COPYING\""),
            ("COPYING", "cargo's"),
            ("LICENSE", "the folder's"),
            ("other", "mine"),
            ("latin-1", ""),
        ]);
        let license = |args: &PackArgs| Enclosed::read(args).map(|enclosed| enclosed.license.unwrap().1);
        let mut args = args(dir.path());
        assert_eq!(license(&args).unwrap(), "cargo's");
        args.license = vec![dir.path().join("other")];
        assert_eq!(license(&args).unwrap(), "mine");
        args.license = vec![dir.path().join("nothing")];
        assert!(matches!(license(&args), Err(Failure::Usage(text)) if text.contains("nothing cannot be read")));
        args.license.clear();
        fs::write(dir.path().join("latin-1"), b"\xfc").unwrap();
        args.readme = Some(dir.path().join("latin-1"));
        assert!(matches!(license(&args), Err(Failure::Failed(text)) if text.ends_with("is not text in UTF-8")));
        (args.readme, args.sbom) = (None, Some(dir.path().join("other")));
        assert!(matches!(license(&args), Err(Failure::Failed(text)) if text.contains("other is no bill of materials")));
    }
}
