//! Documents in files: what is in each, and where it stands, so that what is wrong with one can be told by its file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize as _;
use serde_json::{Map, Value, json};

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
    if documents.is_empty() {
        let paths = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        let endings = ENDINGS.join(", .");
        return Err(Failure::Usage(format!("there is no document in {paths}; files of documents end in .{endings}")));
    }
    Ok(documents)
}

/// The files of a folder and of those in it, but for hidden ones.
fn in_folder(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            // A link to a folder is not followed: it may lead back.
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known)) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn parse(file: &Path, text: &str) -> Result<Vec<Document>, Failure> {
    let wrong = |error: String| Failure::Usage(format!("{} cannot be read: {error}", file.display()));
    let values: Vec<Value> = match file.extension().and_then(|ending| ending.to_str()) {
        Some("toml") => vec![toml::from_str(text).map_err(|error| wrong(error.to_string()))?],
        // JSON is YAML. Read as YAML first: that refuses a key that is there twice, of which one would be lost.
        _ => serde_norway::Deserializer::from_str(text)
            .map(serde_norway::Value::deserialize)
            .filter(|document| !matches!(document, Ok(serde_norway::Value::Null)))
            .map(|document| {
                let document = document.map_err(|error| wrong(error.to_string()))?;
                serde_json::to_value(document).map_err(|error| wrong(error.to_string()))
            })
            .collect::<Result<_, _>>()?,
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
        self.all("plugin")
    }

    /// Its integrations, be it one or several.
    pub(crate) fn integrations(&self) -> Vec<&Value> {
        self.all("integration")
    }

    /// Its deployments, be it one or several.
    fn deployments_mut(&mut self) -> Vec<&mut Map<String, Value>> {
        let all = match self.value.get_mut("deployment") {
            Some(Value::Array(all)) => all.iter_mut().collect(),
            Some(one) => vec![one],
            None => Vec::new(),
        };
        all.into_iter().filter_map(Value::as_object_mut).collect()
    }

    /// The trust policy alone, where it has one.
    pub(crate) fn trust(&self) -> Option<Self> {
        let trust = self.value.get("trust")?;
        Some(Self { value: json!({ "trust": trust }), ..self.clone() })
    }

    /// Says where the file of a plugin is, where it names that plugin and says nothing of the kind.
    pub(crate) fn fill_source(&mut self, id: &str, source: &str) {
        let plugins = match self.value.get_mut("plugin") {
            Some(Value::Array(plugins)) => plugins.iter_mut().collect(),
            Some(plugin) => vec![plugin],
            None => Vec::new(),
        };
        for plugin in plugins.into_iter().filter_map(Value::as_object_mut) {
            let text = |name: &str| plugin.get(name).and_then(Value::as_str).unwrap_or_default();
            if format!("{}@{}", text("name"), text("version")) == id {
                plugin.entry("source").or_insert_with(|| source.into());
            }
        }
    }

    fn all(&self, kind: &str) -> Vec<&Value> {
        match self.value.get(kind) {
            Some(Value::Array(all)) => all.iter().collect(),
            Some(one) => vec![one],
            None => Vec::new(),
        }
    }
}

/// Calls a deployment without a name by that of its file, where it is the only such one in that file.
pub(crate) fn name_deployments(documents: &mut [Document]) {
    let unnamed = |deployment: &Map<String, Value>| {
        !deployment.contains_key("name") && deployment.get("config").and_then(|config| config.get("name")).is_none()
    };
    let mut counts: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for document in documents.iter_mut() {
        let count = document.deployments_mut().into_iter().filter(|deployment| unnamed(deployment)).count();
        *counts.entry(document.file.clone()).or_default() += count;
    }
    for document in documents {
        let stem = document.file.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
        let Some(name) = stem.filter(|_| document.file != Path::new("-") && counts.get(&document.file) == Some(&1))
        else {
            continue;
        };
        for deployment in document.deployments_mut().into_iter().filter(|deployment| unnamed(deployment)) {
            deployment.insert("name".into(), name.clone().into());
        }
    }
}

/// A refusal that names a document by its number names it by its file instead.
pub(crate) fn placed(failure: Failure, documents: &[Document]) -> Failure {
    let Failure::Api(mut problem) = failure else { return failure };
    problem.parts.detail = told(&problem.parts.detail, documents);
    if let Some(field) = problem.parts.field.as_deref().and_then(|field| by_file(field, documents)) {
        problem.parts.field = Some(field);
    }
    Failure::Api(problem)
}

/// A text that names documents by their numbers names them by their files instead.
pub(crate) fn told(text: &str, documents: &[Document]) -> String {
    documents.iter().enumerate().fold(text.to_owned(), |text, (index, document)| {
        text.replace(&format!("/documents/{index}/"), &format!("{}: /", document.place()))
    })
}

fn by_file(field: &str, documents: &[Document]) -> Option<String> {
    let rest = field.strip_prefix("/documents/")?;
    let (index, member) = rest.find('/').map_or((rest, ""), |end| rest.split_at(end));
    let document = documents.get(index.parse::<usize>().ok()?)?;
    Some(format!("{}: {}", document.place(), if member.is_empty() { "/" } else { member }))
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_deployment_without_a_name_has_that_of_its_file_where_it_is_the_only_one() {
        let named = |file: &str, text: &str| {
            let mut read = parse(Path::new(file), text).unwrap();
            name_deployments(&mut read);
            read.iter().map(|document| document.value["deployment"]["name"].clone()).collect::<Vec<_>>()
        };
        let block = "deployment: {orchestrator: kubernetes, config: {replicas: 3}}\n";
        assert_eq!(named("site/shop.yaml", block), [json!("shop")]);
        assert_eq!(named("-", block), [json!(null)]);
        assert_eq!(named("site/shop.yaml", &format!("{block}---\n{block}")), [json!(null), json!(null)]);
        let others = "deployment: {name: b, orchestrator: o}\n---\ndeployment: {orchestrator: o, config: {name: c}}\n";
        assert_eq!(named("site/shop.yaml", &format!("{block}---\n{others}")), [json!("shop"), json!("b"), json!(null)]);
    }

    #[test]
    fn a_key_that_is_there_twice_is_refused_since_one_would_be_lost() {
        for text in
            ["integration: {name: a}\nintegration: {name: b}\n", r#"{"integration": {"name": "a", "name": "b"}}"#]
        {
            let Err(Failure::Usage(told)) = parse(Path::new("a.yaml"), text) else { panic!("{text}") };
            assert!(told.contains("duplicate"), "{told}");
        }
    }

    #[test]
    fn folders_are_read_with_those_in_them_and_one_without_documents_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(&[folder.path().to_owned()]), Err(Failure::Usage(_))));
        std::fs::create_dir(folder.path().join("team")).unwrap();
        for (name, text) in
            [("team/b.yaml", "integration: {name: b}"), ("a.json", "{}"), (".c.yaml", "{}"), ("d.txt", "")]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let read = read(&[folder.path().to_owned()]).unwrap();
        assert_eq!(
            read.iter().map(|document| document.value.clone()).collect::<Vec<_>>(),
            [json!({}), json!({"integration": {"name": "b"}})]
        );
    }
}
