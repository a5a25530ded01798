//! Inputs made from what there is: our WIT, our plugins' manifests, and plugins of no code packed as the program packs
//! them. They are made afresh for every run, since a file in `corpus` would go on telling of the WIT of its day and be
//! refused at the first check.

use std::path::PathBuf;

use jackfield_registry::{Contents, Manifest, Sbom, first_party_wit, pack};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

const MANIFESTS: [(&str, &str); 5] = [
    ("alertmanager", include_str!("../../plugins/alertmanager/plugin.toml")),
    ("etcd", include_str!("../../plugins/etcd/plugin.toml")),
    ("openbao", include_str!("../../plugins/openbao/plugin.toml")),
    ("playground", include_str!("../../plugins/playground/plugin.toml")),
    ("prometheus", include_str!("../../plugins/prometheus/plugin.toml")),
];

/// Capabilities for plugins without code: one of a single interface and one with an optional interface beside it.
const CAPABILITIES: [&[&str]; 2] =
    [&["jackfield:service-discovery@0.1.0"], &["jackfield:key-value@0.1.0", "jackfield:key-value/locks@0.1.0"]];

/// Says to which folder a target's program writes these inputs before it looks for any.
const VARIABLE: &str = "JACKFIELD_FUZZ_SEEDS";

/// The inputs that can be made for a target, each with a name.
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    match target {
        "manifest" => MANIFESTS.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect(),
        "wit" => {
            let texts = first_party_wit().iter().enumerate();
            texts.map(|(number, (_, text))| (format!("ours-{number}"), text.as_bytes().to_vec())).collect()
        }
        "component" => {
            let plugins = CAPABILITIES.iter().enumerate();
            plugins.map(|(number, names)| (format!("plugin-{number}"), plugin(names))).collect()
        }
        _ => Vec::new(),
    }
}

/// Writes a target's inputs to the folder that the environment names, if it names one.
pub fn write(target: &str) {
    let Some(folder) = std::env::var_os(VARIABLE).map(PathBuf::from) else { return };
    for (name, input) in seeds(target) {
        std::fs::write(folder.join(name), input).expect("the folder for seeds can be written to");
    }
}

/// A packed plugin that exports these capabilities, all of whose functions trap.
fn plugin(capabilities: &[&str]) -> Vec<u8> {
    let manifest = Manifest::from_toml(&format!(
        "[plugin]\nname = \"seed\"\nversion = \"1.2.3\"\ndescription = \"A seed\"\nhost = \"*\"\ncapabilities = {capabilities:?}\n\n\
         [config]\ntype = \"object\"\nproperties.url = {{ type = \"string\", pattern = \"^http\" }}\n"
    ))
    .expect("the manifest is as it should be");
    let mut resolve = Resolve::default();
    resolve.push_source("ours.wit", &our_wit()).expect("our own WIT can be read");
    let interfaces = manifest.plugin.capabilities.iter().map(|capability| capability.interface_id());
    let exports: String = interfaces.map(|id| format!("export {id};")).collect();
    let world = format!("package seed:seed; world seed {{ export jackfield:plugin/lifecycle@0.1.0; {exports} }}");
    let package = resolve.push_source("seed.wit", &world).expect("the world is of these packages");
    let world = resolve.select_world(&[package], None).expect("there is one world");
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("a module takes a section");
    let component = ComponentEncoder::default().module(&module).expect("a dummy fits its world").encode();
    let sbom = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"name":"seed","version":"1.2.3"}]}"#;
    let sbom = Sbom::parse(sbom.to_owned()).expect("it is a bill of materials");
    let contents =
        Contents { wit_dirs: &[], readme: Some("# Seed\n"), license: Some("As you like.\n"), sbom: Some(&sbom) };
    pack(&component.expect("a dummy becomes a component"), &manifest, &contents)
        .expect("it exports what its manifest says")
}

/// Our packages, nested in one text.
pub(crate) fn our_wit() -> String {
    let mut text = "package jackfield:bundle;\n".to_owned();
    let mut open = None;
    for (package, part) in first_party_wit() {
        if open.replace(package) != Some(package) {
            text.push_str(if text.contains('{') { "}\n" } else { "" });
            text.push_str(&format!("package {package} {{\n"));
        }
        part.lines().filter(|line| !line.starts_with("package ")).for_each(|line| text.extend([line, "\n"]));
    }
    text + "}\n"
}
