//! The full screen: what `chat` shows where the terminal is one.

pub(crate) mod complete;
pub(crate) mod composer;
mod glyphs;
pub(crate) mod keys;
mod theme;
mod transcript;
