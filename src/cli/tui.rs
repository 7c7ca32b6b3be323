//! The full screen: what `chat` shows where the terminal is one.

mod bench;
mod glyphs;
mod theme;
mod transcript;

#[doc(hidden)]
pub use bench::{FrameTimes, ScreenFigures, bench_screen};
