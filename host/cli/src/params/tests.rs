//! What `k=v` means, by table, under schemas as Jackfield derives them and as plugins write them.

use serde_json::{Value, json};

use super::{Assignment, Given, Subject, build, merge};
use crate::schema::Schema;

fn call_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "key": {"type": "string"},
            "value": {"type": "string", "contentEncoding": "base64"},
            "expected": {"anyOf": [{"type": "string", "contentEncoding": "base64"}, {"type": "null"}]},
            "limit": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
            "ttl-ms": {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^[0-9]{1,20}$"}], "description": "wide"},
            "lease": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "ratio": {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]},
            "wanted": {"type": "boolean"},
            "names": {"type": "array", "items": {"type": "string"}},
            "ports": {"type": "array", "items": {"type": "integer"}},
            "health": {"$ref": "#/$defs/health"},
            "holds": {"$ref": "#/$defs/predicate"},
            "page": {"$ref": "#/$defs/types.page"},
            "options": {"$ref": "#/$defs/types.write-options"},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "steps": {"type": "array", "items": {"$ref": "#/$defs/predicate"}},
            "maybe": {"anyOf": [{"type": "null"}, {"type": "object", "properties":
                {"some": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "required": ["some"]}]},
        },
        "$defs": {
            "health": {"type": "string", "enum": ["passing", "warning", "critical"]},
            "predicate": {"oneOf": [
                {"type": "object", "properties": {"present": {"type": "null"}}, "required": ["present"]},
                {"type": "object", "properties": {"revision": {"type": "string"}}, "required": ["revision"]},
                {"type": "object", "properties": {"value": {"type": "string", "contentEncoding": "base64"}}, "required": ["value"]},
                {"enum": ["present"]},
            ]},
            "types.page": {"type": "object", "properties": {
                "cursor": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            }},
            "types.write-options": {"type": "object", "properties": {
                "dry-run": {"type": "boolean"},
                "precondition": {"anyOf": [{"$ref": "#/$defs/predicate"}, {"type": "null"}]},
            }},
        },
    })
}

fn assignment(text: &str) -> Assignment {
    Assignment::read_all(&[text.to_owned()], false).unwrap().remove(0)
}

fn built_under(schema: &Value, texts: &[&str]) -> Result<Value, String> {
    let assignments: Vec<_> = texts.iter().map(|text| assignment(text)).collect();
    let subject = Subject { owner: "`kv.put`", noun: "parameter" };
    build(Schema::new(schema), subject, &assignments).map(Value::Object).map_err(|e| e.0)
}

fn built(texts: &[&str]) -> Result<Value, String> {
    built_under(&call_schema(), texts)
}

#[test]
fn a_text_means_what_the_schema_says_it_means() {
    for (text, expected) in [
        ("key=5", json!({"key": "5"})),
        ("key=null", json!({"key": "null"})),
        ("key=", json!({"key": ""})),
        ("value=hello", json!({"value": "aGVsbG8="})),
        ("value=", json!({"value": ""})),
        ("value:=\"aGVsbG8=\"", json!({"value": "aGVsbG8="})),
        ("expected=a", json!({"expected": "YQ=="})),
        ("expected:=null", json!({"expected": null})),
        ("limit=5", json!({"limit": 5})),
        ("limit=null", json!({"limit": null})),
        ("lease=null", json!({"lease": "null"})),
        ("ttl-ms=5000", json!({"ttl-ms": 5000})),
        ("ttl-ms=9007199254740993", json!({"ttl-ms": "9007199254740993"})),
        ("ttl-ms=18446744073709551615", json!({"ttl-ms": "18446744073709551615"})),
        ("ratio=1.5e3", json!({"ratio": 1500.0})),
        ("ratio=-Infinity", json!({"ratio": "-Infinity"})),
        ("wanted=true", json!({"wanted": true})),
        ("health=warning", json!({"health": "warning"})),
        ("page.limit=5", json!({"page": {"limit": 5}})),
        ("page={\"limit\":5}", json!({"page": {"limit": 5}})),
        ("options.dry-run=true", json!({"options": {"dry-run": true}})),
        ("holds=present", json!({"holds": {"present": null}})),
        ("holds.revision=5", json!({"holds": {"revision": "5"}})),
        ("holds.value=a", json!({"holds": {"value": "YQ=="}})),
        ("holds={\"revision\":\"5\"}", json!({"holds": {"revision": "5"}})),
        ("options.precondition.revision=7", json!({"options": {"precondition": {"revision": "7"}}})),
        ("options.precondition=present", json!({"options": {"precondition": {"present": null}}})),
        ("labels.app.kubernetes.io=x", json!({"labels": {"app.kubernetes.io": "x"}})),
        ("names=a", json!({"names": ["a"]})),
        ("names=[]", json!({"names": []})),
        ("names=[\"a\",\"b\"]", json!({"names": ["a", "b"]})),
        ("names:=[\"[\"]", json!({"names": ["["]})),
        ("steps=present", json!({"steps": [{"present": null}]})),
        ("steps:={\"revision\":\"1\"}", json!({"steps": [{"revision": "1"}]})),
        ("maybe.some=a", json!({"maybe": {"some": "a"}})),
        ("maybe=null", json!({"maybe": null})),
    ] {
        assert_eq!(built(&[text]), Ok(expected), "{text}");
    }
}

