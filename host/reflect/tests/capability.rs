//! Capabilities and operations from WIT alone.

use jackfield_reflect::{JsonLimits, Operation, OperationKind, ReflectError, operations, read_wit};
use serde_json::json;

const TYPES: &str = "
package test:root@0.1.0;
package jackfield:types@0.1.0 {
  interface types {
    record error { message: string }
    record page { cursor: option<string>, limit: option<u32> }
    record write-options { idempotency-key: option<string>, dry-run: bool }
  }
}
";

fn capability(body: &str) -> Result<Vec<Operation>, ReflectError> {
    let text = format!(
        "{TYPES} package acme:dns@0.1.0 {{ interface dns {{ use jackfield:types/types@0.1.0.{{error, page, write-options}}; {body} }} }}"
    );
    let packages = read_wit(&text)?;
    operations(packages.iter().find(|p| p.id.name == "dns").unwrap())
}

#[test]
fn what_ends_in_write_options_is_a_write_and_anything_else_a_read() {
    let ops = capability(
        "get: func(name: string) -> result<string, error>;
         put: func(name: string, options: write-options) -> result<_, error>;
         odd: func(options: write-options, name: string) -> result<_, error>;",
    )
    .unwrap();
    let kinds: Vec<_> = ops.iter().map(|o| o.kind).collect();
    assert_eq!(kinds, [OperationKind::Read, OperationKind::Write, OperationKind::Read]);
}

#[test]
fn a_feed_and_a_paged_list_are_known_by_their_signatures() {
    let ops = capability(
        "record batch { changes: list<string>, next: string }
         record names { items: list<string>, next: option<string> }
         poll-changes: func(cursor: option<string>, wait-ms: u32) -> result<batch, error>;
         names: func(page: page) -> result<names, error>;",
    );
    // `names` is a type too: WIT has one name space for both, and the parser says so.
    assert!(ops.is_err());
    let ops = capability(
        "record batch { changes: list<string>, next: string }
         record name-page { items: list<string>, next: option<string> }
         poll-changes: func(cursor: option<string>, wait-ms: u32) -> result<batch, error>;
         names: func(page: page) -> result<name-page, error>;",
    )
    .unwrap();
    assert!(ops[0].feed && !ops[0].paged);
    assert!(ops[1].paged && !ops[1].feed);
    assert_eq!(ops[0].change_schema().unwrap()["type"], "string");
}

