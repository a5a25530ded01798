//! A plugin with a capability that the host has never seen, written outside the repository against the SDK and its own
//! WIT, is packed, installed and served over REST, command line and OpenAPI by the program as it was built.

use jackfield_tests::{Stand, base64, fixture::Fixture};
use serde_json::{Value, json};

fn stand() -> Stand {
    let stand = Stand::start();
    let fixture = Fixture::copy("parcels");
    let packed = fixture.pack();
    let packed = packed.to_str().unwrap();
    let plan = stand.server().cli(&["plugin", "inspect", packed]).unwrap();
    let accept = plan["accept"].as_str().map(|accept| vec!["--accept", accept]).unwrap_or_default();
    let installed =
        stand.server().cli(&[&["plugin", "install", packed, "--allow-unsigned"], &accept[..]].concat()).unwrap();
    assert_eq!(installed["capabilities"], json!(["acme:parcels@0.3.0"]), "{installed}");
    let added =
        stand.server().cli(&["integration", "add", "mail", "--plugin", "parcels", "--set", "depot=Ulm"]).unwrap();
    assert_eq!(added["config"], json!({"depot": "Ulm"}), "{added}");
    stand
}

fn parcel() -> Value {
    json!({
        "number": "18446744073709551615",
        "addressee": "Zoë \u{1F4E6}",
        "contents": {"chilled": [0.1, "NaN", "-Infinity", -0.0, 5e-324]},
        "handling": ["fragile", "cold"],
        "size": [1, 2, 4294967295u32],
        "signature": {"some": null},
    })
}

#[test]
fn a_capability_of_a_strangers_is_served_everywhere() {
    let stand = stand();
    let server = stand.server();

    // REST: writes, reads, errors.
    let mut handed = parcel();
    handed["contents"] = json!({"scanned": base64([0, 255, 10])});
    assert_eq!(server.ok("mail", "parcels.hand-in", &json!({"parcel": handed})).unwrap(), Value::Null);
    let found = server.get("/v1/integrations/mail/parcels/find?addressee=Zo%C3%AB%20%F0%9F%93%A6").unwrap();
    assert_eq!(found["contents"], json!({"scanned": base64([0, 255, 10])}));
    assert_eq!(found["number"], json!("18446744073709551615"));
    let (status, problem) = server.call("mail", "parcels.find", &json!({"addressee": "x"})).unwrap();
    assert_eq!((status, &problem["kind"]), (404, &json!("not-found")), "{problem}");
    let (status, problem) = server.call("mail", "parcels.hand-in", &json!({"parcel": parcel()})).unwrap();
    assert_eq!((status, &problem["field"]), (400, &json!("/parcel/contents")), "{problem}");
    // A write is never a GET.
    assert_eq!(server.send("GET", "/v1/integrations/mail/parcels/hand-in", &Value::Null).unwrap().0, 405);

    // The command line.
    let told = server.cli(&["call", "mail", "parcels.depot"]).unwrap();
    assert_eq!(serde_json::from_str::<Value>(told.as_str().unwrap()).unwrap()["depot"], "Ulm");
    let shown = server.cli(&["capability", "show", "parcels"]).unwrap();
    assert_eq!(shown["id"], "acme:parcels@0.3.0");
    let kinds: Vec<_> = shown["operations"].as_array().unwrap().iter().map(|o| (&o["name"], &o["kind"])).collect();
    let expected = [("echo", "read"), ("depot", "read"), ("find", "read"), ("hand-in", "write")];
    assert_eq!(kinds, expected.map(|(name, kind)| (json!(name), json!(kind))).each_ref().map(|(n, k)| (n, k)));
    let checked = server.cli(&["integration", "check", "mail"]).unwrap();
    assert_eq!((&checked["state"], &checked["system-version"]), (&json!("healthy"), &json!("9.9")), "{checked}");

    // OpenAPI and docs: the words of the WIT.
    let openapi = server.get("/openapi.json").unwrap();
    let path = &openapi["paths"]["/v1/integrations/mail/parcels/find"];
    assert!(path["post"].is_object() && path["get"].is_object(), "{path}");
    assert!(openapi.to_string().contains("Finds a parcel by its addressee."));
    assert!(openapi["paths"]["/v1/integrations/mail/parcels/hand-in"]["get"].is_null());
    let wit = jackfield_peers::http::get(server.address(), "/v1/capabilities/parcels?format=wit").unwrap().text();
    assert!(wit.contains("package acme:parcels@0.3.0") && wit.contains("/// Keep it cold."), "{wit}");
}

