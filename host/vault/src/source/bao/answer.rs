//! What a server answers, and what it means: whether the secret is kept there or was made for the host, how long it is good
//! for, whether it must be given back. Pure: whoever asks is in `client`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::{
    Material,
    source::{Drawn, Granted, Node, Origin},
};

/// An answer.
#[derive(Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    lease_id: String,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
    #[serde(default = "none")]
    data: Node,
    #[serde(default)]
    pub(super) auth: Option<Auth>,
}

fn none() -> Node {
    Node::Other
}

/// What a login gives.
#[derive(Deserialize)]
pub(super) struct Auth {
    #[serde(default)]
    pub(super) client_token: zeroize::Zeroizing<String>,
    #[serde(default)]
    pub(super) lease_duration: u64,
    #[serde(default)]
    pub(super) renewable: bool,
}

/// Why a server refuses.
#[derive(Deserialize)]
pub(super) struct Refused {
    #[serde(default)]
    errors: Vec<String>,
}

impl Refused {
    /// In its words, as far as they can be told.
    pub(super) fn words(text: &[u8]) -> String {
        let said = serde_json::from_slice::<Self>(text).map(|refused| refused.errors.join("; ")).unwrap_or_default();
        said.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).take(200).collect()
    }
}

impl Answer {
    /// The lease as it was granted, to be given back whatever else is wrong with the answer.
    pub(super) fn granted(&self, login: u64) -> Option<Granted> {
        let (id, renewable) = (self.lease_id.clone(), self.renewable);
        (!id.is_empty()).then_some(Granted { id, renewable, life: self.life(), login })
    }

    /// How long it is good for.
    pub(super) fn life(&self) -> Duration {
        Duration::from_secs(self.lease_duration)
    }

    /// Its fields, and what becomes of them. `made`: it was asked for by a write, and asking again makes another.
    pub(super) fn drawn(
        &self,
        origin: &Origin,
        fields: &[String],
        made: bool,
        every: Duration,
        login: u64,
    ) -> Result<Drawn, String> {
        // The second version of KV has the fields one level down, beside what is known of the version.
        let version = self.data.at("metadata.version").is_some();
        let data = self.data.get("data").filter(|_| version && self.lease_id.is_empty()).unwrap_or(&self.data);
        let mut found = Vec::with_capacity(fields.len());
        for field in fields {
            let value = data.get(field).and_then(Node::text);
            let missing = || format!("{origin} has no field `{field}` that is a text; it has {}", data.names());
            found.push((field.as_str(), value.ok_or_else(missing)?));
        }
        let (mut life, mut again) = (None, None);
        let lease = self.granted(login);
        if lease.is_some() {
            life = Some(self.life());
        } else if made {
            let ends = self.data.get("expiration").and_then(Node::text).and_then(|text| text.parse().ok());
            let ends = ends.map(Duration::from_secs).or((self.lease_duration > 0).then(|| now() + self.life()));
            life = ends.map(|ends| ends.saturating_sub(now()));
            if life.is_none() {
                return Err(format!(
                    "{origin} gives something without a lease that never ends, and asking again would make another each \
                     time; have it give leases (`generate_lease` of PKI)"
                ));
            }
        } else {
            // KV of the first version says how often to look.
            let said = Some(self.life()).filter(|said| !said.is_zero());
            again = Some(said.map_or(every, |said| said.min(every)));
        }
        Ok(Drawn { fields: Material::new(found), life, again, lease })
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(10);

    fn drawn(json: &str, fields: &[&str], made: bool) -> Result<Drawn, String> {
        let fields: Vec<_> = fields.iter().map(|field| (*field).to_owned()).collect();
        let answer: Answer = serde_json::from_str(json).unwrap();
        answer.drawn(&Origin::Command("it".into()), &fields, made, EVERY, 1)
    }

    #[test]
    fn what_is_kept_and_what_is_made_are_told_apart() {
        let kept =
            r#"{"lease_id":"","lease_duration":0,"data":{"data":{"password":"one","n":5},"metadata":{"version":3}}}"#;
        let kept = drawn(kept, &["password", "n"], false).unwrap();
        assert_eq!((kept.fields.text("password"), kept.fields.text("n")), (Some("one"), Some("5")));
        assert_eq!((kept.life, kept.again), (None, Some(EVERY)));
        let first = drawn(r#"{"lease_duration":2764800,"data":{"data":"x"}}"#, &["data"], false).unwrap();
        assert_eq!((first.fields.text("data"), first.again), (Some("x"), Some(EVERY)));
        let soon = drawn(r#"{"lease_duration":2,"data":{"a":"x"}}"#, &["a"], false).unwrap();
        assert_eq!(soon.again, Some(Duration::from_secs(2)));
        let made = r#"{"lease_id":"db/creds/a/1","renewable":true,"lease_duration":60,"data":{"username":"u","password":"p"}}"#;
        let made = drawn(made, &["password", "username"], false).unwrap();
        assert_eq!((made.life, made.again), (Some(Duration::from_secs(60)), None));
        assert_eq!(made.lease.unwrap().id, "db/creds/a/1");
    }

    #[test]
    fn what_a_write_makes_must_end() {
        let ends = now().as_secs() + 100;
        let made = drawn(&format!(r#"{{"data":{{"k":"x","expiration":{ends}}}}}"#), &["k"], true).unwrap();
        assert!(made.life.unwrap() > Duration::from_secs(90) && made.lease.is_none());
        let Err(error) = drawn(r#"{"data":{"k":"x"}}"#, &["k"], true) else { panic!("it never ends") };
        assert!(error.contains("generate_lease"), "{error}");
    }

    #[test]
    fn a_field_that_is_not_there_is_told_with_those_that_are_and_no_value() {
        let Err(error) = drawn(r#"{"data":{"user":"s3cret-value","l":[1]}}"#, &["password"], false) else {
            panic!("there is no such field")
        };
        assert!(
            error.contains("`password`") && error.contains("it has `user`") && !error.contains("s3cret"),
            "{error}"
        );
        assert!(drawn(r#"{"data":null}"#, &["x"], false).is_err());
        assert!(drawn("{}", &["x"], false).is_err());
    }

    #[test]
    fn a_refusal_is_told_in_one_line() {
        let words = Refused::words(br#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#);
        assert_eq!(words, "1 error occurred: * permission denied");
        assert_eq!(Refused::words(b"<html>"), "");
    }
}
