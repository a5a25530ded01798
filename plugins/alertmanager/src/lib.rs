//! The alertmanager plugin.
