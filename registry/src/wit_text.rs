//! The WIT that travels inside a plugin: every package whose interface the plugin exports, what those use, and the two
//! packages all plugins share. It is printed from what was parsed, so it holds no stray files and always reads back.

use std::collections::BTreeSet;
use std::path::Path;

use wit_component::WitPrinter;
use wit_parser::{PackageId, Resolve, SourceMap};

use crate::pack::PackError;
use crate::package::MAX_WIT_BYTES;
use crate::{Manifest, first_party_wit, wit_folders};

/// The packages that every plugin has to do with.
const SHARED: [&str; 2] = ["jackfield:types@0.1.0", "jackfield:plugin@0.1.0"];

/// WIT's grammar wants every text to be a package of its own before others can be nested in it: this one is empty.
const HEADER: &str = "package jackfield:bundle;\n\n";

pub(crate) fn collect(manifest: &Manifest, wit_dirs: &[&Path]) -> Result<String, PackError> {
    let resolve = parse(wit_dirs)?;
    let mut wanted = BTreeSet::new();
    let capabilities = manifest.plugin.capabilities.iter().map(|capability| capability.package_id());
    for name in SHARED.iter().map(|name| (*name).to_owned()).chain(capabilities) {
        let package = resolve.packages.iter().find(|(_, package)| package.name.to_string() == name);
        let (id, _) = package.ok_or(PackError::WitNotFound { package: name })?;
        add_with_uses(&resolve, id, &mut wanted);
    }
    let mut printer = WitPrinter::default();
    for id in resolve.topological_packages() {
        if wanted.contains(&id.index()) {
            printer.print_package(&resolve, id, false).map_err(|e| unreadable("the plugin", &format!("{e:#}")))?;
        }
    }
    let text = format!("{HEADER}{}", printer.output);
    match text.len() {
        size if size > MAX_WIT_BYTES => Err(PackError::WitTooLarge { size, max: MAX_WIT_BYTES }),
        _ => Ok(text),
    }
}

fn add_with_uses(resolve: &Resolve, id: PackageId, wanted: &mut BTreeSet<usize>) {
    if wanted.insert(id.index()) {
        for used in resolve.package_direct_deps(id) {
            add_with_uses(resolve, used, wanted);
        }
    }
}

fn parse(wit_dirs: &[&Path]) -> Result<Resolve, PackError> {
    let mut resolve = Resolve::default();
    let mut files = first_party_wit().iter().peekable();
    while let Some((package, text)) = files.next() {
        let mut sources = SourceMap::new();
        sources.push_str(package, *text);
        while let Some((_, text)) = files.next_if(|(next, _)| next == package) {
            sources.push_str(&format!("{package} (continued)"), *text);
        }
        let group = sources.parse().map_err(|(_, e)| unreadable(package, &e.to_string()))?;
        resolve.push_group(group).map_err(|e| unreadable(package, &e.to_string()))?;
    }
    for folder in wit_folders(wit_dirs).map_err(|e| PackError::WitFolders(e.to_string()))? {
        if let Err(e) = resolve.push_dir(&folder) {
            return Err(unreadable(&folder.display().to_string(), &resolve.render_error(&e)));
        }
    }
    Ok(resolve)
}

fn unreadable(folder: &str, reason: &str) -> PackError {
    PackError::Wit { folder: folder.to_owned(), reason: reason.to_owned() }
}
