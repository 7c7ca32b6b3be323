//! Questions to the user on a terminal.

use std::io::{self, BufRead, Read, Write};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    failure::{Failure, Result},
    terminal,
};

/// The longest answer that is read, in bytes: more than any name or join link has.
const MAX_ANSWER_BYTES: u64 = 2048;

/// Asks, and returns the line that is typed, or `None` if the user closes the input.
pub(crate) async fn ask(question: &str) -> Result<Option<String>> {
    show(question)?;
    let (typed, line) = oneshot::channel();
    // A read from a terminal cannot be cancelled, so a thread that nobody joins does it. It reads one
    // line and leaves the rest for the next reader.
    std::thread::spawn(move || {
        let mut line = Vec::new();
        let read = io::stdin().lock().take(MAX_ANSWER_BYTES).read_until(b'\n', &mut line);
        // Fails if the user has left meanwhile.
        let _ = typed.send(read.map(|_| line));
    });
    let line = line.await.map_err(|_| Failure::Interrupted)?;
    let line = line.map_err(|error| Failure::Other(format!("cannot read your answer: {error}")))?;
    Ok((!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned()))
}

/// Asks a yes-or-no question; an empty answer means no. Returns `None` if there is no user to ask.
pub(crate) async fn confirm(question: &str, stop: &CancellationToken) -> Result<Option<bool>> {
    if !terminal::can_ask() {
        return Ok(None);
    }
    let question = format!("{question} [y/N] ");
    let answer = stop.run_until_cancelled(ask(&question)).await.ok_or(Failure::Interrupted)??;
    let answer = answer.unwrap_or_default();
    Ok(Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")))
}

pub(crate) fn show(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    Ok(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())?)
}
