//! Kubeconfigs at real TLS servers: whom they trust, who they are, what they send, and where they are not used.

mod common;
#[path = "../../net/tests/support/mod.rs"]
mod support;

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use common::{get, soon};
use jackfield_gateway::{
    Authority, Binding, Dialer, EndpointSpec, Gateway, GatewayError, GatewayLimits, Known, Request,
};
use jackfield_store::MemoryStore;
use jackfield_vault::{CredentialKind, Material, NewSource, Vault, VersionState};
use support::{
    Server, answer,
    certificates::{Ca, VALID},
};

/// A server that demands certificates of its CA, and a vault with the credential `kube`.
struct World {
    ca: Ca,
    server: Server,
    vault: Arc<Vault>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(name: &str, alpn: &[&str]) -> World {
        let folder = tempfile::tempdir().unwrap();
        let kek = folder.path().join("kek");
        jackfield_vault::make_key_file(&kek).unwrap();
        let vault = Vault::load(Arc::new(MemoryStore::new()), Arc::new(Dialer::new())).await.unwrap();
        vault.init(NewSource::File(kek)).await.unwrap();
        let ca = Ca::new();
        // It repeats what it was sent, and who it took that to be from.
        let server = Server::tls(ca.demanding(name, alpn), |request| async move {
            let headers = request.head.headers.iter();
            let headers = headers.map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
            answer(200, headers.collect::<String>() + &String::from_utf8_lossy(&request.client.unwrap_or_default()))
        })
        .await;
        World { ca, server, vault: Arc::new(vault), _folder: folder }
    }

    fn url(&self) -> String {
        format!("https://{}", self.server.address)
    }

    /// A kubeconfig for the server that trusts a CA, with more of the cluster and this user.
    fn config(&self, ca: &Ca, cluster: &str, user: &str) -> String {
        let (server, ca) = (self.url(), BASE64.encode(ca.pem()));
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: main\ncontexts: [{{name: main, context: {{cluster: here, user: \
             ada}}}}]\nclusters:\n- name: here\n  cluster: {{server: '{server}', certificate-authority-data: {ca}{cluster}}}\n\
             users: [{{name: ada, user: {{{user}}}}}]\n"
        )
    }

    async fn set(&self, config: &str) -> Result<u64, String> {
        let material = Material::new([("config", config)]);
        let set = self.vault.set("kube", CredentialKind::Kubeconfig, &material, VersionState::Current).await;
        set.map_err(|error| error.to_string())
    }

    /// An endpoint at an address that is authenticated with the credential.
    fn gateway(&self, url: &str) -> Gateway {
        let binding = Binding { credential: "kube".into(), place: None, allow_plain_http: false };
        let spec = EndpointSpec {
            name: "api".into(),
            addresses: vec![url.to_owned()],
            methods: vec!["GET".into()],
            paths: vec!["/v1/*".into()],
            authority: Some(Authority::new(self.vault.clone(), binding)),
            ..EndpointSpec::default()
        };
        let known = Arc::new(Known::of(self.vault.clone()));
        Gateway::new(vec![spec], GatewayLimits::default(), Arc::new(Dialer::new())).unwrap().looking_for(known)
    }
}

/// What a user has who shows a certificate.
fn certificate(pair: &(String, String)) -> String {
    format!("client-certificate-data: {}, client-key-data: {}", BASE64.encode(&pair.0), BASE64.encode(&pair.1))
}

/// What a plugin is told of an answer.
async fn told(gateway: &Gateway) -> Result<String, GatewayError> {
    let mut response = gateway.send(get("/v1/x"), soon()).await?;
    let mut body = Vec::new();
    while let Some(piece) = response.body.read(1 << 16).await.unwrap() {
        body.extend_from_slice(&piece);
    }
    Ok(format!("{:?}\n{}", response.headers, String::from_utf8_lossy(&body)))
}

#[tokio::test]
async fn a_server_that_demands_a_certificate_is_shown_the_one_of_the_kubeconfig() {
    for alpn in [&["http/1.1"][..], &["h2"]] {
        let world = World::new("127.0.0.1", alpn).await;
        let pair = world.ca.client("ada-of-the-kubeconfig");
        world.set(&world.config(&world.ca, "", &certificate(&pair))).await.unwrap();
        let gateway = world.gateway(&world.url());
        gateway.judge_credentials().unwrap();
        let answer = told(&gateway).await.unwrap();
        assert!(answer.contains("ada-of-the-kubeconfig"), "it was taken for whom it is: {answer}");
        assert!(!answer.contains("authorization"), "nothing else was sent: {answer}");
    }
}

