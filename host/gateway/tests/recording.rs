//! What is written of real traffic, and what is not.

mod cassettes;
mod common;
#[path = "../../net/tests/support/mod.rs"]
mod support;

use std::{path::Path, sync::Arc};

use cassettes::{asked, bytes, gateway, label, post, recorder_to, recording, repeats, spec};
use common::{get, soon};
use http::Response as Http;
use http_body_util::Full;
use jackfield_gateway::{
    Answer, Authority, Binding, Cassette, CassetteError, Content, Dialer, End, EndpointSpec, Known, Label, Match,
    Player, RecordLimits, Recorder, Request,
};
use jackfield_store::MemoryStore;
use jackfield_vault::{CredentialKind, Material, NewSource, Vault, VersionState};
use support::{Server, answer};

/// A vault with a token in it, and what is looked for of it.
async fn vault_with(token: &str, folder: &Path) -> (Arc<Vault>, Arc<Known>) {
    let kek = folder.join("kek");
    jackfield_vault::make_key_file(&kek).unwrap();
    let vault = Vault::load(Arc::new(MemoryStore::new()), Arc::new(Dialer::new())).await.unwrap();
    vault.init(NewSource::File(kek)).await.unwrap();
    let vault = Arc::new(vault);
    set(&vault, token).await;
    (vault.clone(), Arc::new(Known::of(vault)))
}

async fn set(vault: &Vault, token: &str) {
    let material = Material::new([("token", token)]);
    vault.set("api", CredentialKind::Bearer, &material, VersionState::Current).await.unwrap();
}

#[tokio::test]
async fn a_secret_that_a_server_echoes_or_a_guest_knows_is_not_in_the_cassette_in_any_form() {
    const SECRET: &str = "s3cr3t/t0ken+of=theirs";
    let folder = tempfile::tempdir().unwrap();
    let (vault, known) = vault_with(SECRET, folder.path()).await;

    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let base64 = |text: &str| {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        STANDARD.encode(text)
    };
    let server = Server::http(move |seen| async move {
        let given = seen.header("authorization").unwrap_or_default().to_owned();
        let body = [given.clone(), hex(&given), percent(&given), base64(&given)].join("\n");
        // No text: such a body is written in base64.
        let body = match seen.head.uri.path() {
            "/v1/binary" => [&[0xff, 0][..], body.as_bytes()].concat(),
            _ => body.into_bytes(),
        };
        Http::builder().status(200).header("x-way", given).body(Full::from(body)).unwrap()
    })
    .await;
    let file = folder.path().join("c");
    let recorder = Recorder::open(&file, label(), known.clone(), RecordLimits::default()).unwrap();
    let recorder = Arc::new(recorder);
    let binding = Binding { credential: "api".into(), place: None, allow_plain_http: true };
    let spec = EndpointSpec { authority: Some(Authority::new(vault, binding)), ..spec(&server.url()) };
    let gateway = gateway(spec).looking_for(known.clone()).recorded_by(recorder.clone());
    let told =
        Request { headers: vec![("X-Told".into(), SECRET.into())], ..get(&format!("/v1/a?b={}", percent(SECRET))) };
    let bodies =
        [SECRET.to_owned(), base64(SECRET), format!("\u{1}{}", hex(SECRET)), format!("{{\"a\":\"{SECRET}\"}}")];
    let bodies = bodies.map(|body| Request { body: body.into(), ..post("/v1/binary", "") });
    for request in [told].into_iter().chain(bodies) {
        asked(&gateway, request).await.unwrap();
    }
    recorder.close();
    assert!(recorder.is_complete());
    let text = std::fs::read(&file).unwrap();
    assert!(known.redact(&text).is_none());
    let text = String::from_utf8(text).unwrap();
    for form in [SECRET.to_owned(), hex(SECRET), percent(SECRET), base64(SECRET), "s3cr3t".into()] {
        assert!(!text.contains(&form), "{form}");
    }
    // The bodies in base64 were looked through before they became that.
    for exchange in Cassette::load(&file).unwrap().exchanges {
        let Answer::Response(reply) = exchange.answer else { panic!("{:?}", exchange.answer) };
        for body in [reply.body, exchange.request.body] {
            let Content::Bytes(body) = body else { panic!("{body:?}") };
            assert!(known.redact(&body).is_none() && !String::from_utf8_lossy(&body).contains("s3cr3t"));
        }
    }
}

