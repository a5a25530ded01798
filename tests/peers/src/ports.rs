//! Free loopback ports. The kernel picks them; none is handed out twice by one process, because a peer binds its port
//! only some time after it was picked.

use std::{collections::HashSet, net::TcpListener, sync::Mutex};

static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A port of `127.0.0.1` on which nobody listens.
pub fn free() -> u16 {
    free_on("127.0.0.1")
}

/// A port of the given loopback address on which nobody listens.
///
/// # Panics
/// When the machine has no loopback address or no free port left.
pub fn free_on(address: &str) -> u16 {
    loop {
        let listener = TcpListener::bind((address, 0)).expect("a loopback address with a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let mut given = GIVEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if given.get_or_insert_default().insert(port) {
            return port;
        }
    }
}
