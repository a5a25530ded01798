//! One package's WIT out of the text that travels in a plugin, where all packages stand in nested form. Only for people
//! to read: if the text is written in another way than the packer writes it, they get all of it.

/// The package `id` and those it uses, each as `package a:b@0.1.0 { … }`.
pub(crate) fn package(wit: &str, id: &str) -> String {
    let blocks = blocks(wit);
    let mut wanted = vec![id.to_owned()];
    let mut next = 0;
    while let Some(id) = wanted.get(next).cloned() {
        let Some((_, text)) = blocks.iter().find(|(name, _)| *name == id) else { return wit.to_owned() };
        for used in uses(text) {
            if !wanted.contains(&used) && blocks.iter().any(|(name, _)| *name == used) {
                wanted.push(used);
            }
        }
        next += 1;
    }
    let texts = wanted.iter().filter_map(|id| blocks.iter().find(|(name, _)| name == id));
    texts.map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n")
}

/// Name and text of each package, with the comments before it.
fn blocks(wit: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut comments = String::new();
    let mut open: Option<(&str, String)> = None;
    for line in wit.lines() {
        if let Some((_, text)) = &mut open {
            text.push_str(line);
            text.push('\n');
            if line == "}" {
                blocks.extend(open.take());
            }
        } else if let Some(name) = line.strip_prefix("package ").and_then(|rest| rest.strip_suffix(" {")) {
            open = Some((name, format!("{comments}{line}\n")));
            comments.clear();
        } else if line.starts_with("///") {
            comments.push_str(line);
            comments.push('\n');
        } else {
            comments.clear();
        }
    }
    blocks
}

/// The packages that a text uses: `use ns:name/interface@1.0.0.{…}`.
fn uses(text: &str) -> Vec<String> {
    let used = text.lines().filter_map(|line| line.trim_start().strip_prefix("use "));
    used.filter_map(|rest| {
        let (path, rest) = rest.split_once('/')?;
        let (_, version) = rest.split_once('@')?;
        let version = version.split(".{").next()?;
        Some(format!("{path}@{version}"))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIT: &str = "package jackfield:bundle;\n\n\
        /// Shared.\npackage jackfield:types@0.1.0 {\n  interface types {\n    type t = u8;\n  }\n}\n\n\
        package jackfield:plugin@0.1.0 {\n}\n\n\
        /// Names.\npackage a:dns@0.1.0 {\n  interface dns {\n    use jackfield:types/types@0.1.0.{t};\n  }\n}\n";

    #[test]
    fn a_package_comes_with_its_docs_and_the_packages_it_uses_and_no_others() {
        let text = package(WIT, "a:dns@0.1.0");
        assert!(text.starts_with("/// Names.\npackage a:dns@0.1.0 {\n"), "{text}");
        assert!(text.contains("/// Shared.\npackage jackfield:types@0.1.0 {") && text.ends_with("}\n"), "{text}");
        assert!(!text.contains("jackfield:plugin") && !text.contains("bundle"), "{text}");
    }

    #[test]
    fn a_text_in_another_form_is_given_whole() {
        assert_eq!(package("package a:b@0.1.0;\ninterface b {}", "a:b@0.1.0"), "package a:b@0.1.0;\ninterface b {}");
    }
}
