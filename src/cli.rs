//! The command line: what people and scripts use.

pub mod daemon;
