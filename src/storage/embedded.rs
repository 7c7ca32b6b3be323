//! The embedded storage: SQLite and memory, in the hub's own process.

mod directory;
pub mod log;
pub mod members;
mod pool;
mod private;

pub use directory::EmbeddedDirectory;
pub use log::{EmbeddedLog, Store};
pub use members::EmbeddedNameRegistry;