#[tokio::test]
async fn no_certificate_a_foreign_one_and_one_that_has_ended_are_refused_in_words_that_help() {
    for alpn in [&["http/1.1"][..], &["h2"]] {
        let world = World::new("127.0.0.1", alpn).await;
        world.set(&world.config(&world.ca, "", "token: a-t0ken-of-ada")).await.unwrap();
        let gateway = world.gateway(&world.url());
        let foreign = certificate(&Ca::new().client("eve"));
        for (user, expected) in [("token: a-t0ken-of-ada", "it demands one"), (&foreign, "issued by the server's CA")] {
            world.set(&world.config(&world.ca, "", user)).await.unwrap();
            let error = gateway.send(get("/v1/x"), soon()).await.unwrap_err();
            let words = error.to_string();
            assert!(words.contains("refuses the client certificate") && words.contains(expected), "{words}");
            assert!(!error.sent(), "the server has read nothing of it");
        }
        // One that has ended is not even set; one that ends later is refused by the server.
        let ended = world.ca.client_of("ada", (2001, 2002));
        let error = world.set(&world.config(&world.ca, "", &certificate(&ended))).await.unwrap_err();
        assert!(error.contains("the user `ada`") && error.contains("ended on 2002-01-01"), "{error}");
        world.vault.delete("kube").await.unwrap();
        let material = Material::new([("certificate", ended.0.as_str()), ("private-key", ended.1.as_str())]);
        world.vault.set("kube", CredentialKind::ClientCertificate, &material, VersionState::Current).await.unwrap();
        assert_eq!(world.vault.credential("kube").unwrap().about["certificate-ends"], "2002-01-01");
        let binding = Binding { credential: "kube".into(), place: None, allow_plain_http: false };
        let spec = EndpointSpec {
            name: "api".into(),
            addresses: vec![world.url()],
            methods: vec!["GET".into()],
            paths: vec!["/v1/*".into()],
            ca_pem: Some(world.ca.pem()),
            authority: Some(Authority::new(world.vault.clone(), binding)),
            ..EndpointSpec::default()
        };
        let gateway = Gateway::new(vec![spec], GatewayLimits::default(), Arc::new(Dialer::new())).unwrap();
        let error = gateway.send(get("/v1/x"), soon()).await.unwrap_err().to_string();
        assert!(error.contains("it has expired"), "{error}");
        assert!(world.server.seen().is_empty(), "nothing was carried out");
    }
}

#[tokio::test]
async fn a_server_is_trusted_by_the_ca_of_the_kubeconfig_alone() {
    let world = World::new("127.0.0.1", &["http/1.1"]).await;
    let pair = world.ca.client("ada");
    world.set(&world.config(&Ca::new(), "", &certificate(&pair))).await.unwrap();
    let gateway = world.gateway(&world.url());
    let error = gateway.send(get("/v1/x"), soon()).await.unwrap_err();
    assert!(error.to_string().contains("unknown issuer"), "{error}");
    // The next version may trust another.
    world.set(&world.config(&world.ca, "", &certificate(&pair))).await.unwrap();
    gateway.send(get("/v1/x"), soon()).await.unwrap();
}

