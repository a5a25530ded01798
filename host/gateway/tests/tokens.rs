//! What credentials are exchanged for, at servers that say what they were asked.

mod common;
#[path = "../../net/tests/support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{get, soon};
use jackfield_gateway::{Authority, Binding, Dialer, EndpointSpec, Gateway, GatewayLimits, Known, Payload, Place};
use jackfield_store::MemoryStore;
use jackfield_vault::{CredentialKind, Material, NewSource, Vault, VersionState};
use support::{Server, answer};

const RSA: &str = include_str!("data/rsa.pem");

type Fields<'f> = Vec<(&'f str, &'f str)>;

/// A system that wants tokens, who gives them, and a gateway between the plugin and both.
struct World {
    vault: Arc<Vault>,
    api: Server,
    gateway: Gateway,
    _folder: tempfile::TempDir,
}

impl World {
    /// With a credential whose fields may name the address of who gives tokens.
    async fn new(kind: CredentialKind, place: Option<Place>, fields: &[(&str, &str)]) -> World {
        let folder = tempfile::tempdir().unwrap();
        let kek = folder.path().join("kek");
        jackfield_vault::make_key_file(&kek).unwrap();
        let vault = Vault::load(Arc::new(MemoryStore::new()), Arc::new(Dialer::new())).await.unwrap();
        vault.init(NewSource::File(kek)).await.unwrap();
        let vault = Arc::new(vault);
        // It repeats what it was sent.
        let api = Server::http(|request| async move {
            let sent = request.header("authorization").map(str::to_owned);
            answer(200, sent.unwrap_or_default())
        })
        .await;
        let binding = Binding { credential: "api".into(), place, allow_plain_http: true };
        let spec = EndpointSpec {
            name: "api".into(),
            addresses: vec![api.url()],
            methods: vec!["GET".into()],
            paths: vec!["/v1/*".into()],
            authority: Some(Authority::new(vault.clone(), binding)),
            ..EndpointSpec::default()
        };
        let known = Arc::new(Known::of(vault.clone()));
        let gateway = Gateway::new(vec![spec], GatewayLimits::default(), Arc::new(Dialer::new())).unwrap();
        let world = World { vault, api, gateway: gateway.looking_for(known), _folder: folder };
        world.set(kind, fields).await;
        world
    }

    async fn set(&self, kind: CredentialKind, fields: &[(&str, &str)]) {
        let material = Material::new(fields.iter().copied());
        self.vault.set("api", kind, &material, VersionState::Current).await.unwrap();
    }

    /// Asks the system; what the plugin is told of the answer, and what was sent in the header.
    async fn ask(&self) -> Result<(String, String), String> {
        let mut response = self.gateway.send(get("/v1/x"), soon()).await.map_err(|error| error.to_string())?;
        let mut body = Vec::new();
        while let Some(piece) = response.body.read(1 << 16).await.unwrap() {
            body.extend_from_slice(&piece);
        }
        let seen = self.api.seen().pop().unwrap();
        Ok((String::from_utf8(body).unwrap(), seen.header("authorization").unwrap_or_default().to_owned()))
    }
}

/// A server that gives tokens: `token-1`, `token-2`, each for so many seconds.
async fn giver(seconds: u64) -> (Server, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let count = given.clone();
    let server = Server::http(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let token = format!("a-token-{number}-{}", "x".repeat(20));
            answer(200, format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{seconds}}}"#))
        }
    })
    .await;
    (server, given)
}

fn form(body: &[u8]) -> BTreeMap<String, String> {
    let text = std::str::from_utf8(body).unwrap();
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (decode(name), decode(value))).collect()
}

