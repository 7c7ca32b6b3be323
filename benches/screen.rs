//! `make bench-screen`: how long a frame of the full screen takes with 60,000 messages.

use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::{Result, ensure};
use chinwag::cli::bench_screen;

/// How many messages a room has that somebody scrolls through.
const MESSAGES: usize = 60_000;

/// What a frame may take: of 60 in a second, each.
const BUDGET: Duration = Duration::from_millis(16);

fn main() -> Result<()> {
    let figures = bench_screen(MESSAGES)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{:<28}{:>9}{:>9}{:>9}", "ms a frame", "p50", "p99", "max")?;
    for frames in &figures.frames {
        let [p50, p99, max] = [50, 99, 100].map(|n| frames.percentile(n).as_secs_f64() * 1e3);
        writeln!(out, "{:<28}{p50:>9.3}{p99:>9.3}{max:>9.3}", frames.action)?;
    }
    if let Some((before, after)) = figures.resident {
        let [before, after] = [before, after].map(|bytes| bytes as f64 / f64::from(1 << 20));
        let messages = figures.messages;
        writeln!(
            out,
            "\nresident: {before:.1} MiB before, {after:.1} MiB with {messages} messages"
        )?;
    }
    let slow = figures.frames.iter().find(|frames| frames.percentile(99) >= BUDGET);
    ensure!(slow.is_none(), "a frame takes longer than {BUDGET:?}: {:?}", slow.map(|s| s.action));
    Ok(())
}
