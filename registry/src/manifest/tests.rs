use proptest::prelude::*;

use super::*;

const GOOD: &str = r#"
[plugin]
name = "etcd"
version = "0.1.0"
description = "etcd's keys, leases and locks"
license = "MIT OR Apache-2.0"
host = ">=0.1.0, <0.2.0"
capabilities = ["jackfield:key-value@0.1.0", "jackfield:key-value/locks@0.1.0"]

[[endpoints]]
name = "api"
description = "The members' client addresses"
address = "url"
methods = ["POST"]
paths = ["/v3/*", "/health"]

[limits]
memory-mib = 64

[[compatibility]]
system = "etcd"
versions = ["3.4", "3.5"]

[config]
type = "object"
required = ["url"]
[config.properties.url]
description = "Where"
type = ["string", "array"]
[config.properties.tuning]
type = "object"
[config.properties.tuning.properties.depth]
type = "integer"
default = 3
"#;

/// What is said of `GOOD` with one text replaced.
fn faults(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from}");
    match Manifest::from_toml(&GOOD.replacen(from, to, 1)) {
        Ok(_) => Vec::new(),
        Err(e) => e.faults.iter().map(ToString::to_string).collect(),
    }
}

fn fault(from: &str, to: &str) -> String {
    let faults = faults(from, to);
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.into_iter().next().unwrap()
}