fn client(url: &str) -> [(&'static str, String); 4] {
    [
        ("token-url", format!("{url}/oauth/token")),
        ("client-id", "jack field".into()),
        ("client-secret", "a&secret:of=mine".into()),
        ("scope", "read write".into()),
    ]
}

fn texts<'f>(fields: &'f [(&'static str, String)]) -> Vec<(&'static str, &'f str)> {
    fields.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[tokio::test]
async fn a_client_is_given_one_token_for_many_callers_and_no_plugin_sees_it() {
    let (server, given) = giver(3600).await;
    let fields = client(&server.url());
    let world = Arc::new(World::new(CredentialKind::Oauth2Client, None, &texts(&fields)).await);
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.ask().await.unwrap() })
        })
        .collect();
    for task in tasks {
        let (seen, sent) = task.await.unwrap();
        assert!(sent.starts_with("Bearer a-token-1-"), "{sent}");
        assert!(!seen.contains("a-token"), "the plugin was told {seen}");
    }
    assert_eq!(given.load(Ordering::SeqCst), 1);
    let asked = server.seen().pop().unwrap();
    assert_eq!(asked.head.uri.path(), "/oauth/token");
    // Both are escaped before they are joined: RFC 6749, 2.3.1.
    assert_eq!(asked.header("authorization"), Some("Basic amFjayUyMGZpZWxkOmElMjZzZWNyZXQlM0FvZiUzRG1pbmU="));
    let form = form(&asked.body);
    assert_eq!((form["grant_type"].as_str(), form["scope"].as_str()), ("client_credentials", "read write"));
    assert!(!form.contains_key("client_secret"));

    // Another version is another client.
    world
        .set(CredentialKind::Oauth2Client, &[&texts(&fields)[..], &[("client-authentication", "post")]].concat())
        .await;
    assert!(world.ask().await.unwrap().1.starts_with("Bearer a-token-2-"));
    let asked = server.seen().pop().unwrap();
    assert_eq!(asked.header("authorization"), None);
    let form = self::form(&asked.body);
    assert_eq!((form["client_id"].as_str(), form["client_secret"].as_str()), ("jack field", "a&secret:of=mine"));
}

