//! The embedded storage: SQLite and memory, within the process of the hub.

mod directory;
pub mod log;
pub mod members;
mod pool;

pub use directory::EmbeddedDirectory;
pub use log::{EmbeddedLog, Store};
pub use members::EmbeddedNameRegistry;
