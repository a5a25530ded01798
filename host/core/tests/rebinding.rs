//! Names that lie. A hostile plugin may own the zone of the name that it was granted, and answer as it likes: what is dialled
//! is judged by the address, each time, whatever the name resolved to before.

mod common;

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use common::{builder, outside::Outside, plugin};
use jackfield_core::{CallRequest, EndpointSettings, ErrorKind, NewIntegration, Resolver};
use serde_json::json;

/// A name server of the plugin's author: one answer after another, the last for ever.
#[derive(Clone)]
struct Lying(Arc<(Vec<IpAddr>, AtomicUsize)>);

impl Lying {
    fn with(answers: &[&str]) -> Self {
        let answers = answers.iter().map(|ip| ip.parse().unwrap()).collect();
        Self(Arc::new((answers, AtomicUsize::new(0))))
    }

    fn asked(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Resolver for Lying {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let (answers, asked) = &*self.0;
        let turn = asked.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        Ok(vec![answers[turn]])
    }
}

#[tokio::test]
async fn a_name_that_turns_to_another_address_reaches_nothing_there() {
    // What listens on this machine is what the plugin wants; it was granted an address at which nobody does.
    let outside = Outside::start().await;
    let port = outside.url.rsplit(':').next().unwrap();
    for target in ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "::1", "169.254.169.254", "0.0.0.0"] {
        let names = Lying::with(&["127.0.0.2", target]);
        let host = builder().resolver(names.clone()).build().await.unwrap();
        host.install_plugin(plugin("unruly")).await.unwrap();
        let mut new = NewIntegration::new("wild", "unruly");
        new.config.insert("url".into(), format!("http://rebind.example:{port}").into());
        let granted = EndpointSettings { allow_addresses: vec!["127.0.0.2/32".into()], ..EndpointSettings::default() };
        new.endpoints.insert("api".into(), granted);
        host.add_integration(new).await.unwrap();

        let fetch = || CallRequest::new("wild", "unruly", "fetch", json!({"path": "/x"}).to_string());
        // At what was granted nobody listens, so the host tries again, and is told another address.
        for _ in 0..4 {
            let error = host.call(fetch()).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::PermissionDenied, "{target}: {error}");
        }
        assert!(names.asked() >= 5, "each new connection asks once, and dials what it was told then");
        // Each attempt is in the trail, with why it was refused.
        let trail = host.audit(None, 20, &["unruly.fetch".to_owned()]).await.unwrap();
        let refused = trail.items.iter().filter(|record| record.get().contains("\"refused\":")).count();
        assert_eq!(refused, 4, "{target}");
        host.shutdown().await;
    }
    assert_eq!(outside.requests(), 0);
}
