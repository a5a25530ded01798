//! Credentials that a person consents to, with a real authorization server that rotates refresh tokens and ends a consent
//! when it sees an old one again.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use jackfield_peers::{http, peer};
use jackfield_tests::{Stand, authorization_server::AuthorizationServer, text};
use serde_json::{Value, json};

/// Older than what a token must be to be blamed for a refusal.
const OLD: Duration = Duration::from_secs(11);

fn start() -> jackfield_peers::Result<AuthorizationServer> {
    AuthorizationServer::start(&json!([{
        "client_id": "jackfield", "application_type": "native", "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        "redirect_uris": ["http://127.0.0.1/callback"], "response_types": ["code"],
        "scope": "openid offline_access read",
    }]))
}

/// A server with a vault, a credential that nobody has consented to, and an integration that uses it.
fn stand(server: &AuthorizationServer) -> Stand {
    let stand = Stand::start();
    stand.install("unruly");
    stand.init_vault();
    let url = server.url();
    let credential = json!({"type": "oauth2-user", "fields": {
        "token-url": format!("{url}/token"), "device-authorization-url": format!("{url}/device/auth"),
        "authorization-url": format!("{url}/auth?prompt=consent"), "client-id": "jackfield", "issuer": url,
        "scope": "openid offline_access read",
    }});
    let (status, answer) = stand.server().send("PUT", "/v1/credentials/person", &credential).unwrap();
    assert_eq!(status, 200, "{answer}");
    let new = json!({
        "name": "wild", "plugin": "unruly", "config": {"url": url},
        "endpoints": {"api": {"credential": {"name": "person", "allow-plain-http": true}}},
    });
    let (status, answer) = stand.server().send("POST", "/v1/integrations", &new).unwrap();
    assert_eq!(status, 201, "{answer}");
    stand
}

/// What the plugin is told of the system, or why the call failed.
fn look(stand: &Stand) -> Result<String, String> {
    match stand.server().call("wild", "unruly.look", &json!({"path": "/api/whoami"})).unwrap() {
        (200, answer) => Ok(text(&answer)),
        (_, problem) => Err(problem.to_string()),
    }
}

fn assert_is_ada(stand: &Stand) {
    let told = look(stand).unwrap();
    assert!(told.starts_with("200\n") && told.contains(r#""account":"ada""#), "{told}");
}

fn begin(stand: &Stand, new: &Value) -> (Value, String) {
    let (status, consent) = stand.server().send("POST", "/v1/credentials/person/authorize", new).unwrap();
    assert_eq!(status, 201, "{consent}");
    let place = format!("/v1/credentials/person/authorize/{}", consent["id"].as_str().unwrap());
    (consent, place)
}

/// Waits until a consent has ended.
fn ended(stand: &Stand, place: &str) -> Value {
    let began = Instant::now();
    loop {
        let consent = stand.server().get(place).unwrap();
        if consent["state"] != "pending" {
            return consent;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{consent}");
        thread::sleep(Duration::from_millis(200));
    }
}

/// What a browser brought back, as the API takes it.
fn brought(url: &str) -> Value {
    let decode = |text: &str| text.replace("%3A", ":").replace("%2F", "/").replace('+', " ");
    let (_, query) = url.split_once('?').unwrap();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.replace('_', "-"), json!(decode(value)))).collect::<serde_json::Map<_, _>>().into()
}

fn current(stand: &Stand) -> Value {
    let credential = stand.server().get("/v1/credentials/person").unwrap();
    let versions = credential["versions"].as_array().unwrap();
    versions.iter().find(|version| version["state"] == "current").unwrap().clone()
}

#[test]
fn a_consent_by_device_code_is_used_and_renewed_over_restarts_until_it_ends() {
    let server = peer!(start());
    let mut stand = stand(&server);
    let refused = look(&stand).unwrap_err();
    assert!(refused.contains("needs-reauthorization"), "{refused}");
    assert!(refused.contains("jackfield credential authorize person"), "{refused}");

    let (consent, place) = begin(&stand, &json!({}));
    assert_eq!(consent["method"], "device");
    server.person_types(consent["user-code"].as_str().unwrap());
    let consent = ended(&stand, &place);
    assert_eq!((&consent["state"], &consent["version"]), (&json!("given"), &json!(2)), "{consent}");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_is_ada(&stand));
        }
    });
    assert_eq!(server.forget(), 2, "one of the consent itself, and one for all who asked");

    // What was stored is what the server takes next: it would end the consent otherwise.
    for _ in 0..2 {
        stand.restart();
        assert_is_ada(&stand);
    }
    assert_eq!(current(&stand)["version"], 2);

    server.end();
    server.forget();
    thread::sleep(OLD);
    for _ in 0..2 {
        assert!(look(&stand).unwrap_err().contains("needs-reauthorization"));
    }
    assert!(current(&stand)["needs-reauthorization-since"].is_number());
    let trail = stand.server().get("/v1/audit?limit=100").unwrap().to_string();
    assert!(trail.contains("consent-ended") && trail.contains("by a person's consent"), "{trail}");
}

