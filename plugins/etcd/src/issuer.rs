//! Users of etcd, made for credentials that the host rotates. Each is a user of its own, with the roles that the operator names, so
//! that the one before works until nobody uses it any more: etcd changes the password of a user for everybody at once.

use jackfield_sdk::http::Effect;
use jackfield_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::EtcdPlugin;
use crate::client::Etcd;
use crate::credential_issuer::{Field, Issued, Wish};

/// How long passwords are: 190 bits.
const PASSWORD: u32 = 32;
/// How much of the wish's key is in the user's name: enough that no two are the same.
const DISTINCT: usize = 12;

/// What the operator says.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Parameters {
    /// The roles that the user has. They must be there.
    roles: Vec<String>,
    /// What its name begins with; the credential's name, where nothing is said.
    user_prefix: Option<String>,
}

#[derive(Serialize)]
struct WithPassword<'a> {
    name: &'a str,
    password: &'a str,
}

#[derive(Serialize)]
struct Grant<'a> {
    user: &'a str,
    role: &'a str,
}

#[derive(Serialize)]
struct User<'a> {
    name: &'a str,
}

impl crate::CredentialIssuer for EtcdPlugin {
    fn issue(wish: Wish) -> Result<Issued> {
        let parameters = parameters(&wish.parameters)?;
        let name = name(&parameters, &wish);
        let etcd = Etcd::open()?;
        let password = secrets::generate(PASSWORD)?;
        let user = WithPassword { name: &name, password: &password };
        match etcd.user("/v3/auth/user/add", &user, Effect::Idempotent) {
            // It was asked before, and the answer was lost, and with it the password.
            Err(error) if is_there(&error) => etcd.user("/v3/auth/user/changepw", &user, Effect::Idempotent)?,
            added => added?,
        }
        for role in &parameters.roles {
            let grant = Grant { user: &name, role };
            if let Err(error) = etcd.user("/v3/auth/user/grant", &grant, Effect::Idempotent) {
                // Half a user helps nobody. One that stays is made whole, or removed, when this is asked again.
                let message = format!("the role `{role}`: {}", error.message);
                let kind = if remove(&etcd, &name).is_ok() { error.kind } else { ErrorKind::OutcomeUnknown };
                return Err(Error { kind, message, ..error });
            }
        }
        let field = |name: &str, value: &str| Field { name: name.to_owned(), value: value.to_owned() };
        let fields = vec![field("username", &name), field("password", &password)];
        Ok(Issued { fields, handle: name, lifetime_s: None })
    }

    fn renew(_: String) -> Result<Option<u64>> {
        Err(Error::unsupported("users of etcd live until they are removed"))
    }

    fn revoke(handle: String) -> Result<()> {
        remove(&Etcd::open()?, &handle)
    }

    fn verify(handle: String) -> Result<bool> {
        match Etcd::open()?.user("/v3/auth/user/get", &User { name: &handle }, Effect::Read) {
            Ok(()) => Ok(true),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn remove(etcd: &Etcd, name: &str) -> Result<()> {
    match etcd.user("/v3/auth/user/delete", &User { name }, Effect::Idempotent) {
        Err(error) if is_gone(&error) => Ok(()),
        removed => removed,
    }
}

fn parameters(text: &str) -> Result<Parameters> {
    let parameters: Parameters = serde_json::from_str(text).map_err(|error| {
        Error::invalid("/parameters", format!("a user of etcd needs `roles`, and may have a `user-prefix`: {error}"))
    })?;
    if parameters.roles.is_empty() {
        return Err(Error::invalid("/parameters/roles", "a user without roles may do nothing; name one at least"));
    }
    Ok(parameters)
}

/// The same for the same wish.
fn name(parameters: &Parameters, wish: &Wish) -> String {
    let distinct: String = wish.key.chars().filter(char::is_ascii_alphanumeric).take(DISTINCT).collect();
    format!("{}-{distinct}", parameters.user_prefix.as_deref().unwrap_or(&wish.credential))
}

// etcd's clients tell its errors apart by their text (api/v3/v3rpc/rpctypes/error.go).

fn is_there(error: &Error) -> bool {
    error.code.as_deref() == Some("etcdserver: user name already exists")
}

fn is_gone(error: &Error) -> bool {
    error.code.as_deref() == Some("etcdserver: user name not found")
}

#[cfg(test)]
mod tests {
    use jackfield_sdk::testing::{self, Answer};

    use super::*;
    use crate::CredentialIssuer as _;

    fn wish(parameters: &str) -> Wish {
        Wish { credential: "orders".into(), parameters: parameters.into(), key: "0123456789abcdef".into() }
    }

    fn refusal(code: i64, text: &str) -> Answer {
        Answer::json(400, &serde_json::json!({"error": text, "code": code, "message": text}).to_string())
    }

    #[test]
    fn a_user_is_made_with_its_roles_and_a_password_that_the_plugin_does_not_know() {
        testing::set_config("{}");
        testing::answer(|_| Answer::json(200, r#"{"header": {}}"#));
        let issued = EtcdPlugin::issue(wish(r#"{"roles": ["app", "reader"]}"#)).unwrap();
        assert_eq!(issued.handle, "orders-0123456789ab");
        assert_eq!(issued.fields[1].value, "secret-of-32", "a name stands for it");
        let sent = testing::sent();
        let paths: Vec<&str> = sent.iter().map(|sent| sent.path_and_query.as_str()).collect();
        assert_eq!(paths, ["/v3/auth/user/add", "/v3/auth/user/grant", "/v3/auth/user/grant"]);
        assert!(sent.iter().all(|sent| sent.endpoint == "users"));
    }

    #[test]
    fn a_wish_whose_answer_was_lost_is_for_the_same_user_with_another_password() {
        testing::set_config("{}");
        testing::answer(|sent| match sent.path_and_query.as_str() {
            "/v3/auth/user/add" => refusal(9, "etcdserver: user name already exists"),
            _ => Answer::json(200, "{}"),
        });
        let issued = EtcdPlugin::issue(wish(r#"{"roles": ["app"], "user-prefix": "svc"}"#)).unwrap();
        assert_eq!(issued.handle, "svc-0123456789ab");
        assert_eq!(testing::sent()[1].path_and_query, "/v3/auth/user/changepw");
    }

    #[test]
    fn a_user_that_cannot_have_its_role_does_not_stay() {
        testing::set_config("{}");
        testing::answer(|sent| match sent.path_and_query.as_str() {
            "/v3/auth/user/grant" => refusal(9, "etcdserver: role name not found"),
            _ => Answer::json(200, "{}"),
        });
        let error = EtcdPlugin::issue(wish(r#"{"roles": ["nobody"]}"#)).unwrap_err();
        assert!(error.message.contains("`nobody`"), "{}", error.message);
        assert_eq!(testing::sent().last().unwrap().path_and_query, "/v3/auth/user/delete");
    }

    #[test]
    fn who_is_gone_was_taken_back() {
        testing::set_config("{}");
        testing::answer(|_| refusal(9, "etcdserver: user name not found"));
        assert_eq!(EtcdPlugin::revoke("orders-1".into()), Ok(()));
        assert_eq!(EtcdPlugin::verify("orders-1".into()), Ok(false));
    }

    #[test]
    fn parameters_that_make_no_sense_are_told() {
        for (text, place) in
            [("{}", "/parameters"), (r#"{"roles": []}"#, "/parameters/roles"), (r#"{"role": "x"}"#, "/parameters")]
        {
            let error = EtcdPlugin::issue(wish(text)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid(jackfield_sdk::types::FieldViolation { field: place.into() }));
        }
    }
}
