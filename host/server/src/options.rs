//! What the embedder may set. Each number bounds what one client can make the process hold.

use std::time::Duration;

use crate::Drain;

/// How the API behaves. The defaults are those of `jackfield serve`.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The largest body of a call or of a management request, in bytes.
    pub body_bytes: usize,
    /// The largest plugin file, in bytes. A Python component is 18 MB.
    pub plugin_bytes: usize,
    /// What the bodies of all requests under way may weigh together, in bytes; heavy ones wait for room.
    pub all_bodies_bytes: usize,
    /// How long a client may take to send a body. A slower one is told so and costs no more.
    pub body_timeout: Duration,
    /// How many event streams may be open at once; each change feed holds an instance of its plugin.
    pub max_streams: usize,
    /// How many connections may be open at once; further ones wait in the system's queue.
    pub max_connections: usize,
    /// How often a silent stream says that it is alive, so that proxies keep it and both sides notice a dead peer.
    pub heartbeat: Duration,
    /// How long calls may go on after the server was told to stop.
    pub grace: Duration,
    /// The signal to stop; [`crate::Bound::serve`] gives it by itself.
    pub drain: Drain,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            body_bytes: 8 << 20,
            plugin_bytes: 64 << 20,
            all_bodies_bytes: 256 << 20,
            body_timeout: Duration::from_secs(60),
            max_streams: 256,
            max_connections: 1024,
            heartbeat: Duration::from_secs(15),
            grace: Duration::from_secs(30),
            drain: Drain::default(),
        }
    }
}
