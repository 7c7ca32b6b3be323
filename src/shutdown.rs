//! When to stop: the signals, and how long to wait for what is under way.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How long a server waits for its streams to end once it was told to stop. A supervisor sends
/// SIGKILL after 10 s (Docker) or more, and a second SIGTERM ends the wait at once.
pub const GRACE: Duration = Duration::from_secs(5);

/// A token that is cancelled at the first SIGINT or SIGTERM. The second one exits the process.
///
/// # Errors
///
/// Says so where the process may not listen for signals.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut signals = Signals::listen()?;
    let told = token.clone();
    #[allow(clippy::disallowed_methods, reason = "owned by the process, as signals are")]
    tokio::spawn(async move {
        signals.next().await;
        told.cancel();
        signals.next().await;
        std::process::exit(130);
    });
    Ok(token)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // Without a console there is nothing to wait for.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
