//! Asking a person something on a terminal.

use std::io::{self, BufRead, Read, Write};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{failure::Failure, terminal};

/// The longest answer that is read: no name, no link and no word is longer.
const MAX_ANSWER_BYTES: u64 = 2048;

/// Asks, and reads the line that is typed; `None` where the person closes the input.
pub(crate) async fn ask(question: &str) -> Result<Option<String>, Failure> {
    show(question)?;
    let (typed, line) = oneshot::channel();
    // A thread that nobody waits for: a read from a terminal cannot be given up. It reads one line
    // and leaves the rest to whoever reads next.
    std::thread::spawn(move || {
        let mut line = Vec::new();
        let read = io::stdin().lock().take(MAX_ANSWER_BYTES).read_until(b'\n', &mut line);
        // The person has left meanwhile.
        let _ = typed.send(read.map(|_| line));
    });
    let line = line.await.map_err(|_| Failure::Interrupted)?;
    let line = line.map_err(|error| Failure::Other(format!("cannot read your answer: {error}")))?;
    Ok((!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned()))
}

/// Asks about something that is done only if the person says yes; `None` where nobody is there to be
/// asked.
pub(crate) async fn confirm(
    question: &str,
    stop: &CancellationToken,
) -> Result<Option<bool>, Failure> {
    if !terminal::can_ask() {
        return Ok(None);
    }
    let question = format!("{question} [y/N] ");
    let answer = stop.run_until_cancelled(ask(&question)).await.ok_or(Failure::Interrupted)??;
    let answer = answer.unwrap_or_default();
    Ok(Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")))
}

/// Shows words as they are.
pub(crate) fn show(words: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    Ok(stdout.write_all(words.as_bytes()).and_then(|()| stdout.flush())?)
}
