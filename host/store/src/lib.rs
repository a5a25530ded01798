//! Where the host keeps its state: the Store trait and its SQLite form.
