//! The full screen: what `chat` shows where the terminal is one.

mod glyphs;
mod theme;
mod transcript;