#[test]
fn repeating_a_name_makes_a_list_and_members_come_together() {
    assert_eq!(built(&["ports=1", "key=a", "ports=2"]), Ok(json!({"key": "a", "ports": [1, 2]})));
    assert_eq!(built(&["page.limit=1", "page.cursor=c"]), Ok(json!({"page": {"limit": 1, "cursor": "c"}})));
}

#[test]
fn what_cannot_be_meant_is_refused_in_words() {
    for (texts, needle) in [
        (&["vlaue=x"][..], "`kv.put` has no parameter `vlaue`; did you mean `value`?"),
        (&["zzzzzzzzz=x"], "there are `expected`"),
        (&["options.dryrun=true"], "no member `dryrun`; did you mean `dry-run`?"),
        (&["limit=five"], "a whole number was expected, found `five`"),
        (&["limit=+5"], "whole number"),
        (&["limit=5.0"], "whole number"),
        (&["wanted=yes"], "true or false"),
        (&["ratio=nan"], "a number was expected"),
        (&["health=passin"], "did you mean `passing`?"),
        (&["key=a", "key=b"], "given twice"),
        (&["names=[1", "names=b"], "JSON list"),
        (&["names=[]", "names=b", "names=[]"], "both whole and in parts"),
        (&["page=5"], "cursor, limit"),
        (&["page=5x", "page.limit=5"], "object"),
        (&["page={}", "page.limit=x"], "whole number"),
        (&["key.a=1"], "has no members"),
        (&["names.0=a"], "into a list"),
        (&["holds.present=x"], "takes no value"),
        (&["holds=revision"], "carries a string"),
        (&["holds.revison=5"], "did you mean `revision`?"),
        (&["holds.revision=5", "holds.value=a"], "two cases"),
        (&["holds=nothing"], "one of the cases"),
    ] {
        let error = built(texts).unwrap_err();
        assert!(error.contains(needle), "{texts:?}: {error}");
    }
}

#[test]
fn a_plugins_own_schema_types_its_settings() {
    let schema = json!({
        "type": "object",
        "properties": {
            "url": {"type": ["string", "array"], "items": {"type": "string"}},
            "timeout": {"type": "integer"},
            "mode": {"enum": ["fast", "safe"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "free": true,
            "tls.verify": {"type": "boolean"},
            "retry": {"type": "object", "properties": {"max": {"type": ["integer", "null"]}}},
        },
    });
    for (texts, expected) in [
        (&["url=http://a"][..], json!({"url": "http://a"})),
        (&["url=http://a", "url=http://b", "url=http://c"], json!({"url": ["http://a", "http://b", "http://c"]})),
        (&["url=[\"http://a\"]"], json!({"url": ["http://a"]})),
        (&["timeout=5", "mode=fast"], json!({"timeout": 5, "mode": "fast"})),
        (&["free=5"], json!({"free": 5})),
        (&["free=some text"], json!({"free": "some text"})),
        (&["free.a.b=1"], json!({"free": {"a": {"b": 1}}})),
        (&["tls.verify=false"], json!({"tls.verify": false})),
        (&["retry.max=null"], json!({"retry": {"max": null}})),
    ] {
        assert_eq!(built_under(&schema, texts), Ok(expected), "{texts:?}");
    }
}

#[test]
fn a_file_gives_bytes_as_they_are_and_other_values_without_the_white_space_around() {
    let schema = call_schema();
    let given = |path: &str, bytes: &[u8]| {
        let file = Assignment { path: path.to_owned(), given: Given::File(bytes.to_vec()) };
        build(Schema::new(&schema), Subject { owner: "`kv.put`", noun: "parameter" }, &[file]).map(Value::Object)
    };
    assert_eq!(given("value", b"\xff\n").unwrap(), json!({"value": "/wo="}));
    assert_eq!(given("key", b"a\n").unwrap(), json!({"key": "a\n"}));
    assert_eq!(given("limit", b" 5\n").unwrap(), json!({"limit": 5}));
    assert_eq!(given("page", b"{\"limit\": 5}\n").unwrap(), json!({"page": {"limit": 5}}));
    assert!(given("key", b"\xff").unwrap_err().0.contains("UTF-8"));
}

#[test]
fn assignments_lie_over_the_body_member_by_member_and_a_variant_whole() {
    let schema = call_schema();
    let over = |base: Value, texts: &[&str]| {
        let Value::Object(mut base) = base else { panic!("a body is an object") };
        let Ok(Value::Object(over)) = built(texts) else { panic!("{texts:?}") };
        merge(Schema::new(&schema), &mut base, over);
        Value::Object(base)
    };
    assert_eq!(
        over(json!({"key": "a", "options": {"dry-run": true}}), &["options.precondition.revision=5", "key=b"]),
        json!({"key": "b", "options": {"dry-run": true, "precondition": {"revision": "5"}}}),
    );
    assert_eq!(over(json!({"holds": {"revision": "5"}}), &["holds=present"]), json!({"holds": {"present": null}}));
    assert_eq!(over(json!({"names": ["a"]}), &["names=b"]), json!({"names": ["b"]}));
}
