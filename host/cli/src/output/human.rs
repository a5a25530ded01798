//! An answer for people, whatever operation it came from. The schema, where it is known, says which texts are bytes.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Cell, Style, Table, Tree, printable_lines};
use crate::schema::{Kind, Schema};

/// The text of a whole answer, ending in a line break.
pub(crate) fn answer(tree: &Tree, schema: Option<Schema<'_>>, style: Style) -> String {
    match tree {
        Tree::Null if schema.is_some_and(|schema| matches!(schema.kind(), Kind::Null)) => "done\n".into(),
        Tree::Null => "(none)\n".into(),
        Tree::List(items) => list(items, schema.and_then(Schema::item), style),
        Tree::Object(members) => match tree.get("items") {
            Some(Tree::List(items)) if members.iter().all(|(name, _)| matches!(name.as_str(), "items" | "next")) => {
                list(items, schema.and_then(|s| s.member("items")).and_then(Schema::item), style)
            }
            _ => fields(tree, schema, style),
        },
        Tree::Text(text) if !is_bytes(schema) => format!("{}\n", printable_lines(text)),
        scalar => format!("{}\n", cell(scalar, schema)),
    }
}

/// A list: a table where its items are objects, a line an item where not.
fn list(items: &[Tree], schema: Option<Schema<'_>>, style: Style) -> String {
    if items.is_empty() {
        return "(nothing)\n".into();
    }
    if !is_table(items) {
        return items.iter().map(|item| format!("{}\n", super::printable(&cell(item, schema)))).collect();
    }
    let rows: Vec<Vec<Field<'_, '_>>> = items.iter().map(|item| row(item, schema)).collect();
    let mut columns: Vec<&str> = Vec::new();
    for field in rows.iter().flatten() {
        if !columns.contains(&field.path.as_ref()) {
            columns.push(&field.path);
        }
    }
    let mut table = Table::new(&columns);
    for row in &rows {
        table.row(columns.iter().map(|column| match row.iter().find(|field| field.path == *column) {
            Some(field) => Cell::from(cell(field.value, field.schema)),
            None => Cell::from(""),
        }));
    }
    table.render(style)
}

/// What stands in one cell of a row.
struct Field<'t, 's> {
    path: Cow<'t, str>,
    value: &'t Tree,
    schema: Option<Schema<'s>>,
}

/// An item's members. A small record among them (a sample: its time and its value) has a column for each of its own.
fn row<'t, 's>(item: &'t Tree, schema: Option<Schema<'s>>) -> Vec<Field<'t, 's>> {
    let mut row = Vec::new();
    for (name, value) in item.members() {
        let schema = schema.and_then(|s| s.member(name));
        let record = schema.is_some_and(|schema| matches!(schema.kind(), Kind::Object(_)));
        let flat = value.members().iter().all(|(_, value)| !matches!(value, Tree::Object(_) | Tree::List(_)));
        if record && flat && !value.members().is_empty() {
            row.extend(value.members().iter().map(|(inner, value)| Field {
                path: format!("{name}.{inner}").into(),
                value,
                schema: schema.and_then(|s| s.member(inner)),
            }));
        } else {
            row.push(Field { path: name.into(), value, schema });
        }
    }
    row
}

fn is_table(items: &[Tree]) -> bool {
    !items.is_empty() && items.iter().all(|item| matches!(item, Tree::Object(members) if !members.is_empty()))
}

/// An object: its plain members one below the other, then each list of objects in it as a table of its own.
fn fields(tree: &Tree, schema: Option<Schema<'_>>, style: Style) -> String {
    let mut plain = Table::plain();
    let mut sections = Vec::new();
    collect(tree, schema, "", &mut plain, &mut sections);
    let mut out = plain.render(Style { width: None, ..style });
    for (name, items, schema) in sections {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&format!("{}:\n{}", super::printable(&name), list(items, schema, style)));
    }
    if out.is_empty() { "{}\n".into() } else { out }
}

type Section<'t, 's> = (String, &'t [Tree], Option<Schema<'s>>);

fn collect<'t, 's>(
    tree: &'t Tree,
    schema: Option<Schema<'s>>,
    prefix: &str,
    plain: &mut Table,
    sections: &mut Vec<Section<'t, 's>>,
) {
    for (name, value) in tree.members() {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let schema = schema.and_then(|s| s.member(name));
        match value {
            Tree::List(items) if is_table(items) && labels(items).is_none() => {
                sections.push((path, items, schema.and_then(Schema::item)));
            }
            Tree::Object(members) if !members.is_empty() => collect(value, schema, &path, plain, sections),
            value => plain.row([Cell::from(path), Cell::from(cell(value, schema))]),
        }
    }
}

