//! How the cluster is, as the member that answers sees it. Without a leader nothing can be written and only stale data be
//! read, but a leader is usually found within seconds: that is `degraded`, not `unhealthy`.

use jackfield_sdk::prelude::*;
use serde_json::Value;

use crate::client::Etcd;
use crate::wire::Status;

pub(crate) fn check(etcd: &Etcd) -> Result<Health> {
    match etcd.status() {
        Ok(status) => Ok(judge(&status)),
        // A user with narrow rights may not ask for the status. Everybody may ask for these two.
        Err(error) if matches!(error.kind, ErrorKind::PermissionDenied | ErrorKind::Unauthenticated) => pages(etcd),
        Err(error) => Err(error),
    }
}

fn judge(status: &Status) -> Health {
    let leader = status.leader.as_deref().is_some_and(|leader| !leader.is_empty() && leader != "0");
    let alarms: Vec<&str> = status.errors.iter().map(|alarm| alarm.trim_start_matches("etcdserver: ")).collect();
    let health = if !leader {
        Health::degraded("etcd answers but has no leader: nothing can be written until one is elected")
    } else if !alarms.is_empty() {
        Health::degraded(format!("etcd raises an alarm: {}", alarms.join(", ")))
    } else {
        Health::healthy("etcd answers and has a leader")
    };
    health.version(status.version.clone())
}

fn pages(etcd: &Etcd) -> Result<Health> {
    let version = etcd.page("/version")?;
    let health = match etcd.page("/health") {
        Ok(health) if health.get("health").and_then(Value::as_str) == Some("true") => {
            Health::healthy("etcd answers and has a leader")
        }
        Ok(_) => Health::degraded("etcd says that it is not healthy"),
        Err(error) if error.kind == ErrorKind::Unavailable => {
            Health::degraded("etcd answers but says that it is not healthy")
        }
        Err(error) => return Err(error),
    };
    Ok(match version.get("etcdserver").and_then(Value::as_str) {
        Some(version) => health.version(version),
        None => health,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(json: &str) -> Health {
        judge(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_member_without_a_leader_is_degraded() {
        let healthy = status(r#"{"version":"3.4.23","leader":"15985099378392235387"}"#);
        assert_eq!((healthy.status, healthy.system_version.as_deref()), (HealthStatus::Healthy, Some("3.4.23")));
        assert_eq!(status(r#"{"version":"3.4.23"}"#).status, HealthStatus::Degraded);
        assert_eq!(status(r#"{"version":"3.5.0","leader":"0"}"#).status, HealthStatus::Degraded);
        let full = status(r#"{"version":"3.5.0","leader":"1","errors":["memberID:1 alarm:NOSPACE "]}"#);
        assert_eq!(full.status, HealthStatus::Degraded);
        assert!(full.message.contains("NOSPACE"));
    }
}
