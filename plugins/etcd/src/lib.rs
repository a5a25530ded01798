//! The etcd plugin.