#[tokio::test]
async fn the_servers_certificate_is_for_the_name_that_the_kubeconfig_says() {
    let world = World::new("kubernetes.default.svc", &["http/1.1"]).await;
    let user = certificate(&world.ca.client("ada"));
    let gateway = world.gateway(&world.url());
    for (name, expected) in [
        ("", "127.0.0.1 is not for that name but for DnsName"),
        (", tls-server-name: other.example", "other.example is not for that name"),
    ] {
        world.set(&world.config(&world.ca, name, &user)).await.unwrap();
        let error = gateway.send(get("/v1/x"), soon()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    world.set(&world.config(&world.ca, ", tls-server-name: kubernetes.default.svc", &user)).await.unwrap();
    gateway.send(get("/v1/x"), soon()).await.unwrap();
    let host = format!("127.0.0.1:{}", world.server.address.port());
    assert_eq!(world.server.seen()[0].header("host"), Some(host.as_str()), "it is asked for by its address");
}

#[tokio::test]
async fn a_new_certificate_opens_new_connections() {
    for alpn in [&["http/1.1"][..], &["h2"]] {
        let world = World::new("127.0.0.1", alpn).await;
        let set = async |name: &str| {
            world.set(&world.config(&world.ca, "", &certificate(&world.ca.client(name)))).await.unwrap();
        };
        set("the-first").await;
        let gateway = world.gateway(&world.url());
        for _ in 0..3 {
            assert!(told(&gateway).await.unwrap().contains("the-first"));
        }
        let before = world.server.connections();
        set("the-second").await;
        assert!(told(&gateway).await.unwrap().contains("the-second"));
        assert_eq!(world.server.connections(), before + 1);
    }
}

#[tokio::test]
async fn tokens_passwords_and_whom_it_acts_as_are_sent_and_the_guest_sets_none_of_them() {
    let world = World::new("127.0.0.1", &["http/1.1"]).await;
    let shown = certificate(&world.ca.client("ada"));
    let gateway = world.gateway(&world.url());
    let sent = async |user: &str| {
        world.set(&world.config(&world.ca, "", &format!("{shown}, {user}"))).await.unwrap();
        gateway.send(get("/v1/x"), soon()).await.unwrap();
        world.server.seen().pop().unwrap()
    };
    let seen = sent("token: a-t0ken-of-ada").await;
    assert_eq!(seen.header("authorization"), Some("Bearer a-t0ken-of-ada"));
    let seen = sent("username: Aladdin, password: open sesame").await;
    // The example of RFC 7617.
    assert_eq!(seen.header("authorization"), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    let seen = sent("as: jane, as-uid: '7', as-groups: [dev, ops], as-user-extra: {acme.com/why: [a]}").await;
    let all = |name: &str| seen.head.headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!((all("impersonate-user"), all("impersonate-uid")), (vec!["jane"], vec!["7"]));
    assert_eq!((all("impersonate-group"), all("impersonate-extra-acme.com%2fwhy")), (vec!["dev", "ops"], vec!["a"]));
    let before = world.server.seen().len();
    for name in ["Impersonate-User", "impersonate-group", "Impersonate-Extra-x", "Authorization"] {
        let request = Request { headers: vec![(name.into(), "system:masters".into())], ..get("/v1/x") };
        let error = gateway.send(request, soon()).await.unwrap_err();
        assert!(matches!(error, GatewayError::Header { .. }), "{name}: {error}");
    }
    assert_eq!(world.server.seen().len(), before, "nothing was sent");
}

#[tokio::test]
async fn it_is_used_where_its_cluster_is_and_nowhere_else() {
    let world = World::new("127.0.0.1", &["http/1.1"]).await;
    let user = certificate(&world.ca.client("ada"));
    world.set(&world.config(&world.ca, "", &user)).await.unwrap();
    for elsewhere in ["https://127.0.0.1:9", "https://elsewhere.example"] {
        let gateway = world.gateway(elsewhere);
        let bound = gateway.judge_credentials().unwrap_err().to_string();
        assert!(bound.contains(&world.url()) && bound.contains(elsewhere), "{bound}");
        let sent = gateway.send(get("/v1/x"), soon()).await.unwrap_err();
        assert_eq!((sent.to_string(), sent.sent()), (bound, false));
    }
    // A version that is for another place stops an endpoint at which the one before was used.
    let gateway = world.gateway(&world.url());
    gateway.send(get("/v1/x"), soon()).await.unwrap();
    let moved = world.config(&world.ca, "", &user).replace(&world.url(), "https://elsewhere.example");
    world.set(&moved).await.unwrap();
    let error = gateway.send(get("/v1/x"), soon()).await.unwrap_err().to_string();
    assert!(error.contains("it is for https://elsewhere.example"), "{error}");
    // No use is counted where only its place was looked at.
    let uses: Vec<_> = world.vault.credential("kube").unwrap().versions.iter().map(|version| version.uses).collect();
    assert_eq!(uses, [3, 1]);
}

#[tokio::test]
async fn nothing_secret_in_it_reaches_a_plugin_whatever_the_server_repeats() {
    let world = World::new("127.0.0.1", &["http/1.1"]).await;
    let pair = world.ca.client("ada");
    let gateway = world.gateway(&world.url());
    let login = ["token: a-t0ken-of-ada", "username: ada, password: 0pen-sesame-of-ada"];
    for user in login {
        world.set(&world.config(&world.ca, "", &format!("{}, {user}", certificate(&pair)))).await.unwrap();
        let answer = told(&gateway).await.unwrap();
        assert!(answer.contains("[redacted]"), "{answer}");
        for secret in ["a-t0ken-of-ada", "0pen-sesame", &BASE64.encode("ada:0pen-sesame-of-ada")] {
            assert!(!answer.contains(secret), "{answer}");
        }
    }
    // The key is never sent; a server that has it from elsewhere gives it to nobody here.
    let key: Arc<str> = pair.1.clone().into();
    let telling = Server::tls(world.ca.demanding("127.0.0.1", &["http/1.1"]), move |_| {
        let key = key.clone();
        async move { answer(200, format!("{key}\n{}\nkind: Config", BASE64.encode(key.as_bytes()))) }
    })
    .await;
    let there = format!("https://{}", telling.address);
    let config = world.config(&world.ca, "", &certificate(&pair)).replace(&world.url(), &there);
    world.set(&config).await.unwrap();
    let answer = told(&world.gateway(&there)).await.unwrap();
    let line = pair.1.lines().nth(1).unwrap();
    assert!(!answer.contains(line) && !answer.contains(&BASE64.encode(pair.1.as_bytes())[40..80]), "{answer}");
    assert!(answer.contains("kind: Config"), "what is in every kubeconfig is no secret: {answer}");
    let about = world.vault.credential("kube").unwrap().about;
    assert_eq!((about["context"].as_str(), about["server"].as_str(), about["user"].as_str()), ("main", &*there, "ada"));
    assert_eq!(about["authentication"], "a client certificate");
    assert!(about["certificate-ends"].starts_with(&VALID.1.to_string()), "{about:?}");
}