#[tokio::test]
async fn what_becomes_a_secret_while_it_is_under_way_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let (vault, known) = vault_with("s3cr3t-of-yesterday", folder.path()).await;
    let server = Server::http(|_| async { answer(200, "done") }).await;
    let recorder = Recorder::open(&file, label(), known.clone(), RecordLimits::default()).unwrap();
    let recorder = Arc::new(recorder);
    let gateway = gateway(spec(&server.url())).looking_for(known).recorded_by(recorder.clone());
    let response = gateway.send(get("/v1/a?token=s3cr3t-of-t0day"), soon()).await.unwrap();
    set(&vault, "s3cr3t-of-t0day").await;
    assert_eq!(bytes(response).await.unwrap(), b"done", "the call goes on");
    recorder.close();
    let cassette = Cassette::load(&file).unwrap();
    assert_eq!((cassette.complete, cassette.exchanges.len()), (false, 0));
    assert!(!std::fs::read_to_string(&file).unwrap().contains("t0day"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_at_once_are_recorded_each_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let server = Server::http(|seen| async move {
        let line = format!("{}\n", seen.head.uri);
        answer(200, line.repeat(2000))
    })
    .await;
    let (gateway, recorder) = recording(&server.url(), &file);
    let gateway = Arc::new(gateway);
    let callers: Vec<_> = (0..64)
        .map(|caller| {
            let gateway = gateway.clone();
            tokio::spawn(async move {
                for turn in 0..4 {
                    asked(&gateway, get(&format!("/v1/{caller}?turn={turn}"))).await.unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    recorder.close();
    let cassette = Cassette::load(&file).unwrap();
    assert!(cassette.complete);
    assert_eq!(cassette.exchanges.len(), 64 * 4);
    for exchange in cassette.exchanges {
        let Answer::Response(reply) = exchange.answer else { panic!("{:?}", exchange.answer) };
        let expected = format!("{}\n", exchange.request.target).repeat(2000);
        assert_eq!((reply.body, reply.end), (Content::Bytes(expected.into()), End::Whole));
    }
}

#[tokio::test]
async fn where_the_file_is_full_calls_go_on_and_the_cassette_says_that_it_is_not_complete() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let server = Server::http(|_| async { answer(200, "x".repeat(1000)) }).await;
    let recorder = recorder_to(&file, RecordLimits { file_bytes: 4000, ..RecordLimits::default() });
    let gateway = gateway(spec(&server.url())).recorded_by(recorder.clone());
    for _ in 0..5 {
        assert_eq!(asked(&gateway, get("/v1/a")).await.unwrap().2.len(), 1000);
    }
    recorder.close();
    assert!(!recorder.is_complete());
    let cassette = Cassette::load(&file).unwrap();
    assert!(!cassette.complete);
    assert_eq!(cassette.exchanges.len(), 3, "what fits is there, whole");
    // It stays so, however whole what is recorded from now on.
    recorder_to(&file, RecordLimits::default()).close();
    assert!(!Cassette::load(&file).unwrap().complete);
}

#[tokio::test]
async fn what_is_under_way_when_recording_ends_is_missing_and_a_crash_leaves_no_cassette_that_looks_complete() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let server = Server::http(repeats).await;
    let (gateway, recorder) = recording(&server.url(), &file);
    asked(&gateway, get("/v1/a")).await.unwrap();
    let under_way = gateway.send(get("/v1/b"), soon()).await.unwrap();
    // What a crash would leave, now or whenever.
    assert!(std::fs::read_to_string(&file).unwrap().starts_with(r#"{"cassette":1,"complete":false,"#));
    recorder.close();
    assert_eq!(bytes(under_way).await.unwrap(), b"GET /v1/b ", "the call goes on");
    let cassette = Cassette::load(&file).unwrap();
    assert_eq!((cassette.complete, cassette.exchanges.len()), (false, 1));
}

#[tokio::test]
async fn recording_goes_on_in_a_file_of_the_same_plugin_and_in_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    let server = Server::http(repeats).await;
    for turn in 0..2 {
        let (gateway, recorder) = recording(&server.url(), &file);
        asked(&gateway, get(&format!("/v1/{turn}"))).await.unwrap();
        let open = |label| Recorder::open(&file, label, Arc::default(), RecordLimits::default());
        let twice = open(label()).unwrap_err().to_string();
        assert!(twice.ends_with("it is being recorded to already; name another file"), "{twice}");
        recorder.close();
        let other = open(Label { plugin_digest: "sha256:01".into(), ..label() }).unwrap_err();
        assert!(matches!(&other, CassetteError::Other { what: "the plugin's file", .. }), "{other}");
    }
    let cassette = Cassette::load(&file).unwrap();
    let numbers: Vec<_> = cassette.exchanges.iter().map(|exchange| exchange.number).collect();
    assert_eq!((cassette.complete, numbers), (true, vec![1, 2]));
    let other = Player::load(&file, Match::Strict).unwrap().judge("etcd").unwrap_err();
    assert!(other.to_string().ends_with("is of the plugin `prometheus`, not of `etcd`; name another file"), "{other}");

    let mut text = std::fs::read_to_string(&file).unwrap();
    text.truncate(text.len() - 5);
    std::fs::write(&file, text).unwrap();
    let cut = Player::load(&file, Match::Strict).unwrap_err().to_string();
    let place = format!("the cassette {}, line 3: ", file.display());
    assert!(cut.starts_with(&place) && cut.contains("cut off"), "{cut}");
    assert!(Recorder::open(&file, label(), Arc::default(), RecordLimits::default()).is_err());
}

#[cfg(unix)]
#[tokio::test]
async fn a_cassette_is_its_owners_alone_and_a_link_is_not_followed() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c");
    recorder_to(&file, RecordLimits::default()).close();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let link = folder.path().join("l");
    symlink(folder.path().join("elsewhere"), &link).unwrap();
    assert!(Recorder::open(&link, label(), Arc::default(), RecordLimits::default()).is_err());
    assert!(!folder.path().join("elsewhere").exists());
}
