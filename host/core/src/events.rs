//! What happens in the host, told to whoever listens. A listener that is too slow loses the oldest events and is told how
//! many; the host never waits for one.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use crate::{Event, EventKind, clock::now_ms, guest_log::clean};

/// Events that a listener may lag behind.
const CAPACITY: usize = 1024;

/// The events of a host. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    sender: broadcast::Sender<Event>,
    /// Held while sending, so that events arrive in the order of their numbers.
    sequence: Arc<Mutex<u64>>,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::channel(CAPACITY).0, sequence: Arc::default() }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    pub(crate) fn emit(&self, kind: EventKind, integration: Option<&str>, plugin: Option<&str>, message: String) {
        let owned = |name: Option<&str>| name.map(str::to_owned);
        tracing::info!(target: "jackfield::events", ?kind, integration, plugin, "{message}");
        let mut sequence = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
        *sequence += 1;
        // Fails when nobody listens.
        let _ = self.sender.send(Event {
            sequence: *sequence,
            at: now_ms(),
            kind,
            integration: owned(integration),
            plugin: owned(plugin),
            message,
        });
    }
}

/// The events of one integration.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    pub(crate) integration: Arc<str>,
    pub(crate) plugin: Arc<str>,
    pub(crate) events: Events,
}

impl Teller {
    /// Tells of something that happened to the integration, in a line that may hold a guest's words.
    pub(crate) fn tell(&self, kind: EventKind, message: &str) {
        self.events.emit(kind, Some(&self.integration), Some(&self.plugin), clean(message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_arrive_in_the_order_of_their_numbers() {
        let events = Events::new();
        let mut listener = events.subscribe();
        for number in 0..3 {
            events.emit(EventKind::PluginInstalled, None, Some("a"), number.to_string());
        }
        let seen: Vec<u64> = (0..3).map(|_| listener.try_recv().unwrap().sequence).collect();
        assert_eq!(seen, [1, 2, 3]);
    }
}
