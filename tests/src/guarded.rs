//! An etcd that asks its users for passwords.

use std::collections::BTreeSet;

use jackfield_peers::{Etcd, Etcdctl, Result};

/// An etcd with authentication on, and a role `app` for whoever reads and writes.
#[derive(Debug)]
pub struct GuardedEtcd {
    etcd: Etcd,
    root: Etcdctl,
}

impl GuardedEtcd {
    /// The password of `root`.
    pub const ROOT: &str = "r00t-pass";

    /// Starts one.
    pub fn start() -> Result<GuardedEtcd> {
        let etcd = Etcd::start("")?;
        let client = etcd.client()?;
        let root = format!("root:{}", GuardedEtcd::ROOT);
        for line in [
            &*format!("user add {root}"),
            "user grant-role root root",
            "role add app",
            "role grant-permission app readwrite --prefix=true /",
            // Where the plugin notes what it has done.
            "role grant-permission app readwrite --prefix=true jackfield/",
            "auth enable",
        ] {
            client.run(&line.split(' ').collect::<Vec<_>>())?;
        }
        Ok(GuardedEtcd { root: client.as_user(&root), etcd })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.etcd.url()
    }

    /// Its own client, as `root`.
    pub fn root(&self) -> &Etcdctl {
        &self.root
    }

    /// Its users but for `root`.
    pub fn users(&self) -> BTreeSet<String> {
        let users = self.root.run(&["user", "list"]).unwrap();
        users.lines().filter(|user| *user != "root").map(str::to_owned).collect()
    }
}
