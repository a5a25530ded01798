//! A real etcd that demands client certificates, used by both types of credential that have one.

use std::{fs, path::PathBuf};

use jackfield_peers::{Etcd, ServerTls, peer};
use jackfield_tests::{
    Stand, base64,
    certificates::{Issuer, Pair},
};
use serde_json::{Value, json};

/// An etcd that lets in whoever has a certificate of its CA.
struct Certified {
    etcd: Etcd,
    issuer: Issuer,
    folder: tempfile::TempDir,
}

impl Certified {
    fn start() -> jackfield_peers::Result<Certified> {
        let (issuer, folder) = (Issuer::new("an etcd's own CA"), tempfile::tempdir().unwrap());
        let write = |name: &str, text: &str| -> PathBuf {
            let file = folder.path().join(name);
            fs::write(&file, text).unwrap();
            file
        };
        let own = issuer.server();
        let (certificate, key) = (write("etcd.pem", &own.certificate), write("etcd.key", &own.key));
        let ca = write("ca.pem", &issuer.pem());
        let etcd = Etcd::start_demanding(&ServerTls { certificate: &certificate, key: &key, ca: &ca })?;
        Ok(Certified { etcd, issuer, folder })
    }
}

fn stand() -> Stand {
    let stand = Stand::start();
    stand.install("etcd");
    stand.init_vault();
    stand
}

fn integrate(stand: &Stand, name: &str, url: &str, endpoint: &Value) -> (u16, Value) {
    let new = json!({"name": name, "plugin": "etcd", "config": {"url": url}, "endpoints": {"api": endpoint}});
    stand.server().send("POST", "/v1/integrations", &new).unwrap()
}

fn put_and_get(stand: &Stand, integration: &str) {
    let put = json!({"key": "/certified", "value": base64(integration)});
    stand.server().ok(integration, "key-value.put", &put).unwrap();
    let read = stand.server().ok(integration, "key-value.get", &json!({"key": "/certified"})).unwrap();
    assert_eq!(read["value"], base64(integration));
}

fn client_certificate(pair: &Pair) -> Value {
    json!({"type": "client-certificate", "fields": {"certificate": pair.certificate, "private-key": pair.key}})
}

#[test]
fn an_etcd_that_demands_certificates_is_shown_the_one_of_either_type_of_credential() {
    let certified = peer!(Certified::start());
    let (stand, url) = (stand(), certified.etcd.url());
    let ca = certified.issuer.pem();
    let ada = certified.issuer.client("ada");

    // Without one, and with a stranger's, there is no way in, and the error says what is wanted.
    let foreign = Issuer::new("a stranger's CA").client("eve");
    let set = stand.server().send("PUT", "/v1/credentials/foreign", &client_certificate(&foreign)).unwrap();
    assert_eq!(set.0, 200, "{}", set.1);
    for (name, endpoint) in
        [("bare", json!({"ca-pem": ca})), ("eve", json!({"ca-pem": ca, "credential": {"name": "foreign"}}))]
    {
        assert_eq!(integrate(&stand, name, &url, &endpoint).0, 201);
        let (status, problem) = stand.server().call(name, "key-value.get", &json!({"key": "/a"})).unwrap();
        assert_ne!(status, 200, "{name}");
        assert!(!problem.to_string().contains("PRIVATE KEY"), "{problem}");
    }

    let set = stand.server().send("PUT", "/v1/credentials/cert", &client_certificate(&ada)).unwrap();
    assert_eq!(set.0, 200, "{}", set.1);
    let endpoint = json!({"ca-pem": ca, "credential": {"name": "cert"}});
    let (status, answer) = integrate(&stand, "by-certificate", &url, &endpoint);
    assert_eq!(status, 201, "{answer}");
    put_and_get(&stand, "by-certificate");

    // The same certificate in a kubeconfig, which brings the CA along.
    let config = certified.issuer.kubeconfig(&url, &ada, "");
    let new = json!({"type": "kubeconfig", "fields": {"config": config}});
    let (status, set) = stand.server().send("PUT", "/v1/credentials/kube", &new).unwrap();
    assert_eq!(status, 200, "{set}");
    let endpoint = json!({"credential": {"name": "kube"}});
    let (status, answer) = integrate(&stand, "by-kubeconfig", &url, &endpoint);
    assert_eq!(status, 201, "{answer}");
    put_and_get(&stand, "by-kubeconfig");

    // It is for this etcd and no other.
    let (status, problem) = integrate(&stand, "elsewhere", "https://etcd.example:2379", &endpoint);
    assert_eq!((status, problem["field"].as_str()), (400, Some("/endpoints/api/credential")), "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(&url) && detail.contains("https://etcd.example:2379"), "{detail}");

    // Another certificate is used from the next call on.
    let next = certified.issuer.kubeconfig(&url, &certified.issuer.client("ada-2"), "");
    let body = json!({"type": "kubeconfig", "fields": {"config": next}, "revoke-old": true});
    let (status, rotation) = stand.server().send("POST", "/v1/credentials/kube/rotate", &body).unwrap();
    assert_eq!((status, &rotation["verified"]), (200, &json!(["by-kubeconfig"])), "{rotation}");
    put_and_get(&stand, "by-kubeconfig");
}

#[test]
fn a_kubeconfig_of_files_and_many_contexts_is_sent_as_the_one_that_is_chosen() {
    let certified = peer!(Certified::start());
    let (stand, url) = (stand(), certified.etcd.url());
    let folder = certified.folder.path();
    let ada = certified.issuer.client("ada");
    fs::write(folder.join("ada.pem"), &ada.certificate).unwrap();
    fs::write(folder.join("ada.key"), &ada.key).unwrap();
    let config = format!(
        "current-context: other\ncontexts:\n- {{name: other, context: {{cluster: other, user: root}}}}\n- {{name: main, context: \
         {{cluster: main, user: ada}}}}\nclusters:\n- {{name: other, cluster: {{server: 'https://other.example'}}}}\n- {{name: \
         main, cluster: {{server: '{url}', certificate-authority: ca.pem}}}}\nusers:\n- {{name: root, user: {{token: \
         t0ken-of-another-cluster}}}}\n- {{name: ada, user: {{client-certificate: ada.pem, client-key: ada.key}}}}\n"
    );
    let file = folder.join("config");
    fs::write(&file, config).unwrap();
    let from = format!("config={}", file.display());
    let set = ["credential", "set", "kube", "--type", "kubeconfig", "context=main", "--file", &from];
    let set = stand.server().cli(&set).unwrap();
    assert_eq!((&set["about"]["server"], &set["about"]["user"]), (&json!(url), &json!("ada")), "{set}");
    // The files are not needed any more.
    for gone in ["ada.pem", "ada.key", "config"] {
        fs::remove_file(folder.join(gone)).unwrap();
    }
    let (status, answer) = integrate(&stand, "etcd", &url, &json!({"credential": {"name": "kube"}}));
    assert_eq!(status, 201, "{answer}");
    put_and_get(&stand, "etcd");

    // What would weaken the way there is refused, here and at the host alike.
    let weak = certified
        .issuer
        .kubeconfig(&url, &ada, "")
        .replace("    server:", "    insecure-skip-tls-verify: true\n    server:");
    let new = json!({"type": "kubeconfig", "fields": {"config": weak}});
    let (status, problem) = stand.server().send("PUT", "/v1/credentials/weak", &new).unwrap();
    assert_eq!(status, 400, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("name the CA of the server"), "{problem}");
}
