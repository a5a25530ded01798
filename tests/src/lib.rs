//! The whole product against real systems.
