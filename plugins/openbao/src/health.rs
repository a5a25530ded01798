//! Whether OpenBao answers, is unsealed, and lets the token at `api` use the secrets engine. The last is what a rotation relies on: a
//! new token that is unknown, or whose policies allow nothing there, must not come to be used. OpenBao tells of a mount only whom it
//! lets do something below it, so asking for the mount asks just that, and needs no rights beside those that the keys need. The same
//! is asked with the token at `tokens`, where the operator says that tokens are made: whether one is bound there the plugin cannot know.

use jackfield_sdk::prelude::*;

use crate::client::OpenBao;
use crate::wire::Mount;

pub(crate) fn check(bao: &OpenBao) -> Result<Health> {
    let server = bao.server()?;
    let unfit = match (server.initialized, server.sealed) {
        (false, _) => Some("OpenBao answers but is not initialized: run `bao operator init`".to_owned()),
        (true, true) => Some("OpenBao answers but is sealed: run `bao operator unseal`".to_owned()),
        (true, false) => bao.mount()?.unfit(&bao.settings.mount),
    };
    let health = match unfit {
        Some(reason) => Health::unhealthy(reason),
        None => match bao.settings.check_tokens.then(|| bao.makes_tokens()) {
            Some(Err(error)) => Health::degraded(format!("keys can be used, but no tokens made: {}", error.message)),
            _ => Health::healthy("OpenBao answers, and the token may use the secrets engine"),
        },
    };
    Ok(match server.version {
        Some(version) => health.version(version),
        None => health,
    })
}

impl Mount {
    fn unfit(&self, mount: &str) -> Option<String> {
        let version = self.options.as_ref().and_then(|options| options.get("version")).map(String::as_str);
        match (self.kind.as_str(), version) {
            ("kv", Some("2")) => None,
            ("kv", _) => Some(format!(
                "the secrets engine at `{mount}` is KV version 1, which knows no versions: run `bao kv enable-versioning {mount}`, \
                 or choose another mount"
            )),
            (kind, _) => Some(format!("the secrets engine at `{mount}` is `{kind}`, not `kv`; choose another mount")),
        }
    }
}

#[cfg(test)]
mod tests {
    use jackfield_sdk::HealthStatus;
    use jackfield_sdk::testing::{self, Answer};

    use super::*;

    const WELL: &str = r#"{"initialized":true,"sealed":false,"standby":false,"version":"2.7.2"}"#;

    fn checked(server: (u16, &'static str), mount: (u16, &'static str)) -> Result<Health> {
        testing::reset();
        testing::set_config(r#"{"namespace": "ns1"}"#);
        testing::answer(move |sent| match sent.path_and_query.starts_with("/v1/sys/health?") {
            true => Answer::json(server.0, server.1),
            false => Answer::json(mount.0, mount.1),
        });
        check(&OpenBao::open()?)
    }

    #[test]
    fn a_token_that_may_use_the_engine_is_well() {
        let mount = r#"{"data":{"type":"kv","options":{"version":"2"},"path":"secret/"},"auth":null}"#;
        let health = checked((200, WELL), (200, mount)).unwrap();
        assert_eq!((health.status, health.system_version.as_deref()), (HealthStatus::Healthy, Some("2.7.2")));
        let sent = testing::sent();
        assert_eq!(sent[1].path_and_query, "/v1/sys/internal/ui/mounts/secret");
        let namespace = |at: usize| sent[at].headers.iter().any(|(name, _)| name == "x-vault-namespace");
        assert_eq!((namespace(0), namespace(1)), (false, true), "only the root has a health");
    }

    #[test]
    fn a_token_that_is_unknown_or_allowed_nothing_is_no_good() {
        let unknown = checked((200, WELL), (403, r#"{"errors":["permission denied"]}"#)).unwrap_err();
        assert_eq!(unknown.kind, ErrorKind::Unauthenticated);
        let denied = r#"{"errors":["preflight capability check returned 403, please ensure client's policies grant access to path \"secret/\""]}"#;
        assert_eq!(checked((200, WELL), (403, denied)).unwrap_err().kind, ErrorKind::PermissionDenied);
    }

    #[test]
    fn who_makes_tokens_is_asked_for_where_the_operator_says_so() {
        testing::reset();
        testing::set_config(r#"{"check-tokens": true}"#);
        testing::answer(|sent| match (sent.endpoint.as_str(), sent.path_and_query.starts_with("/v1/sys/health?")) {
            ("api", true) => Answer::json(200, WELL),
            ("api", false) => Answer::json(200, r#"{"data":{"type":"kv","options":{"version":"2"}}}"#),
            _ => Answer::json(403, r#"{"errors":["permission denied"]}"#),
        });
        let health = check(&OpenBao::open().unwrap()).unwrap();
        assert_eq!(health.status, HealthStatus::Degraded);
        assert_eq!(testing::sent()[2].path_and_query, "/v1/sys/internal/ui/mounts/auth/token");
    }

    #[test]
    fn a_server_that_is_sealed_and_an_engine_of_another_kind_are_told() {
        let sealed = r#"{"initialized":true,"sealed":true,"standby":true,"version":"2.7.2"}"#;
        let old = r#"{"data":{"type":"kv","options":{"version":"1"}}}"#;
        let other = r#"{"data":{"type":"pki","options":null}}"#;
        for (server, mount, word) in [
            ((503, sealed), (503, "{}"), "sealed"),
            ((501, r#"{"initialized":false,"sealed":true}"#), (503, "{}"), "operator init"),
            ((200, WELL), (200, old), "version 1"),
            ((200, WELL), (200, other), "`pki`"),
        ] {
            let health = checked(server, mount).unwrap();
            assert_eq!(health.status, HealthStatus::Unhealthy);
            assert!(health.message.contains(word), "{}", health.message);
        }
        assert_eq!(checked((502, "<html>"), (200, old)).unwrap_err().kind, ErrorKind::Unavailable);
    }
}
