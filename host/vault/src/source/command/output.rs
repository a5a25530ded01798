//! What a command prints: a text, JSON, or an `ExecCredential` of Kubernetes, which says when it ends
//! (<https://kubernetes.io/docs/reference/config-api/client-authentication.v1/>). Pure: whoever runs it is in `run`.

use std::time::{Duration, SystemTime};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use zeroize::Zeroizing;

use crate::{
    Material,
    source::{Drawn, Node},
};

/// The fields that are asked for, out of what was printed; `ttl` is how long they are used where nothing else is said.
pub(super) fn drawn(printed: &[u8], fields: &[String], ttl: Duration) -> Result<Drawn, String> {
    let node = serde_json::from_slice::<Node>(printed).ok().filter(|node| matches!(node, Node::Map(_)));
    let exec = node.as_ref().filter(|node| node.get("kind").and_then(Node::text) == Some("ExecCredential"));
    let life = match exec.and_then(|exec| exec.at("status.expirationTimestamp")).and_then(Node::text) {
        Some(ends) => Some(left(ends)?),
        None => None,
    };
    if life.is_some_and(|life| life.is_zero()) {
        return Err("what it printed has ended already".into());
    }
    let mut found: Vec<(&str, Zeroizing<Vec<u8>>)> = Vec::with_capacity(fields.len());
    for field in fields {
        let value = match (field.as_str(), &node, exec) {
            ("", _, None) => std::str::from_utf8(printed).map_err(|_| "what it printed is not UTF-8")?,
            // What a bearer credential is, of one.
            ("", _, Some(exec)) => text(exec, "status.token")?,
            (field, Some(node), None) => text(node, field)?,
            // The parts of one are all in its status.
            (field, Some(node), Some(exec)) => match exec.get("status").and_then(|status| status.get(field)) {
                Some(Node::Text(text)) => text.as_str(),
                _ => text(node, field)?,
            },
            (_, None, _) => return Err(format!("it printed no JSON object, so there is no `{field}` in it")),
        };
        found.push((field, Zeroizing::new(value.as_bytes().to_vec())));
    }
    let fields = Material::new(found.iter().map(|(name, value)| (*name, &value[..])));
    let again = life.is_none().then_some(ttl);
    Ok(Drawn { fields, life, again, lease: None })
}

fn text<'n>(node: &'n Node, field: &str) -> Result<&'n str, String> {
    let found = node.at(field).and_then(Node::text);
    found.ok_or_else(|| format!("what it printed has no text `{field}`; it has {}", node.names()))
}

/// How long it is until then; zero where that is over.
fn left(ends: &str) -> Result<Duration, String> {
    let ends = OffsetDateTime::parse(ends, &Rfc3339).map_err(|_| "its `expirationTimestamp` is no time")?;
    Ok(SystemTime::from(ends).duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(300);

    fn fields(fields: &[&str]) -> Vec<String> {
        fields.iter().map(|field| (*field).to_owned()).collect()
    }

    fn refused(printed: &str, field: &str) -> String {
        match drawn(printed.as_bytes(), &fields(&[field]), TTL) {
            Err(reason) => reason,
            Ok(_) => panic!("{printed} has {field}"),
        }
    }

    #[test]
    fn a_text_is_used_as_it_is_and_json_by_its_names() {
        let text = drawn(b"t0ken", &fields(&[""]), TTL).unwrap();
        assert_eq!((text.fields.text(""), text.life, text.again), (Some("t0ken"), None, Some(TTL)));
        let json = drawn(br#"{"a":{"b":"x"},"c":"y"}"#, &fields(&["a.b", "c"]), TTL).unwrap();
        assert_eq!((json.fields.text("a.b"), json.fields.text("c")), (Some("x"), Some("y")));
        assert!(refused(r#"{"user":"s3cret"}"#, "token").contains("it has `user`"));
        assert!(refused("s3cret", "token").contains("no JSON"));
        for reason in [refused(r#"{"user":"s3cret"}"#, "token"), refused("s3cret", "token")] {
            assert!(!reason.contains("s3cret"), "{reason}");
        }
    }

    #[test]
    fn an_exec_credential_says_when_it_ends() {
        let exec = |ends: &str| {
            format!(
                r#"{{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{{"token":"t0ken",
                "clientCertificateData":"cert","clientKeyData":"key","expirationTimestamp":"{ends}"}}}}"#
            )
        };
        let all = fields(&["", "token", "status.token", "clientCertificateData", "clientKeyData"]);
        let made = drawn(exec("2999-01-01T00:00:00Z").as_bytes(), &all, TTL).unwrap();
        assert!(made.life.unwrap() > Duration::from_secs(1 << 30) && made.again.is_none());
        for field in ["", "token", "status.token"] {
            assert_eq!(made.fields.text(field), Some("t0ken"));
        }
        assert_eq!(made.fields.text("clientKeyData"), Some("key"));
        assert!(refused(&exec("2001-01-01T00:00:00Z"), "token").contains("ended"));
        assert!(refused(&exec("soon"), "token").contains("no time"));
    }
}