#[tokio::test]
async fn a_token_is_asked_for_anew_before_its_end_and_the_old_one_bridges_a_failure() {
    let (server, given) = giver(5).await;
    let fields = client(&server.url());
    let world = World::new(CredentialKind::Oauth2Client, None, &texts(&fields)).await;
    assert!(world.ask().await.unwrap().1.contains("a-token-1-"));
    tokio::time::sleep(Duration::from_millis(4100)).await;
    assert!(world.ask().await.unwrap().1.contains("a-token-2-"), "a fifth of its life before its end");
    drop(server);
    tokio::time::sleep(Duration::from_millis(4100)).await;
    assert!(world.ask().await.unwrap().1.contains("a-token-2-"), "it is good for a moment yet");
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let error = world.ask().await.unwrap_err();
    assert!(error.contains("refused"), "{error}");
    assert_eq!(given.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_client_that_is_refused_is_told_why_without_its_secret_and_nothing_is_sent() {
    for (status, body, says) in [
        (401, r#"{"error":"invalid_client","error_description":"no such client"}"#, "invalid_client: no such client"),
        (400, r#"{"error":"invalid_scope"}"#, "it answers invalid_scope"),
        (200, r#"{"token":"x"}"#, "the answer holds none"),
        (200, r#"{"access_token":"abc","token_type":"mac"}"#, "of type `mac`"),
        (200, r#"{"access_token":"a\nb","token_type":"bearer"}"#, "none that a header can carry"),
        (404, "<html>", "404"),
        (503, "busy", "503"),
        (302, "", "302"),
    ] {
        let server = Server::http(move |_| async move { answer(status, body) }).await;
        let fields = client(&server.url());
        let world = World::new(CredentialKind::Oauth2Client, None, &texts(&fields)).await;
        for _ in 0..3 {
            let error = world.ask().await.unwrap_err();
            assert!(error.contains(says) && error.contains("`api`"), "{error}");
            assert!(!error.contains("secret:of"), "{error}");
        }
        assert_eq!(server.seen().len(), 1, "who waits is told the same for a second");
        assert!(world.api.seen().is_empty());
    }
}

#[tokio::test]
async fn each_grant_is_asked_for_as_its_standard_says() {
    let (server, _) = giver(3600).await;
    let url = server.url();
    let token_url = format!("{url}/token/");
    let key_file = serde_json::json!({"type": "service_account", "client_email": "a@b.iam.example", "private_key": RSA,
                                      "private_key_id": "k9", "token_uri": token_url})
    .to_string();
    let ca = support::certificates::Ca::new();
    let (chain, key) = ca.client("app");
    let cases: [(CredentialKind, Fields<'_>, &str, Fields<'_>); 6] = [
        (
            CredentialKind::Oauth2Client,
            vec![("token-url", &token_url), ("client-id", "me"), ("private-key", &key), ("audience", "x")],
            "/token/",
            vec![("grant_type", "client_credentials"), ("client_id", "me"), ("audience", "x")],
        ),
        (
            CredentialKind::JwtBearer,
            vec![("token-url", &token_url), ("issuer", "me"), ("private-key", RSA), ("scope", "s")],
            "/token/",
            vec![("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("scope", "s")],
        ),
        (
            CredentialKind::TokenExchange,
            vec![("token-url", &token_url), ("subject-token", "mine"), ("resource", "https://x")],
            "/token/",
            vec![
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token", "mine"),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
                ("resource", "https://x"),
            ],
        ),
        (
            CredentialKind::GcpServiceAccount,
            vec![("key", &key_file)],
            "/token/",
            vec![("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")],
        ),
        (
            CredentialKind::AzureClient,
            vec![
                ("tenant", "t-1"),
                ("client-id", "me"),
                ("client-secret", "s3cret"),
                ("scope", "s"),
                ("authority", &url),
            ],
            "/t-1/oauth2/v2.0/token",
            vec![("grant_type", "client_credentials"), ("client_secret", "s3cret"), ("scope", "s")],
        ),
        (
            CredentialKind::AzureClient,
            vec![
                ("tenant", "t-1"),
                ("client-id", "me"),
                ("certificate", &chain),
                ("private-key", &key),
                ("scope", "s"),
                ("authority", &url),
            ],
            "/t-1/oauth2/v2.0/token",
            vec![("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")],
        ),
    ];
    for (kind, fields, path, expected) in cases {
        let world = World::new(kind, None, &fields).await;
        assert!(world.ask().await.unwrap().1.starts_with("Bearer a-token-"), "{kind}");
        let asked = server.seen().pop().unwrap();
        assert_eq!(asked.head.uri.path(), path, "{kind}");
        let form = form(&asked.body);
        for (name, value) in expected {
            assert_eq!(form.get(name).map(String::as_str), Some(value), "{kind}: {form:?}");
        }
    }
}

#[tokio::test]
async fn a_github_app_and_a_role_of_aws_are_exchanged_in_their_own_ways() {
    let github = Server::http(|_| async {
        answer(201, r#"{"token":"ghs_0123456789abcdef0123","expires_at":"2099-01-01T00:00:00Z"}"#)
    })
    .await;
    let url = github.url();
    let fields = [("app-id", "7"), ("installation-id", "42"), ("private-key", RSA), ("api-url", url.as_str())];
    let world = World::new(CredentialKind::GithubApp, None, &fields).await;
    assert_eq!(world.ask().await.unwrap().1, "Bearer ghs_0123456789abcdef0123");
    let asked = github.seen().pop().unwrap();
    assert_eq!(asked.head.uri.path(), "/app/installations/42/access_tokens");
    assert!(asked.header("authorization").unwrap().starts_with("Bearer ey"));

    let sts = Server::http(|_| async {
        answer(
            200,
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIATEMPORARY</AccessKeyId>\
             <SecretAccessKey>temporary-secret</SecretAccessKey><SessionToken>session/token+of=sts</SessionToken>\
             <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
        )
    })
    .await;
    let url = sts.url();
    let fields = [
        ("access-key-id", "AKIDEXAMPLE"),
        ("secret-access-key", "wJalrXUtnFEMI"),
        ("role-arn", "arn:aws:iam::1:role/r"),
        ("external-id", "e"),
        ("sts-url", url.as_str()),
    ];
    let place = Place::Aws { region: "eu-central-1".into(), service: "monitoring".into(), payload: Payload::Signed };
    let world = World::new(CredentialKind::AwsRole, Some(place), &fields).await;
    let (_, sent) = world.ask().await.unwrap();
    assert!(sent.contains("Credential=ASIATEMPORARY/") && sent.contains("/eu-central-1/monitoring/"), "{sent}");
    assert_eq!(world.api.seen().pop().unwrap().header("x-amz-security-token"), Some("session/token+of=sts"));
    let asked = sts.seen().pop().unwrap();
    let signed = asked.header("authorization").unwrap();
    assert!(signed.contains("Credential=AKIDEXAMPLE/") && signed.contains("/us-east-1/sts/"), "{signed}");
    let form = form(&asked.body);
    assert_eq!((form["Action"].as_str(), form["ExternalId"].as_str()), ("AssumeRole", "e"));
}
