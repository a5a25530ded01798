//! One registration as it is stored: the JSON that gRPC-Go's etcd resolver reads (`Op`, `Addr`, `Metadata`), and two
//! members more that it ignores, `Labels` and `Health`. Labels are not in `Metadata`, because gRPC-Go compares metadata of
//! two addresses with `==`, which panics for a JSON object. What others wrote is read as far as it goes, and kept when
//! only the health is changed.

use std::fmt;

use jackfield_sdk::prelude::*;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::wire::Kv;
use crate::wit::service_discovery::{Instance, InstanceHealth, Registration};

/// A registration as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Record {
    /// 0: add. Other tools write it and nobody reads it.
    #[serde(default)]
    op: i64,
    /// `host:port`.
    addr: String,
    #[serde(default)]
    metadata: Value,
    /// Only we write these: they tell our registrations from those of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    labels: Option<Labels>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    health: Option<String>,
    /// What others wrote beside.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Names and values, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Labels(Vec<(String, String)>);

impl Record {
    /// What a registration stores. Registering anew says nothing of health, so it stays as it was.
    pub(super) fn of(registration: &Registration, before: Option<&Self>) -> Self {
        let labels = registration.labels.iter().map(|label| (label.name.clone(), label.value.clone())).collect();
        let health = before.map_or(InstanceHealth::Passing, Self::health);
        Self {
            op: 0,
            addr: join(&registration.address, registration.port),
            metadata: Value::Null,
            labels: Some(Labels(labels)),
            health: Some(word(health).to_owned()),
            rest: Map::new(),
        }
    }

    /// Reads a stored registration; none where it is something else.
    pub(super) fn read(kv: &Kv) -> Option<Self> {
        serde_json::from_slice(&kv.value.0).ok()
    }

    pub(super) fn json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::internal(format!("a registration cannot be written: {e}")))
    }

    /// Whether Jackfield made the registration, and so granted its lease for it alone.
    pub(super) fn is_ours(&self) -> bool {
        self.labels.is_some()
    }

    pub(super) fn health(&self) -> InstanceHealth {
        match self.health.as_deref() {
            None | Some("passing") => InstanceHealth::Passing,
            Some("warning") => InstanceHealth::Warning,
            // Nothing is sent where it is not known to be fine.
            Some(_) => InstanceHealth::Critical,
        }
    }

    #[must_use]
    pub(super) fn with_health(mut self, health: InstanceHealth) -> Self {
        self.health = Some(word(health).to_owned());
        self
    }

    pub(super) fn instance(&self, service: &str, id: &str, revision: String) -> Instance {
        let (address, port) = split(&self.addr);
        let labels = self.labels.clone().unwrap_or_else(|| Labels::of(&self.metadata));
        Instance {
            service: service.to_owned(),
            id: id.to_owned(),
            address,
            port,
            labels: labels.0.into_iter().map(|(name, value)| label(name, value)).collect(),
            health: self.health(),
            revision,
        }
    }
}

/// The stored word for a health.
pub(super) fn word(health: InstanceHealth) -> &'static str {
    match health {
        InstanceHealth::Passing => "passing",
        InstanceHealth::Warning => "warning",
        InstanceHealth::Critical => "critical",
    }
}

fn join(address: &str, port: u16) -> String {
    let is_v6 = address.contains(':') && !address.starts_with('[');
    if is_v6 { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

/// Address and port. What has no port gets 0: others may store addresses of other forms.
fn split(addr: &str) -> (String, u16) {
    let parts = addr.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = parts.unwrap_or((addr, 0));
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (bare.to_owned(), port)
}

impl Labels {
    /// The labels that another's metadata can be read as.
    fn of(metadata: &Value) -> Self {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        Self(match metadata {
            Value::Object(members) => {
                members.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
            }
            other => text(other).map(|value| ("metadata".to_owned(), value)).into_iter().collect(),
        })
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut labels = Vec::new();
                while let Some(label) = map.next_entry()? {
                    labels.push(label);
                }
                Ok(Labels(labels))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(address: &str) -> Registration {
        Registration {
            service: "web".into(),
            id: "1".into(),
            address: address.into(),
            port: 80,
            labels: vec![label("zone", "b"), label("a", "1")],
            ttl_ms: None,
        }
    }

    fn read(json: &str) -> Option<Record> {
        Record::read(&Kv { value: json.into(), ..Kv::default() })
    }

    #[test]
    fn a_registration_is_stored_so_that_grpc_reads_it() {
        let json = Record::of(&registration("10.0.0.1"), None).json().unwrap();
        let expected =
            r#"{"Op":0,"Addr":"10.0.0.1:80","Metadata":null,"Labels":{"zone":"b","a":"1"},"Health":"passing"}"#;
        assert_eq!(String::from_utf8(json).unwrap(), expected);
        assert_eq!(read(expected).unwrap(), Record::of(&registration("10.0.0.1"), None));
    }

    #[test]
    fn an_instance_comes_back_as_it_was_registered() {
        for address in ["10.0.0.1", "::1", "db.internal", "fe80::1%eth0"] {
            let record = Record::of(&registration(address), None);
            let instance =
                read(std::str::from_utf8(&record.json().unwrap()).unwrap()).unwrap().instance("web", "1", "7".into());
            assert_eq!((instance.address.as_str(), instance.port), (address, 80));
            assert_eq!(instance.labels, registration(address).labels);
        }
    }

    #[test]
    fn what_other_tools_registered_is_read_as_far_as_it_goes() {
        let instance = |json| read(json).unwrap().instance("web", "1", "7".into());
        let plain = instance(r#"{"Op":0,"Addr":"[::1]:8080","Metadata":null}"#);
        assert_eq!((plain.address.as_str(), plain.port, plain.health), ("::1", 8080, InstanceHealth::Passing));
        let rich = instance(r#"{"Addr":"web","Metadata":{"zone":"a","weight":3,"deep":{}}}"#);
        assert_eq!((rich.address.as_str(), rich.port), ("web", 0));
        assert_eq!(rich.labels, [label("weight", "3"), label("zone", "a")]);
        assert_eq!(instance(r#"{"Addr":"a:1","Metadata":"canary"}"#).labels, [label("metadata", "canary")]);
        assert_eq!(instance(r#"{"Addr":"a:1","Health":"on fire"}"#).health, InstanceHealth::Critical);
        for json in ["", "10.0.0.1:80", "{}", "[]", r#"{"Addr":1}"#] {
            assert_eq!(read(json), None, "{json}");
        }
    }

    #[test]
    fn a_change_of_health_keeps_what_others_wrote() {
        let theirs = read(r#"{"Op":0,"Addr":"a:1","Metadata":{"x":[1]},"Weight":7}"#).unwrap();
        assert!(!theirs.is_ours());
        let json = String::from_utf8(theirs.with_health(InstanceHealth::Warning).json().unwrap()).unwrap();
        assert_eq!(json, r#"{"Op":0,"Addr":"a:1","Metadata":{"x":[1]},"Health":"warning","Weight":7}"#);
    }
}