#[test]
fn a_consent_in_a_browser_is_given_by_its_own_answer_only() {
    let server = peer!(start());
    let stand = stand(&server);
    let new = json!({"method": "browser", "redirect-uri": "http://127.0.0.1:7199/callback"});
    let url = |consent: &Value| consent["authorization-url"].as_str().unwrap().to_owned();
    let complete = |place: &str, answer: &Value| stand.server().send("POST", place, answer).unwrap();

    let (consent, place) = begin(&stand, &new);
    let answer = brought(&server.person_at(&url(&consent)));
    let (status, consent) = complete(&place, &answer);
    assert_eq!((status, &consent["state"]), (200, &json!("given")), "{consent}");
    assert_is_ada(&stand);
    assert_eq!(complete(&place, &answer).0, 409, "it is over");

    // The same answer to another consent.
    let (_, place) = begin(&stand, &new);
    let (_, consent) = complete(&place, &answer);
    assert_eq!(consent["state"], "failed");
    assert!(consent["message"].as_str().unwrap().contains("another consent"), "{consent}");

    // One that says that it is of another server.
    let (consent, place) = begin(&stand, &new);
    let mut answer = brought(&server.person_at(&url(&consent)));
    answer["iss"] = json!("https://evil.example");
    let (_, consent) = complete(&place, &answer);
    assert!(consent["message"].as_str().unwrap().contains("issuer"), "{consent}");

    server.deny();
    let (consent, place) = begin(&stand, &new);
    let (_, consent) = complete(&place, &brought(&server.person_at(&url(&consent))));
    assert!(consent["message"].as_str().unwrap().contains("did not consent"), "{consent}");
    assert_eq!(current(&stand)["version"], 2, "what there was is used on");
    assert_is_ada(&stand);
}

#[test]
fn a_consent_that_is_begun_anew_gives_the_one_before_up() {
    let server = peer!(start());
    let stand = stand(&server);
    let (_, first) = begin(&stand, &json!({}));
    let (_, second) = begin(&stand, &json!({"method": "device"}));
    assert_eq!(ended(&stand, &first)["state"], "failed");
    assert_eq!(stand.server().get(&second).unwrap()["state"], "pending");
    assert_eq!(stand.server().send("GET", &format!("{second}0"), &Value::Null).unwrap().0, 404);
    let (status, problem) =
        stand.server().send("POST", "/v1/credentials/person/authorize", &json!({"method": "browser"})).unwrap();
    assert_eq!((status, &problem["field"]), (400, &json!("/redirect-uri")), "{problem}");
}

#[test]
fn the_command_line_waits_for_the_browser_and_shows_no_token() {
    let server = peer!(start());
    let stand = stand(&server);
    let mut command = stand.server().command();
    command.args(["credential", "authorize", "person", "--by", "browser"]);
    let mut running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(running.stderr.take().unwrap()).lines().map(Result::unwrap);
    let url = lines.find_map(|line| line.trim().starts_with("http").then(|| line.trim().to_owned())).unwrap();
    let back = server.person_at(&url);
    let (address, target) = back.strip_prefix("http://").unwrap().split_once('/').unwrap();
    // Somebody else on this machine, who guesses.
    assert_eq!(http::get(address, "/callback?code=guessed&state=guessed").unwrap().status, 404);
    let told = http::get(address, &format!("/{target}")).unwrap();
    assert!(told.text().contains("Jackfield has the consent"), "{}", told.text());
    let output = running.wait_with_output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && shown.contains("version 2"), "{shown}");
    assert_is_ada(&stand);
}
