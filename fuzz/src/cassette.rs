//! Cassettes: what was recorded of an integration's traffic, perhaps by a stranger. An input is a cassette's text.
//!
//! Whatever it is, it is read without a panic; what is read and written is read back equal; and a replay of it answers every
//! exchange that is asked again, in order, with what stands there.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use jackfield_gateway::{
    Answer, Cassette, Content, Dialer, End, EndpointSpec, Exchange, Gateway, GatewayLimits, Match, Player, Request,
    normalize,
};

/// Endpoints of one gateway at most: what they are called is the input's choice.
const MOST_ENDPOINTS: usize = 16;

/// Checks a cassette.
pub fn check(input: &[u8]) {
    let Ok(mut cassette) = Cassette::read(input) else { return };
    assert_eq!(Cassette::read(cassette.to_text().as_bytes()).as_ref(), Ok(&cassette));

    // What a gateway could have been asked; an exchange that nobody can ask for again is in nobody's way.
    cassette.exchanges.retain(is_askable);
    cassette.exchanges.sort_by_key(|exchange| exchange.number);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime of one thread");
    for matching in [Match::Strict, Match::Best] {
        let player = Player::of(Path::new("fuzzed"), cassette.clone(), matching);
        let gateway = gateway(&cassette).replayed_by(Arc::new(player));
        for exchange in &cassette.exchanges {
            runtime.block_on(ask(&gateway, exchange, matching));
        }
        assert_eq!(gateway.stats().requests, 0, "a replay sends nothing");
    }
}

/// Whether a guest can have asked for it.
fn is_askable(exchange: &Exchange) -> bool {
    let Exchange { request, .. } = exchange;
    let is_normal = normalize(&request.target).is_ok_and(|(path, query)| format!("{path}{query}") == request.target);
    let Content::Bytes(body) = &request.body else { return false };
    // Headers have rules of their own; that they are compared is shown elsewhere.
    is_normal && request.method == "GET" && request.headers.is_empty() && body.len() < 1 << 16
}

/// A gateway that has all the endpoints, and no address for any.
fn gateway(cassette: &Cassette) -> Gateway {
    let names: BTreeSet<&str> = cassette.exchanges.iter().map(|exchange| exchange.endpoint.as_str()).collect();
    let spec = |name: &str| EndpointSpec {
        name: name.to_owned(),
        methods: vec!["GET".to_owned()],
        paths: vec!["/".to_owned(), "/*".to_owned()],
        ..EndpointSpec::default()
    };
    let specs = names.into_iter().take(MOST_ENDPOINTS).map(spec).collect();
    Gateway::new(specs, GatewayLimits::default(), Arc::new(Dialer::new()))
        .expect("endpoints without addresses are valid")
}

/// Asks for an exchange again.
async fn ask(gateway: &Gateway, exchange: &Exchange, matching: Match) {
    if !gateway.endpoints().contains(&exchange.endpoint.as_str()) {
        return;
    }
    let Content::Bytes(body) = exchange.request.body.clone() else { return };
    let request = Request {
        endpoint: exchange.endpoint.clone(),
        operation: exchange.operation.as_str().into(),
        method: exchange.request.method.clone(),
        path_and_query: exchange.request.target.clone(),
        headers: Vec::new(),
        body,
        timeout: None,
        private: false,
    };
    let answer = gateway.send(request, Instant::now() + Duration::from_secs(5)).await;
    // By the best match, another one that is asked for in the same way may have had its turn.
    let certain = matching == Match::Strict && exchange.operation != "lifecycle.check-health";
    let mut response = match (answer, &exchange.answer) {
        (Ok(response), _) => response,
        (Err(error), Answer::Response(reply)) if certain => {
            assert!(matches!(reply.body, Content::TooLong(_)), "{error}");
            return;
        }
        (Err(_), _) => return,
    };
    assert!(response.sent.replayed);
    let mut read = Vec::new();
    let end = loop {
        match response.body.read(1000).await {
            Ok(Some(piece)) => read.extend_from_slice(&piece),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    if !certain {
        return;
    }
    let Answer::Response(reply) = &exchange.answer else { panic!("there is a response where there was none") };
    assert_eq!((response.status, &response.headers), (reply.status, &reply.headers));
    assert_eq!(Content::Bytes(read.into()), reply.body);
    assert_eq!(end.is_ok(), reply.end == End::Whole);
}