#[test]
fn what_may_be_left_out_is_left_out_of_required_too() {
    let ops = capability(
        "list-names: func(prefix: string, all: bool, tags: list<string>, page: page, options: write-options) -> result<_, error>;",
    )
    .unwrap();
    assert_eq!(ops[0].request_schema()["required"], json!(["prefix"]));
    ops[0].decode_params(br#"{"prefix": "a"}"#, &JsonLimits::default()).unwrap();
}

#[test]
fn a_resource_cannot_be_served_and_the_error_says_what_to_do() {
    let error = capability("resource r; open: func() -> result<own<r>, error>;").unwrap_err().to_string();
    assert!(error.contains("resource `r`") && error.contains("pass its data instead"), "{error}");
}

#[test]
fn a_package_without_a_version_is_refused() {
    let error = read_wit("package acme:dns; interface dns { f: func(); }").unwrap_err().to_string();
    assert!(error.contains("package acme:dns@0.1.0;"), "{error}");
}

#[test]
fn pairs_of_name_and_text_become_the_body_the_shapes_ask_for() {
    let ops = capability(
        "record range { low: u8, high: option<u8> }
         variant which { all, named(string), ranged(range) }
         f: func(name: string, n: option<u64>, tags: list<string>, which: which, page: page, x: f64) -> result<_, error>;",
    )
    .unwrap();
    let pairs = [
        ("name", "7"),
        ("n", "18446744073709551615"),
        ("tags", "a"),
        ("tags", "b"),
        ("which.ranged.low", "3"),
        ("page.limit", "5"),
        ("page.cursor", "c"),
        ("x", "Infinity"),
    ];
    let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let body = ops[0].params_from_query(&pairs).unwrap();
    assert_eq!(
        body,
        json!({"name": "7", "n": "18446744073709551615", "tags": ["a", "b"], "which": {"ranged": {"low": 3}},
               "page": {"limit": 5, "cursor": "c"}, "x": "Infinity"})
    );
    ops[0].decode_params(body.to_string().as_bytes(), &JsonLimits::default()).unwrap();
    let error = ops[0].params_from_query(&[("nmae".into(), "x".into())]).unwrap_err().to_string();
    assert_eq!(error, "at `/nmae`: `dns.f` has no parameter of this name. Did you mean `name`?");
    let error = ops[0].params_from_query(&[("page.limt".into(), "x".into())]).unwrap_err().to_string();
    assert!(error.contains("Did you mean `limit`?"), "{error}");
    let error = ops[0].params_from_query(&[("x".into(), "1".into()), ("x".into(), "2".into())]).unwrap_err();
    assert_eq!(error.message, "it is given twice");
}

#[test]
fn the_projects_own_wit_is_servable_and_documented() {
    let wit = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let read = |path: &str| std::fs::read_to_string(wit.join(path)).unwrap();
    let types =
        read("types/types.wit").replacen("package jackfield:types@0.1.0;", "package jackfield:types@0.1.0 {", 1) + "}";
    for package in ["key-value", "orchestrator", "service-discovery", "metrics", "alerting"] {
        let text = format!("{}\n{types}", read(&format!("{package}/{package}.wit")));
        let packages = read_wit(&text).unwrap();
        let package = packages.iter().find(|p| p.id.name == package).unwrap();
        for operation in operations(package).unwrap() {
            assert!(!operation.docs.is_empty(), "{} has no docs", operation.action());
            assert!(operation.fallible, "{} returns no result", operation.action());
            let schema = operation.request_schema();
            jsonschema::draft202012::new(&schema).unwrap();
            jsonschema::draft202012::new(&operation.response_schema()).unwrap();
        }
    }
}

#[test]
fn types_that_double_line_by_line_are_refused_before_anybody_walks_them() {
    let doubling = |levels: usize| {
        let lines = (0..levels).map(|n| format!("type t{n} = tuple<t{0}, t{0}>; ", n + 1)).collect::<String>();
        capability(&format!("{lines} type t{levels} = string; get: func(it: t0) -> result<_, error>;"))
    };
    assert!(doubling(10).is_ok());
    for levels in [24, 60] {
        let error = doubling(levels).unwrap_err();
        assert!(matches!(error, ReflectError::TooLarge { .. }), "{error}");
    }
}

#[test]
fn a_name_that_stands_twice_in_one_type_is_refused_as_a_component_would_be() {
    // The text parses; comparing it with the component by name would find the first of the two, and take them for equal.
    for (body, place) in [
        ("record r { a: u8, b: u8, a: string } f: func() -> r;", "record `r`"),
        ("variant v { a, b(u8), a(string) } f: func() -> v;", "variant `v`"),
        ("enum e { a, a } f: func() -> e;", "enum `e`"),
        ("flags g { a, a } f: func() -> g;", "flags `g`"),
    ] {
        let error = capability(body).unwrap_err().to_string();
        assert!(error.contains(&format!("`a` stands twice in the {place}")), "{body}: {error}");
    }
}

const AGED: &str = r"
package test:root@0.1.0;
package acme:dns@0.3.1 {
  @since(version = 0.1.0)
  interface dns {
    @since(version = 0.1.0)
    @deprecated(version = 0.2.0)
    type seconds = u32;
    @since(version = 0.1.0)
    @deprecated(version = 0.3.0)
    record lifetime { ttl: seconds, jitter: u32 }
    @since(version = 0.1.0)
    @deprecated(version = 0.3.0)
    lookup: func(name: string, wait: seconds) -> result<lifetime, string>;
    @since(version = 0.2.0)
    resolve: func(name: string) -> result<list<string>, string>;
    @since(version = 0.1.0)
    @deprecated(version = 0.4.0)
    reverse: func(address: string) -> result<string, string>;
  }
  @since(version = 0.1.0)
  @deprecated(version = 0.3.1)
  interface zones {
    zones: func() -> list<string>;
  }
}
";

#[test]
fn age_and_deprecation_are_read_from_the_wit_and_a_version_of_removal_is_derived() {
    let packages = read_wit(AGED).unwrap();
    let ops = operations(packages.iter().find(|p| p.id.name == "dns").unwrap()).unwrap();
    let told = |o: &Operation| {
        let deprecated = o.stability.deprecated.as_ref().map(ToString::to_string);
        (o.name.clone(), o.stability.since.as_ref().map(ToString::to_string), deprecated)
    };
    let row = |name: &str, since: &str, deprecated: Option<&str>| {
        let words = |since| format!("deprecated since {since}, removed in 0.4.0 at the earliest");
        (name.to_owned(), Some(since.to_owned()), deprecated.map(words))
    };
    let expected = [
        row("lookup", "0.1.0", Some("0.3.0")),
        row("resolve", "0.2.0", None),
        // Deprecated in a version that is still to come: nothing is to be said of it yet.
        row("reverse", "0.1.0", None),
        // What is said of an interface holds of its functions.
        row("zones", "0.1.0", Some("0.3.1")),
    ];
    assert_eq!(ops.iter().map(told).collect::<Vec<_>>(), expected);
}

#[test]
fn schemas_say_of_deprecated_types_and_of_members_of_a_deprecated_alias_that_they_are() {
    let packages = read_wit(AGED).unwrap();
    let ops = operations(packages.iter().find(|p| p.id.name == "dns").unwrap()).unwrap();
    let request = ops[0].request_schema();
    assert_eq!(request["properties"]["wait"]["deprecated"], true, "{request}");
    assert!(request["properties"]["name"].get("deprecated").is_none(), "{request}");
    let lifetime = &ops[0].response_schema()["$defs"]["acme.dns.lifetime"];
    assert_eq!(lifetime["deprecated"], true, "{lifetime}");
    let said = lifetime["description"].as_str().unwrap();
    assert!(said.contains("deprecated since 0.3.0, removed in 0.4.0 at the earliest"), "{said}");
    assert_eq!(lifetime["properties"]["ttl"]["deprecated"], true, "{lifetime}");
    assert!(lifetime["properties"]["jitter"].get("deprecated").is_none(), "{lifetime}");
}

#[test]
fn something_that_is_there_since_a_version_still_to_come_is_refused() {
    let wit = "package a:b@0.1.0; interface b { @since(version = 0.2.0) f: func(); }";
    let error = read_wit(wit).unwrap_err().to_string();
    assert!(error.contains("0.2.0"), "{error}");
}
