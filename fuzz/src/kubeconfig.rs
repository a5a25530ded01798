//! Kubeconfigs, as an operator is sent them. Whatever one is, reading it ends, and what is wrong with it is told without what
//! stands in it; one that can be used is for a place that is an address, and means the same when only what is used of it is kept.

use jackfield_vault::{
    Secret,
    kubeconfig::{Instead, Kubeconfig, minify},
    net::Address,
};

/// What shorter texts are found anywhere.
const TELLING: usize = 8;

/// Checks a kubeconfig.
pub fn check(input: &[u8]) {
    let Some(text) = crate::text(input) else { return };
    let mut no_file = |_: &str| Err::<Secret, _>("there are no files here".to_owned());
    let small = minify(text, None, &mut no_file);
    let read = match Kubeconfig::parse(text, None, Instead::default()) {
        Ok(read) => read,
        Err(error) => {
            let words = error.to_string();
            assert!(!words.is_empty() && words.len() < 4096, "{} bytes of words", words.len());
            for secret in marked(text) {
                assert!(!words.contains(secret), "what is wrong is told with the secret itself");
            }
            return;
        }
    };
    let server = read.server.to_string();
    assert_eq!(Address::parse(&server).map(|address| address.to_string()).as_ref(), Ok(&server));
    assert!(read.covers(&read.server), "a cluster's server is not where it is");
    let shown = format!("{read:?}{}", read.authentication());
    let others = [&read.context, &read.user, &server];
    let acts_as = read.acts_as.as_ref().map(|other| other.user.clone()).unwrap_or_default();
    for secret in read.secrets().filter(|secret| secret.len() >= TELLING) {
        let named = others.iter().any(|name| name.contains(secret)) || acts_as.contains(secret);
        assert!(named || !shown.contains(secret), "a secret is shown");
    }
    let small = match small {
        Ok(small) => small,
        Err(error) => return assert!(error.to_string().contains("64 KiB"), "it can be used, and not be kept: {error}"),
    };
    let again = Kubeconfig::parse(small.expose_str().expect("JSON is text"), None, Instead::default())
        .expect("what is kept can be used");
    assert_eq!((&again.context, &again.user, again.server.to_string()), (&read.context, &read.user, server));
    assert_eq!(
        (&again.ca_pem, &again.tls_server_name, &again.acts_as),
        (&read.ca_pem, &read.tls_server_name, &read.acts_as)
    );
    assert!(again.secrets().eq(read.secrets()), "another secret is kept");
}

/// What stands in a line of its own behind the name of a secret, as kubeconfigs are written, and nowhere else: what is a part
/// of another's name as well may be told as that.
fn marked(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let (name, value) = line.trim_start().split_once(": ")?;
        let secret = ["token", "password", "client-key-data"].contains(&name);
        let plain = value.len() >= TELLING && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (secret && plain && text.matches(value).count() == 1).then_some(value)
    })
}
