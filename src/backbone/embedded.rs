//! The embedded backbone: SQLite and memory, in the hub's own process.

mod directory;
pub mod log;

pub use directory::EmbeddedDirectory;
pub use log::{EmbeddedLog, Store};