#[test]
fn every_kind_of_value_comes_back_as_it_went() {
    let stand = stand();
    let sent = json!({"parcel": parcel(), "grade": "é", "delta": "-9223372036854775808", "verdict": {"error": "no"}});
    let answer = stand.server().ok("mail", "parcels.echo", &sent).unwrap();
    // The least of the subnormal numbers may be spelt in more than one way.
    assert_eq!(answer, json!([parcel(), "é", "-9223372036854775808", {"error": "no"}]));
    for signature in [Value::Null, json!({"some": "Z"})] {
        let mut sent = sent.clone();
        sent["parcel"]["signature"] = signature.clone();
        let answer = stand.server().ok("mail", "parcels.echo", &sent).unwrap();
        assert_eq!(answer[0].get("signature").cloned().unwrap_or_default(), signature, "{answer}");
    }
}

#[test]
fn a_value_that_does_not_fit_is_pointed_at() {
    let stand = stand();
    let good = json!({"parcel": parcel(), "grade": "a", "delta": 1, "verdict": {"ok": 1}});
    for (pointer, value) in [
        ("/parcel/number", json!(-1)),
        ("/parcel/contents", json!({"melted": 1})),
        ("/parcel/contents/chilled/1", json!("warm")),
        ("/parcel/handling/0", json!("soft")),
        ("/parcel/size", json!([1, 2])),
        ("/grade", json!("ab")),
        ("/delta", json!("9223372036854775808")),
        ("/verdict/ok", json!(256)),
    ] {
        let mut sent = good.clone();
        *sent.pointer_mut(pointer).unwrap() = value.clone();
        let (status, problem) = stand.server().call("mail", "parcels.echo", &sent).unwrap();
        assert_eq!((status, &problem["kind"], &problem["source"]), (400, &json!("invalid"), &json!("caller")));
        let field = problem["field"].as_str().unwrap();
        assert!(field.starts_with(pointer), "{value} at {pointer} is reported at {field}: {problem}");
    }
    let mut unknown = good.clone();
    unknown["parcel"]["adressee"] = json!("x");
    let (status, problem) = stand.server().call("mail", "parcels.echo", &unknown).unwrap();
    assert_eq!(status, 400);
    assert!(problem["detail"].as_str().unwrap().contains("adressee"), "{problem}");
}

#[test]
fn a_fault_in_the_plugin_is_the_plugins_and_hurts_no_other_call() {
    let stand = stand();
    let server = stand.server();
    for _ in 0..3 {
        let (status, problem) = server.call("mail", "parcels.find", &json!({"addressee": "nobody"})).unwrap();
        assert_eq!((status, &problem["kind"], &problem["source"]), (500, &json!("internal"), &json!("plugin")));
        let (status, _) = server.call("mail", "parcels.depot", &json!({})).unwrap();
        assert_eq!(status, 200);
    }
}

#[test]
fn a_plugins_own_judgement_of_its_configuration_counts() {
    let stand = stand();
    let add = |config: Value| {
        let new = json!({"name": "second", "plugin": "parcels", "config": config});
        stand.server().send("POST", "/v1/integrations", &new).unwrap()
    };
    let (status, problem) = add(json!({"depot": "nowhere"}));
    assert_eq!(status, 400, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("there is no depot nowhere"), "{problem}");
    assert!(problem["field"].as_str().unwrap().ends_with("/depot"), "{problem}");
    assert_eq!(add(json!({"depot": "Bonn"})).0, 201);
}
