//! What is made of kubeconfigs as tools write them, and of those that would have the host do what it must not.

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use proptest::prelude::*;

use super::*;
use crate::Secret;

/// A certificate of its own, and its key, both PEM.
fn pair() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["ada".to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// A kubeconfig of two contexts: `prod`, the current one, with these fields of its cluster and its user, and `other`.
fn config(cluster: &str, user: &str) -> String {
    let ca = BASE64.encode(pair().0);
    format!(
        r#"apiVersion: v1
kind: Config
preferences: {{}}
current-context: prod
contexts:
- name: prod
  context: {{cluster: eu-1, user: ada, namespace: default}}
- name: other
  context: {{cluster: us-1, user: root}}
clusters:
- name: us-1
  cluster: {{server: "https://us.example"}}
- name: eu-1
  cluster:
    server: https://eu.example:6443/k8s
    certificate-authority-data: {ca}
    extensions: [{{name: x, extension: {{a: b}}}}]
    {cluster}
users:
- name: root
  user: {{token: t0ken-of-root}}
- name: ada
  user:
    {user}
"#
    )
}

fn parse(cluster: &str, user: &str) -> Result<Kubeconfig, String> {
    Kubeconfig::parse(&config(cluster, user), None, Instead::default()).map_err(|error| error.to_string())
}

fn refused(cluster: &str, user: &str) -> String {
    parse(cluster, user).unwrap_err()
}

#[test]
fn a_context_is_an_address_whom_to_trust_and_who_one_is() {
    let read = parse("tls-server-name: kubernetes.default", "token: t0ken-of-ada").unwrap();
    assert_eq!((read.context.as_str(), read.user.as_str()), ("prod", "ada"));
    assert_eq!(read.server.to_string(), "https://eu.example:6443/k8s");
    assert!(read.ca_pem.as_ref().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(read.tls_server_name.as_deref(), Some("kubernetes.default"));
    assert!(matches!(&read.login, Some(KubeLogin::Token(token)) if **token == "t0ken-of-ada"));
    assert_eq!(read.secrets().collect::<Vec<_>>(), ["t0ken-of-ada"]);
    assert_eq!(read.authentication(), "a bearer token");

    let (chain, key) = pair();
    let user = format!(
        "client-certificate-data: {}\n    client-key-data: {}\n    as: jane\n    as-groups: [dev, ops]\n    \
         as-user-extra: {{reason: [a, b]}}",
        BASE64.encode(&chain),
        BASE64.encode(&key)
    );
    let read = parse("", &user).unwrap();
    assert!(read.identity().is_some());
    assert_eq!(read.secrets().collect::<Vec<_>>(), [key.as_str()]);
    assert_eq!(read.authentication(), "a client certificate, acting as `jane`");
    let expected = Impersonation {
        user: "jane".into(),
        uid: None,
        groups: vec!["dev".into(), "ops".into()],
        extra: vec![("reason".into(), vec!["a".into(), "b".into()])],
    };
    assert_eq!(read.acts_as, Some(expected));

    let read = parse("", "{username: ada, password: 'correct horse'}").unwrap();
    assert_eq!(read.authentication(), "a user name and a password");
    assert_eq!(format!("{read:?}").matches("horse").count(), 0);
}

#[test]
fn a_context_is_chosen_and_those_there_are_are_told() {
    let text = config("", "token: x");
    let of = |context| Kubeconfig::parse(&text, context, Instead::default()).map_err(|error| error.to_string());
    assert_eq!(of(Some("other")).unwrap().server.to_string(), "https://us.example");
    assert_eq!(of(Some("nope")).unwrap_err(), "there is no context `nope`; it has `prod`, `other`");
    let without = text.replace("current-context: prod\n", "");
    let error = Kubeconfig::parse(&without, None, Instead::default()).unwrap_err().to_string();
    assert!(error.contains("name one in the field `context`") && error.contains("`prod`, `other`"), "{error}");
    let dangling = text.replace("- name: ada\n", "- name: eve\n");
    let error = Kubeconfig::parse(&dangling, None, Instead::default()).unwrap_err().to_string();
    assert_eq!(error, "the user `ada`: is named and not there; add it to `users`");
    for nothing in ["", "[]", "a", "kind: Pod\n", "{}", "contexts: {}"] {
        assert!(Kubeconfig::parse(nothing, None, Instead::default()).is_err(), "{nothing:?}");
    }
}

#[test]
fn what_would_not_be_honoured_is_refused_with_what_to_write_instead() {
    for (cluster, user, expected) in [
        ("insecure-skip-tls-verify: true", "token: x", "name the CA of the server"),
        ("insecure-skip-tls-verify: yes", "token: x", "neither `true` nor `false`"),
        ("proxy-url: http://proxy:3128", "token: x", "no credential's to say"),
        ("tls-server-name: 'a b'", "token: x", "neither a name nor an IP address"),
        ("certificate-authorty: /ca.pem", "token: x", "a field `certificate-authorty` that is not known"),
        ("", "as-usr: jane\n    token: x", "a field `as-usr` that is not known"),
        ("", "auth-provider: {name: gcp}", "since 1.26"),
        ("", "tokenFile: /var/run/token", "--from token=file:PATH"),
        ("", "{client-certificate: a.pem, client-key: a.key}", "--flatten --minify"),
        ("", "exec: {apiVersion: client.authentication.k8s.io/v1, command: aws}", "needs an allowed command"),
        ("", "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: aws}", "v1beta1"),
        ("", "exec: {apiVersion: client.authentication.k8s.io/v1, command: a, env: [{nme: x}]}", "`nme`"),
        ("", "{}", "nothing to authenticate with"),
        ("", "{as: jane}", "nothing to authenticate with"),
        ("", "{token: x, as-groups: [system:masters]}", "`as`: is missing"),
        ("", "{token: x, username: a, password: b}", "leave one of them out"),
        ("", "{username: a}", "without a `password`"),
        ("", "{username: 'a:b', password: c}", "a colon"),
        ("", "{token: \"a\\r\\nb\"}", "headers cannot carry"),
        ("", "{token: x, as: \"a\\r\\nImpersonate-Group: system:masters\"}", "printable ASCII"),
        ("", "{token: [x]}", "`token`: is not a text"),
        ("", "{client-certificate-data: AAAA}", "without `client-key-data`"),
        ("", "{client-certificate-data: '!', client-key-data: AAAA}", "not base64"),
    ] {
        let error = refused(cluster, user);
        assert!(error.contains(expected), "{cluster} {user}: {error}");
    }
}

#[test]
fn a_client_certificate_is_refused_without_its_key_and_after_its_end() {
    let (chain, _) = pair();
    let (_, other) = pair();
    let user = |chain: &str, key: &str| {
        format!("{{client-certificate-data: {}, client-key-data: {}}}", BASE64.encode(chain), BASE64.encode(key))
    };
    assert!(refused("", &user(&chain, &other)).contains("client certificate cannot be used"));
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["ada".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2021, 5, 6);
    let ended = params.self_signed(&key).unwrap().pem();
    let error = refused("", &user(&ended, &key.serialize_pem()));
    assert!(error.contains("the user `ada`") && error.contains("ended on 2021-05-06"), "{error}");
}

#[test]
fn a_token_that_is_given_beside_it_is_used_in_place_of_every_other() {
    for user in [
        "token: the-0ld-token",
        "tokenFile: /var/run/token",
        "exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, env: [{name: SECRET, value: s3cret-of-aws}]}",
    ] {
        let read =
            Kubeconfig::parse(&config("", user), None, Instead { token: Some("the-new-token"), certificate: None })
                .unwrap();
        assert!(matches!(&read.login, Some(KubeLogin::Token(token)) if **token == "the-new-token"));
        // What is in it all the same must not be told either.
        let known = read.secrets().filter(|secret| user.contains(secret)).count();
        assert_eq!(known, usize::from(!user.contains("tokenFile")), "{user}");
    }
}

#[test]
fn a_certificate_that_is_given_beside_it_is_used_in_place_of_its_own() {
    let ((chain, key), (old, old_key)) = (pair(), pair());
    let user =
        format!("{{client-certificate-data: {}, client-key-data: {}}}", BASE64.encode(old), BASE64.encode(&old_key));
    for user in [user.as_str(), "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: tsh}", "{}"] {
        let material = Material::new([
            ("config", config("", user).as_str()),
            ("certificate", chain.as_str()),
            ("private-key", key.as_str()),
        ]);
        let read = Kubeconfig::of(&material).unwrap();
        assert_eq!(*read.certificate.as_ref().unwrap().chain, chain);
        assert!(read.secrets().any(|secret| secret == key));
        assert_eq!(read.secrets().any(|secret| secret == old_key), user.contains("data"));
    }
    let half = Material::new([("config", config("", "token: x").as_str()), ("certificate", chain.as_str())]);
    assert!(Kubeconfig::of(&half).unwrap_err().to_string().contains("go together"));
}

#[test]
fn requests_go_to_the_clusters_server_or_below_its_path_and_nowhere_else() {
    let read = parse("", "token: x").unwrap();
    for (address, covered) in [
        ("https://eu.example:6443/k8s", true),
        ("https://EU.example:6443/k8s/", true),
        ("https://eu.example:6443/k8s/below", true),
        ("https://eu.example:6443/k8s-other", false),
        ("https://eu.example:6443", false),
        ("https://eu.example/k8s", false),
        ("http://eu.example:6443/k8s", false),
        ("https://eu.example.evil:6443/k8s", false),
        ("unix:///k8s", false),
    ] {
        assert_eq!(read.covers(&Address::parse(address).unwrap()), covered, "{address}");
    }
}

#[test]
fn only_the_chosen_context_is_kept_and_files_are_put_in() {
    let (chain, key) = pair();
    let text = config("", "client-certificate: certs/ada.pem\n    client-key: certs/ada.key\n    client-key-data: ''");
    let mut read = |path: &str| match path {
        "certs/ada.pem" => Ok(Secret::from(chain.as_bytes())),
        "certs/ada.key" => Ok(Secret::from(key.as_bytes())),
        other => Err(format!("there is no {other}")),
    };
    let small = minify(&text, None, &mut read).unwrap();
    let small = small.expose_str().unwrap();
    for gone in ["t0ken-of-root", "us.example", "extension", "certs/ada", "preferences"] {
        assert!(!small.contains(gone), "{gone}: {small}");
    }
    let parsed = Kubeconfig::parse(small, None, Instead::default()).unwrap();
    assert!(parsed.identity().is_some());
    assert_eq!(parsed.server.to_string(), "https://eu.example:6443/k8s");
    // What is small already stays as it is.
    let again = minify(small, Some("prod"), &mut |_| Err("read".into())).unwrap();
    assert_eq!(again.expose_str(), Some(small));
    let error = minify(&text, None, &mut |path| Err(format!("{path} cannot be read"))).unwrap_err().to_string();
    assert_eq!(error, "the user `ada`: `client-certificate`: certs/ada.pem cannot be read");
    let long = config("", &format!("token: {}", "x".repeat(70_000)));
    assert!(minify(&long, None, &mut read).unwrap_err().to_string().contains("64 KiB"));
    let other = minify(&text, Some("other"), &mut read).unwrap();
    assert!(other.expose_str().unwrap().contains("t0ken-of-root") && !other.expose_str().unwrap().contains("ada"));
}

#[test]
fn what_yaml_cannot_print_is_kept_as_it_is_meant() {
    let text = config("", r#"password: "open \u008e\u2028\ufeff sesame ä""#);
    let text = text.replacen("password", "username: ada\n    password", 1);
    let mut no_file = |_: &str| Err("no files".to_owned());
    let small = minify(&text, None, &mut no_file).unwrap();
    let secrets = |text: &str| {
        let read = Kubeconfig::parse(text, None, Instead::default()).unwrap();
        read.secrets().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(secrets(small.expose_str().unwrap()), secrets(&text));
    assert!(secrets(&text).iter().any(|secret| secret.contains("\u{8e}\u{2028}\u{feff} sesame ä")));
}

proptest! {
    #[test]
    fn nothing_secret_is_told_whatever_is_wrong(at in 0usize..1500, cut in 0usize..40, with in "[ -~\\n]{0,12}") {
        const SECRET: &str = "c0rrect-horse/battery+staple";
        let text = config("", &format!("token: {SECRET}"));
        let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let end = (at + cut).min(text.len());
        let changed = [&text[..at], &with, &text[end..]].concat();
        match Kubeconfig::parse(&changed, None, Instead::default()) {
            Err(error) => prop_assert!(!error.to_string().contains("horse"), "{}", error),
            Ok(read) => {
                let told = format!("{read:?}");
                prop_assert!(!told.contains("horse"));
            }
        }
    }

    #[test]
    fn whatever_the_text_is_there_is_an_answer(text in "[ -~\\n\\t&*!{}\\[\\]:-]{0,400}") {
        let _ = Kubeconfig::parse(&text, None, Instead::default());
        let _ = minify(&text, None, &mut |_| Err("none".into()));
    }
}
