//! Against answers as OpenBao 2.7 gives them.

use jackfield_sdk::testing::{self, Answer, Sent};
use serde_json::{Value, json};

use super::*;
use crate::CredentialIssuer as _;

const GONE: &str = r#"{"errors":["1 error occurred:\n\t* invalid accessor\n\n"]}"#;

fn wish(parameters: &str, key: &str) -> Wish {
    Wish { credential: "orders".into(), parameters: parameters.into(), key: key.into() }
}

fn auth(number: usize, seconds: u64) -> Value {
    json!({
        "data": null, "warnings": null,
        "auth": {
            "client_token": "s.5evT4fWBPJyBGmKXUivX8ytk", "accessor": format!("accessor-{number}"),
            "policies": ["app", "default"], "lease_duration": seconds, "renewable": true, "token_type": "service",
        },
    })
}

/// An OpenBao that makes tokens, but for what `instead` answers.
fn openbao(mut instead: impl FnMut(&Sent) -> Option<Answer> + 'static) {
    testing::reset();
    testing::set_config("{}");
    let mut made = 0;
    testing::answer(move |sent| {
        if let Some(answer) = instead(sent) {
            return answer;
        }
        match sent.path_and_query.rsplit('/').next().unwrap() {
            "revoke-accessor" => Answer::new(204, ""),
            "renew-accessor" => {
                let seconds = body(sent)["increment"].as_u64().unwrap();
                Answer::json(200, &auth(made, seconds).to_string())
            }
            "lookup-accessor" => Answer::json(200, r#"{"data":{"id":"","meta":{"jackfield-ttl":"3600"},"ttl":50}}"#),
            _ => {
                made += 1;
                Answer::json(200, &auth(made, 60).to_string())
            }
        }
    });
}

fn body(sent: &Sent) -> Value {
    serde_json::from_slice(&sent.body).unwrap()
}

/// What was asked, in a word each.
fn asked() -> Vec<String> {
    let sent = testing::sent();
    assert!(sent.iter().all(|sent| sent.endpoint == "tokens"));
    sent.iter().map(|sent| sent.path_and_query.replace("/v1/auth/token/", "")).collect()
}

fn at(path: &'static str, status: u16, answer: &'static str) -> impl FnMut(&Sent) -> Option<Answer> {
    move |sent| sent.path_and_query.ends_with(path).then(|| Answer::json(status, answer))
}

#[test]
fn a_token_lives_for_a_minute_until_it_is_noted_and_then_for_its_whole_life() {
    openbao(|_| None);
    let issued = OpenBaoPlugin::issue(wish(r#"{"policies": ["app"], "ttl": "1h"}"#, "w1")).unwrap();
    assert_eq!((issued.handle.as_str(), issued.lifetime_s), ("accessor-1", Some(3600)));
    assert_eq!(issued.fields[0].name, "token");
    assert_eq!(issued.fields[0].value, "secret-at:/auth/client_token", "a name stands for it");
    assert_eq!(asked(), ["create", "renew-accessor"]);
    let sent = testing::sent();
    assert_eq!(
        body(&sent[0]),
        json!({
            "policies": ["app"], "ttl": "60s", "renewable": true, "type": "service", "display_name": "orders",
            "meta": {"jackfield-credential": "orders", "jackfield-ttl": "3600"},
        })
    );
    assert_eq!(body(&sent[1]), json!({"accessor": "accessor-1", "increment": 3600}));
}

#[test]
fn a_wish_whose_answer_was_lost_leaves_no_token_behind() {
    openbao(|_| None);
    let again = || OpenBaoPlugin::issue(wish(r#"{"role": "app"}"#, "w1")).unwrap();
    assert_eq!((again().handle, again().handle), ("accessor-1".into(), "accessor-2".into()));
    assert_eq!(asked(), ["create/app", "renew-accessor", "revoke-accessor", "create/app", "renew-accessor"]);
    assert_eq!(body(&testing::sent()[2]), json!({"accessor": "accessor-1"}));
    // The next wish lets the one before be.
    OpenBaoPlugin::issue(wish(r#"{"role": "app"}"#, "w2")).unwrap();
    assert_eq!(asked()[5..], ["create/app", "renew-accessor"]);
}

#[test]
fn a_token_that_is_not_to_be_is_revoked_and_why_is_told() {
    let warned = r#"{"warnings":["Policy \"nosuch\" does not exist"],"auth":{"client_token":"s.x","accessor":"a","lease_duration":60,"renewable":true}}"#;
    let fixed =
        r#"{"warnings":null,"auth":{"client_token":"s.x","accessor":"a","lease_duration":60,"renewable":false}}"#;
    for (path, status, answer, word) in [
        ("/create", 200, warned, "nosuch"),
        ("/create", 200, fixed, "renewable"),
        ("/renew-accessor", 403, r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#, "renew-accessor"),
    ] {
        openbao(at(path, status, answer));
        let error = OpenBaoPlugin::issue(wish(r#"{"policies": ["app", "nosuch"]}"#, "w1")).unwrap_err();
        assert!(error.message.contains(word), "{}", error.message);
        assert_eq!(asked().last().unwrap(), "revoke-accessor");
        assert!(state::list_all("").unwrap().is_empty());
    }
    // A batch token has nothing to revoke it by.
    let batch = r#"{"auth":{"client_token":"b.x","accessor":"","lease_duration":60,"renewable":false}}"#;
    openbao(at("/create/app", 200, batch));
    let error = OpenBaoPlugin::issue(wish(r#"{"role": "app"}"#, "w1")).unwrap_err();
    assert!(error.message.contains("batch"), "{}", error.message);
    assert_eq!(asked(), ["create/app"]);
}

#[test]
fn where_a_token_cannot_be_revoked_either_the_host_is_told_to_ask_again() {
    let down = r#"{"errors":["Vault is sealed"]}"#;
    openbao(move |sent| (!sent.path_and_query.ends_with("/create")).then(|| Answer::json(503, down)));
    let error = OpenBaoPlugin::issue(wish(r#"{"policies": ["app"]}"#, "w1")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::OutcomeUnknown);
    assert!(error.message.contains("`accessor-1` could not be revoked"), "{}", error.message);
    assert!(!error.message.contains("s.5evT"));
}

#[test]
fn what_an_earlier_answer_has_left_is_revoked_before_anything_else_or_said_to_be_left() {
    openbao(|_| None);
    OpenBaoPlugin::issue(wish(r#"{"policies": ["app"]}"#, "w1")).unwrap();
    // The operator has changed what is asked for meanwhile, and made a mistake.
    let error = OpenBaoPlugin::issue(wish("{}", "w1")).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Invalid(_)), "{error:?}");
    assert_eq!(asked()[2..], ["revoke-accessor"]);
    OpenBaoPlugin::issue(wish(r#"{"policies": ["app"]}"#, "w2")).unwrap();
    testing::answer(|_| Answer::json(403, r#"{"errors":["permission denied"]}"#));
    assert_eq!(OpenBaoPlugin::issue(wish("{}", "w2")).unwrap_err().kind, ErrorKind::OutcomeUnknown);
}

#[test]
fn an_answer_that_is_lost_is_told_as_such() {
    for (status, body) in [(502, "<html>"), (200, "{\"auth\":{\"client_token\":\"s.x\"}}")] {
        openbao(at("/create", status, body));
        let error = OpenBaoPlugin::issue(wish(r#"{"policies": ["app"]}"#, "w1")).unwrap_err();
        assert_eq!(error.kind, ErrorKind::OutcomeUnknown, "{error:?}");
    }
}

#[test]
fn a_token_is_renewed_for_what_it_was_made_for() {
    openbao(|_| None);
    assert_eq!(OpenBaoPlugin::renew("accessor-1".into()), Ok(Some(3600)));
    assert_eq!(asked(), ["lookup-accessor", "renew-accessor"]);
    openbao(at("/lookup-accessor", 200, r#"{"data":{"meta":null}}"#));
    assert_eq!(OpenBaoPlugin::renew("accessor-1".into()).unwrap_err().kind, ErrorKind::Unsupported);
}

#[test]
fn a_token_that_has_ended_was_taken_back_and_is_forgotten() {
    openbao(|sent| body(sent).get("accessor").is_some().then(|| Answer::json(400, GONE)));
    state::Batch::new()
        .set_json("made/orders", &Made { wish: "w1".into(), accessor: "a".into() }, state::Expect::Any)
        .unwrap()
        .set_json("made/other", &Made { wish: "w2".into(), accessor: "b".into() }, state::Expect::Any)
        .unwrap()
        .commit()
        .unwrap();
    assert_eq!(OpenBaoPlugin::verify("a".into()), Ok(false));
    assert_eq!(OpenBaoPlugin::renew("a".into()).unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(OpenBaoPlugin::revoke("a".into()), Ok(()));
    let left: Vec<String> = state::list_all("").unwrap().into_iter().map(|item| item.key).collect();
    assert_eq!(left, ["made/other"]);
    // OpenBao 2.7 has a warning for it instead of an error.
    openbao(at(
        "/revoke-accessor",
        200,
        r#"{"data":null,"warnings":["No token found with this accessor"],"auth":null}"#,
    ));
    assert_eq!(OpenBaoPlugin::revoke("a".into()), Ok(()));
    openbao(|_| None);
    assert_eq!(OpenBaoPlugin::verify("a".into()), Ok(true));
}
