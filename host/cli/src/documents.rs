//! Documents in files: what is in each, and where it stands, so that what is wrong with one can be told by its file.

use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::Value;

use crate::failure::Failure;

/// Names of files that hold documents end so.
const ENDINGS: [&str; 4] = ["yaml", "yml", "toml", "json"];

/// A document and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    pub(crate) value: Value,
    /// Its file, and which one of that it is.
    file: PathBuf,
    number: usize,
}

/// Every document of some files and folders, in the order of their names.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Document>, Failure> {
    let mut documents = Vec::new();
    for path in paths {
        let unreadable = |error: std::io::Error| Failure::Usage(format!("{} cannot be read: {error}", path.display()));
        if path == Path::new("-") {
            let text = std::io::read_to_string(std::io::stdin()).map_err(unreadable)?;
            documents.extend(parse(path, &text)?);
            continue;
        }
        let files = if path.is_dir() { in_folder(path).map_err(unreadable)? } else { vec![path.clone()] };
        for file in files {
            let text = std::fs::read_to_string(&file)
                .map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", file.display())))?;
            documents.extend(parse(&file, &text)?);
        }
    }
    Ok(documents)
}

fn in_folder(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() && path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn parse(file: &Path, text: &str) -> Result<Vec<Document>, Failure> {
    let wrong = |error: String| Failure::Usage(format!("{} cannot be read: {error}", file.display()));
    let values: Vec<Value> = match file.extension().and_then(|ending| ending.to_str()) {
        Some("toml") => vec![toml::from_str(text).map_err(|error| wrong(error.to_string()))?],
        // JSON is YAML.
        _ => serde_norway::Deserializer::from_str(text)
            .map(Value::deserialize)
            .filter(|document| !matches!(document, Ok(Value::Null)))
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(error.to_string()))?,
    };
    // As `export -o json` writes them.
    let exported = |value: Value| match value {
        Value::Object(mut members) if members.len() == 1 && members.contains_key("documents") => {
            match members.remove("documents") {
                Some(Value::Array(documents)) => documents,
                other => vec![serde_json::json!({"documents": other})],
            }
        }
        other => vec![other],
    };
    let all = values.into_iter().flat_map(exported).enumerate();
    Ok(all.map(|(index, value)| Document { value, file: file.to_owned(), number: index + 1 }).collect())
}

impl Document {
    /// A path that is written in the document, from the folder that the document is in.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    /// Where it stands, for a person.
    pub(crate) fn place(&self) -> String {
        let file = if self.file == Path::new("-") { "standard input".into() } else { self.file.display().to_string() };
        format!("{file}, document {}", self.number)
    }

    /// Its plugins, be it one or several.
    pub(crate) fn plugins(&self) -> Vec<&Value> {
        match self.value.get("plugin") {
            Some(Value::Array(plugins)) => plugins.iter().collect(),
            Some(plugin) => vec![plugin],
            None => Vec::new(),
        }
    }
}

/// A refusal that names a document by its number names it by its file instead.
pub(crate) fn placed(failure: Failure, documents: &[Document]) -> Failure {
    let Failure::Api(mut problem) = failure else { return failure };
    if let Some(field) = problem.parts.field.as_deref().and_then(|field| by_file(field, documents)) {
        problem.parts.field = Some(field);
    }
    Failure::Api(problem)
}

fn by_file(field: &str, documents: &[Document]) -> Option<String> {
    let rest = field.strip_prefix("/documents/")?;
    let (index, member) = rest.find('/').map_or((rest, ""), |end| rest.split_at(end));
    let document = documents.get(index.parse::<usize>().ok()?)?;
    Some(format!("{}: {}", document.place(), if member.is_empty() { "/" } else { member }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_of_every_form_are_read_and_know_their_place() {
        let yaml = "integration:\n  name: a\n---\n# nothing\n---\nintegration: {name: b}\n";
        let read = parse(Path::new("site/a.yaml"), yaml).unwrap();
        assert_eq!(
            read.iter().map(|d| d.value.clone()).collect::<Vec<_>>(),
            [json!({"integration": {"name": "a"}}), json!({"integration": {"name": "b"}})]
        );
        assert_eq!(
            by_file("/documents/1/integration/name", &read).unwrap(),
            "site/a.yaml, document 2: /integration/name"
        );
        assert_eq!(read[0].resolve("x.wasm"), Path::new("site/x.wasm"));
        let toml = "[[integration]]\nname = \"a\"\n[[plugin]]\nname = \"p\"\nversion = \"1.0.0\"\n";
        let read = parse(Path::new("a.toml"), toml).unwrap();
        assert_eq!(read[0].value["integration"], json!([{"name": "a"}]));
        assert_eq!(read[0].plugins().len(), 1);
        let exported = r#"{"documents": [{"integration": {"name": "a"}}, {"integration": {"name": "b"}}]}"#;
        assert_eq!(parse(Path::new("-"), exported).unwrap().len(), 2);
        assert!(matches!(parse(Path::new("a.yaml"), "a: [1"), Err(Failure::Usage(_))));
    }
}