#[test]
fn a_manifest_survives_the_way_into_a_package_and_back() {
    let manifest = Manifest::from_toml(GOOD).unwrap();
    assert_eq!(manifest.limits.memory_mib, Some(64));
    assert_eq!(manifest.plugin.capabilities[1].interface, "locks");
    let json = serde_json::to_vec(&manifest).unwrap();
    assert!(std::str::from_utf8(&json).unwrap().contains(r#""memory-mib":64"#));
    assert_eq!(Manifest::from_json(&json).unwrap(), manifest);
}

#[test]
fn a_configuration_allows_no_properties_the_schema_does_not_name() {
    let manifest = Manifest::from_toml(GOOD).unwrap();
    assert_eq!(manifest.config["additionalProperties"], false);
    assert_eq!(manifest.config["properties"]["tuning"]["additionalProperties"], false);
    let open = Manifest::from_toml(&GOOD.replace("[config]\n", "[config]\nadditionalProperties = true\n")).unwrap();
    assert_eq!(open.config["additionalProperties"], true);
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    assert_eq!(
        fault("license = ", "licence = "),
        "line 6: `plugin.licence`: is not a key of the manifest; did you mean `license`?"
    );
    assert_eq!(
        fault("memory-mib = 64", "memory_mib = 64"),
        "line 18: `limits.memory_mib`: is not a key of the manifest; did you mean `memory-mib`?"
    );
    assert_eq!(
        fault("[limits]", "[limitations]"),
        "line 17: `limitations`: is not a key of the manifest; known here: plugin, endpoints, limits, writes, compatibility, config"
    );
}

#[test]
fn writes_that_happen_once_a_key_are_named_one_by_one_or_all_of_a_capability() {
    let writes = |list: &str| GOOD.replace("[limits]", &format!("[writes]\nonce-by-key = {list}\n\n[limits]"));
    let manifest = Manifest::from_toml(&writes(r#"["key-value.put", "locks.*"]"#)).unwrap();
    for (action, once) in
        [("key-value.put", true), ("key-value.delete", false), ("locks.lock", true), ("locksmith.x", false)]
    {
        assert_eq!(manifest.writes.are_once_by_key(action), once, "{action}");
    }
    for bad in ["put", "*", "*.put", "a.b*", "a.", ".b", "a.b.c"] {
        let error = Manifest::from_toml(&writes(&format!("[{bad:?}]"))).unwrap_err().to_string();
        assert!(error.contains("names no write"), "{bad}: {error}");
    }
}

#[test]
fn a_missing_key_and_a_wrong_type_are_named() {
    assert_eq!(fault("name = \"etcd\"\n", ""), "line 2: `plugin.name`: is missing");
    assert_eq!(
        fault("methods = [\"POST\"]", "methods = \"POST\""),
        "line 14: `endpoints[0].methods`: expected a list of strings, found a string"
    );
    assert_eq!(
        fault("memory-mib = 64", "memory-mib = 0"),
        "line 18: `limits.memory-mib`: must be a whole number from 1 to 4096, is 0"
    );
    assert_eq!(
        fault("[[endpoints]]", "[endpoints]"),
        "line 10: `endpoints`: expected a list of tables; write `[[endpoints]]`, not `[endpoints]`"
    );
}

#[test]
fn all_faults_are_told_at_once() {
    let text = GOOD.replace("license = ", "licence = ").replace("memory-mib", "memroy-mib");
    assert_eq!(Manifest::from_toml(&text).unwrap_err().faults.len(), 2);
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let error = fault("[limits]", "[limits");
    assert!(error.starts_with("line 17: this is not TOML: "), "{error}");
}

#[test]
fn names_versions_ranges_and_capabilities_are_checked() {
    for (from, to, words) in [
        ("\"etcd\"", "\"Etcd\"", "must be lower-case letters"),
        ("\"etcd\"", "\"\"", "must not be empty"),
        ("version = \"0.1.0\"", "version = \"1\"", "is not a version such as `0.1.0`"),
        (">=0.1.0, <0.2.0", "0.1 or so", "is not a range of versions"),
        ("key-value/locks@0.1.0", "key-value/locks", "the version is missing"),
        ("jackfield:key-value/locks@0.1.0", "key-value@0.1.0", "the namespace is missing"),
        ("jackfield:key-value/locks@0.1.0", "jackfield:key-value@0.1.0", "is listed twice"),
        ("jackfield:key-value/locks@0.1.0", "jackfield:plugin/lifecycle@0.1.0", "every plugin exports the life cycle"),
        ("[\"jackfield:key-value@0.1.0\", \"jackfield:key-value/locks@0.1.0\"]", "[]", "names no capability"),
    ] {
        let fault = fault(from, to);
        assert!(fault.contains(words), "{to}: {fault}");
    }
}

#[test]
fn an_endpoint_asks_only_for_what_can_be_judged() {
    for (from, to, words) in [
        ("\"POST\"", "\"post\"", "is not one of GET"),
        ("\"POST\"", "\"CONNECT\"", "is not one of GET"),
        ("[\"POST\"]", "[]", "names no method"),
        ("\"/v3/*\"", "\"v3\"", "must start with `/`"),
        ("\"/v3/*\"", "\"/v3*\"", "`*` stands for a whole segment"),
        ("\"/v3/*\"", "\"/v3/../admin\"", "`..` is not allowed"),
        ("\"/v3/*\"", "\"/v3/%2e%2e/admin\"", "`%` is not allowed"),
        ("\"/v3/*\"", "\"/v3//x\"", "empty segment"),
        ("\"/v3/*\"", "\"/v3?x=1\"", "`?` is not allowed"),
        ("\"/v3/*\"", "\"/v]3\"", "`]` is not allowed"),
        ("\"/v3/*\"", "\"/v3/..;x/admin\"", "`..;x` is not allowed"),
        ("\"/v3/*\", \"/health\"", "", "names no path"),
        ("address = \"url\"", "address = \"ulr\"", "did you mean `url`?"),
        ("type = [\"string\", \"array\"]", "type = \"integer\"", "must allow type \"string\""),
    ] {
        let fault = fault(from, to);
        assert!(fault.contains(words), "{to}: {fault}");
    }
}

#[test]
fn two_endpoints_of_one_name_are_refused() {
    let second = "[[endpoints]]\nname = \"api\"\naddress = \"url\"\nmethods = [\"GET\"]\npaths = [\"/\"]\n[limits]";
    assert!(fault("[limits]", second).contains("two endpoints named `api`"));
}

#[test]
fn posts_that_only_read_are_paths_and_need_a_method() {
    let with = |methods: &str, posts: &str| {
        let endpoint = format!(
            "[[endpoints]]\nname = \"b\"\naddress = \"url\"\nmethods = {methods}\npaths = [\"/\"]\nsafe-posts = {posts}\n[limits]"
        );
        faults("[limits]", &endpoint)
    };
    assert!(with("[\"POST\"]", "[\"/query\"]").is_empty());
    assert!(with("[\"GET\"]", "[\"/query\"]")[0].to_string().contains("`methods` has none"));
    assert!(!with("[\"POST\"]", "[\"query\"]").is_empty());
}

#[test]
fn a_secret_has_no_place_in_the_configuration() {
    for to in ["type = \"integer\"\nwriteOnly = true", "type = \"string\"\nformat = \"password\""] {
        let fault = fault("type = \"integer\"", to);
        assert!(fault.starts_with("line 3") && fault.contains("looks like a secret"), "{fault}");
    }
    let hidden = "type = \"object\"\n[config.properties.x.anyOf.0]\n";
    assert!(!faults("type = \"object\"\nrequired", hidden).is_empty());
}

#[test]
fn a_schema_describes_an_object_and_refers_to_nothing_outside() {
    for (from, to, words) in [
        ("type = \"object\"\nrequired", "required", "must be \"object\""),
        ("required = [\"url\"]", "required = [\"urls\"]", "did you mean `url`?"),
        ("type = \"integer\"", "type = \"int\"", "did you mean"),
        ("type = \"integer\"", "\"$ref\" = \"http://169.254.169.254/\"", "must stay within this schema"),
        ("type = \"integer\"", "\"$ref\" = \"#\"", "must stay within this schema"),
        ("type = \"integer\"", "\"$ref\" = \"#/properties/url\"", "name a definition"),
        ("type = \"integer\"", "propertyNames = { \"$ref\" = \"file:///etc/passwd\" }", "must stay within this schema"),
        ("type = \"integer\"", "\"$dynamicRef\" = \"#a\"", "is not supported"),
        // Definitions that use each other twice double with each: forty of them are validated for ever.
        (
            "required = [\"url\"]",
            "\"$defs\" = { a = { allOf = [{ \"$ref\" = \"#/$defs/b\" }, { \"$ref\" = \"#/$defs/b\" }] }, b = {} }",
            "definitions refer to no others",
        ),
    ] {
        let faults = faults(from, to);
        assert!(faults.iter().any(|fault| fault.contains(words)), "{to}: {faults:?}");
    }
}

#[test]
fn an_address_has_no_default_since_it_is_a_grant() {
    let faults = faults("[config.properties.url]", "[config.properties.url]\ndefault = \"http://127.0.0.1:7575\"");
    assert!(faults.iter().any(|fault| fault.contains("only the operator gives")), "{faults:?}");
}

#[test]
fn patterns_are_few_and_short() {
    let long = format!("type = \"integer\"\npattern = \"{}\"", "a".repeat(600));
    assert!(faults("type = \"integer\"", &long).iter().any(|fault| fault.contains("longer than 512")));
    let many: Vec<String> = (0..40).map(|n| format!("{{ pattern = \"{n}\" }}")).collect();
    let many = format!("type = \"integer\"\nanyOf = [{}]", many.join(", "));
    assert!(faults("type = \"integer\"", &many).iter().any(|fault| fault.contains("more than 32 patterns")));
}

#[test]
fn a_definition_can_be_used_often() {
    let used = "required = [\"url\"]\n\"$defs\" = { port = { type = \"integer\" } }";
    assert_eq!(faults("required = [\"url\"]", used), Vec::<String>::new());
}

#[test]
fn a_manifest_without_configuration_allows_none() {
    let text = "[plugin]\nname = \"a\"\nversion = \"1.0.0\"\ndescription = \"d\"\nhost = \"*\"\ncapabilities = [\"a:b@1.0.0\"]";
    assert_eq!(Manifest::from_toml(text).unwrap().config["additionalProperties"], false);
}

#[test]
fn an_endless_manifest_is_not_read() {
    assert!(Manifest::from_toml(&" ".repeat(300_000)).is_err());
    assert!(Manifest::from_json(&vec![b'['; 300_000]).is_err());
    assert!(Manifest::from_json("[".repeat(200_000).as_bytes()).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\[\\[?[a-z.]{0,12}\\]?\\]?\n|[a-z-]{1,12} = (\"[^\"\n]{0,8}\"|[0-9]{1,20}|\\[[0-9\", ]{0,6}\\])\n){0,12}") {
        let _ = Manifest::from_toml(&text);
    }

    #[test]
    fn no_json_makes_the_reader_panic(json in "[\\[\\]{}\",:a-z0-9 ]{0,200}") {
        let _ = Manifest::from_json(json.as_bytes());
    }
}

#[test]
fn a_capability_may_have_words_of_digits_as_wit_has() {
    let names = |name: &str| GOOD.replace("jackfield:key-value/locks@0.1.0", name);
    let manifest = Manifest::from_toml(&names("acme:route-53@1.0.0")).unwrap();
    assert_eq!(manifest.plugin.capabilities[1].package, "route-53");
    for bad in ["acme:53-route@1.0.0", "acme:route-@1.0.0", "acme:route--53@1.0.0", "acme:Route@1.0.0"] {
        assert!(Manifest::from_toml(&names(bad)).is_err(), "{bad}");
    }
}

#[test]
fn names_of_a_hundred_thousand_letters_are_refused_without_being_compared() {
    // Comparing these two would take eighty gigabytes.
    let (wanted, known) = ("a".repeat(100_000), "b".repeat(100_000));
    let manifest = serde_json::json!({
        "plugin": {"name": "a", "version": "1.0.0", "description": "d", "host": "*", "capabilities": ["a:b@1.0.0"]},
        "config": {"type": "object", "required": [wanted], "properties": {known: {}}},
    });
    let error = Manifest::from_json(manifest.to_string().as_bytes()).unwrap_err();
    assert!(error.faults[0].message.contains("which `properties` does not describe"), "{}", error.faults.len());
}

#[test]
fn ten_thousand_faults_are_not_all_looked_for() {
    let many = |letter: char| (0..10_000).map(|n| format!("{letter}{n}")).collect::<Vec<_>>();
    let properties: Map<String, Value> = many('p').into_iter().map(|name| (name, Value::Bool(true))).collect();
    let manifest = serde_json::json!({
        "plugin": {"name": "a", "version": "1.0.0", "description": "d", "host": "*", "capabilities": ["a:b@1.0.0"]},
        "config": {"type": "object", "required": many('q'), "properties": properties},
    });
    assert_eq!(Manifest::from_json(manifest.to_string().as_bytes()).unwrap_err().faults.len(), 64);
}

#[test]
fn a_long_key_around_a_long_list_is_not_repeated_for_each_item() {
    let line = format!("{} = [{}]\n", "k".repeat(100_000), "1,".repeat(60_000));
    assert!(Manifest::from_toml(&format!("{GOOD}{line}")).is_ok());
    let error = Manifest::from_toml(&format!("{line}{GOOD}")).unwrap_err();
    assert!(error.faults[0].message.contains("is not a key of the manifest"), "{}", error.faults.len());
}

#[test]
fn an_endpoint_without_a_description_is_still_none_when_the_manifest_comes_out_of_its_package() {
    let manifest = Manifest::from_toml(&GOOD.replace("description = \"The members' client addresses\"\n", "")).unwrap();
    assert_eq!(manifest.endpoints[0].description, "");
    let json = serde_json::to_vec(&manifest).unwrap();
    assert_eq!(Manifest::from_json(&json).unwrap(), manifest);
}

#[test]
fn what_an_operator_is_asked_about_can_be_read_and_is_no_more_than_can_be_judged() {
    let odd = GOOD
        .replace("address = \"url\"", "address = \"url`): GET /\"")
        .replace("config.properties.url", "config.properties.\"url`): GET /\"");
    let faults = Manifest::from_toml(&odd.replace("required = [\"url\"]", "")).unwrap_err().faults;
    assert!(faults.iter().any(|fault| fault.to_string().contains("letters, digits")), "{faults:?}");
    let endpoint = |number: usize| {
        let paths: Vec<String> = (0..128).map(|path| format!("\"/p{path}\"")).collect();
        format!(
            "[[endpoints]]\nname = \"e{number}\"\ndescription = \"d\"\naddress = \"url\"\nmethods = [\"GET\", \"PUT\"]\npaths = [{}]\n",
            paths.join(", ")
        )
    };
    let with = |count: usize| {
        let endpoints: String = (0..count).map(endpoint).collect();
        Manifest::from_toml(&GOOD.replace("[limits]", &format!("{endpoints}[limits]")))
    };
    assert!(with(3).is_ok());
    let faults = with(4).unwrap_err().faults;
    assert!(faults.iter().any(|fault| fault.to_string().contains("at most 1000")), "{faults:?}");
}
