//! Alone in its process, because it sets variables of the environment.

mod support;

use std::time::{Duration, Instant};

use http::{HeaderMap, Method};
use jackfield_net::{Address, Dialer, OutgoingRequest, SenderOptions};
use support::{Server, answer};

#[test]
fn proxy_variables_of_the_environment_change_nothing() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let proxy_runtime = runtime();
    let proxy = proxy_runtime.block_on(Server::http(async |_| answer(200, "proxy")));
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        // SAFETY: no other thread runs yet; both runtimes run on this one.
        unsafe { std::env::set_var(name, proxy.url()) };
    }
    runtime().block_on(async {
        let server = Server::http(async |_| answer(200, "direct")).await;
        let sender = Dialer::new().sender(Address::parse(&server.url()).unwrap(), &SenderOptions::default()).unwrap();
        let request = OutgoingRequest {
            method: Method::GET,
            target: "/".parse().unwrap(),
            headers: HeaderMap::new(),
            body: Default::default(),
        };
        let response = sender.send(request, Instant::now() + Duration::from_secs(5)).await.unwrap();
        assert_eq!(response.into_body().next().await.unwrap().unwrap(), "direct");
        assert_eq!(server.connections(), 1);
    });
    assert_eq!(proxy.connections(), 0);
}