/// A value in one cell: a text as it is, bytes as the text they are or as `base64:…`, anything nested as compact JSON.
pub(crate) fn cell(value: &Tree, schema: Option<Schema<'_>>) -> String {
    match value {
        Tree::Null => String::new(),
        Tree::Text(text) if is_bytes(schema) => {
            let bytes = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            match bytes {
                Some(plain) if plain.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t' | '\r')) => plain,
                _ => format!("base64:{text}"),
            }
        }
        Tree::Text(text) => text.clone(),
        Tree::List(items) if items.is_empty() => String::new(),
        Tree::List(items) => labels(items).unwrap_or_else(|| nested(value, schema)),
        Tree::Object(_) => nested(value, schema),
        scalar => scalar.to_string(),
    }
}

fn is_bytes(schema: Option<Schema<'_>>) -> bool {
    schema.is_some_and(|schema| matches!(schema.kind(), Kind::Bytes))
}

/// Compact JSON, in which bytes that are text are shown as such.
fn nested(value: &Tree, schema: Option<Schema<'_>>) -> String {
    shown(value, schema).to_string()
}

fn shown(value: &Tree, schema: Option<Schema<'_>>) -> Tree {
    match value {
        Tree::Text(_) if is_bytes(schema) => Tree::Text(cell(value, schema)),
        Tree::List(items) => {
            let item = schema.and_then(Schema::item);
            Tree::List(items.iter().map(|value| shown(value, item)).collect())
        }
        Tree::Object(members) => {
            let member =
                |(name, value): &(String, Tree)| (name.clone(), shown(value, schema.and_then(|s| s.member(name))));
            Tree::Object(members.iter().map(member).collect())
        }
        other => other.clone(),
    }
}

/// A list of names and values, as `a=b, c=d`.
fn labels(items: &[Tree]) -> Option<String> {
    let label = |item: &Tree| match item.members() {
        [(n, Tree::Text(name)), (v, Tree::Text(value))] if n == "name" && v == "value" => {
            Some(format!("{name}={value}"))
        }
        _ => None,
    };
    items.iter().map(label).collect::<Option<Vec<_>>>().map(|labels| labels.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(text: &str, schema: Option<&serde_json::Value>) -> String {
        answer(&serde_json::from_str(text).unwrap(), schema.map(Schema::new), Style::default())
    }

    fn page_schema() -> serde_json::Value {
        let bytes = json!({"type": "string", "contentEncoding": "base64"});
        let entry = json!({"type": "object", "properties": {"key": {"type": "string"}, "value": bytes}});
        json!({"type": "object", "properties": {"items": {"type": "array", "items": entry}}})
    }

    #[test]
    fn a_list_is_a_table_with_the_columns_in_the_answers_order_and_bytes_as_text() {
        let text = r#"{"items":[{"key":"a","value":"aGVsbG8="},{"key":"b","value":"/w==","lease":"7"}],"next":"c"}"#;
        assert_eq!(
            shown(text, Some(&page_schema())),
            "KEY  VALUE        LEASE\na    hello        -\nb    base64:/w==  7\n"
        );
        assert!(shown(text, None).contains("aGVsbG8="));
    }

    #[test]
    fn a_small_record_in_a_list_has_columns_of_its_own_and_a_variant_has_not() {
        let sample = json!({"type": "object", "properties": {"at": {"type": "integer"}, "value": {"type": "number"}}});
        let row = json!({"type": "object", "properties": {"n": {"type": "string"}, "sample": sample, "case": {}}});
        let schema = json!({"type": "array", "items": row});
        assert_eq!(
            shown(r#"[{"n":"a","sample":{"at":1,"value":2.5},"case":{"none":null}}]"#, Some(&schema)),
            "N  SAMPLE.AT  SAMPLE.VALUE  CASE\na  1          2.5           {\"none\":null}\n"
        );
    }

    #[test]
    fn a_record_is_its_members_and_its_lists_are_tables_below() {
        let text =
            r#"{"succeeded":true,"data":{"kind":"x","rows":[{"a":1,"labels":[{"name":"n","value":"v"}]}]},"none":[]}"#;
        assert_eq!(shown(text, None), "succeeded  true\ndata.kind  x\nnone       -\n\ndata.rows:\nA  LABELS\n1  n=v\n");
    }

    #[test]
    fn small_answers_are_short() {
        assert_eq!(shown("null", None), "(none)\n");
        assert_eq!(shown("null", Some(&json!({"type": "null"}))), "done\n");
        assert_eq!(shown("[]", None), "(nothing)\n");
        assert_eq!(shown("[\"a\",\"b\"]", None), "a\nb\n");
        assert_eq!(shown("\"a\\nb\"", None), "a\nb\n");
        assert_eq!(shown("{}", None), "{}\n");
        assert_eq!(shown("7", None), "7\n");
    }
}
