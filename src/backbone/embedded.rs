//! The embedded backbone: SQLite and memory, in the hub's own process.

pub mod log;
