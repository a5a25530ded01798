//! Dialling: one DNS answer, an address policy, TLS, unix sockets and the pooled HTTP sender.
