//! Stopping: the signals, and the grace period.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How long a stopping server waits for its streams to end. A supervisor sends SIGKILL after 10 s
/// (Docker) or more, and a second SIGTERM ends the wait at once.
pub const GRACE: Duration = Duration::from_secs(5);

/// Returns a token that is cancelled at the first SIGINT, SIGTERM or SIGHUP. A second SIGINT or
/// SIGTERM exits the process. A second SIGHUP does not, since a closed terminal sends one and its
/// shell another. Errors if the process cannot listen for signals.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut signals = Signals::listen()?;
    let cancelled = token.clone();
    #[allow(clippy::disallowed_methods, reason = "owned by the process, as signals are")]
    tokio::spawn(async move {
        signals.next().await;
        cancelled.cancel();
        signals.next_order().await;
        std::process::exit(130);
    });
    Ok(token)
}

/// Makes a file that reaches the limit of its size (`ulimit -f`) fail to be written, as on a full
/// disk. Without this, SIGXFSZ ends the process.
#[cfg(feature = "cli")]
pub(crate) fn survive_file_size_limit() {
    #[cfg(unix)]
    {
        use signal_hook::{consts::SIGXFSZ, flag::register};
        // A handler instead of SIG_IGN, which the commands of `on` would inherit. It fails only if the
        // system has no such signal.
        drop(register(SIGXFSZ, std::sync::Arc::default()));
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// `None` if the process ignores SIGHUP.
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: hangup_kills().then(|| signal(SignalKind::hangup())).transpose()?,
        })
    }

    async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }

    /// Waits for a signal that a person or a supervisor sends.
    async fn next_order(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Returns true if SIGHUP is known not to be ignored. `nohup` makes a process ignore it, and
/// listening for it would undo that.
#[cfg(unix)]
fn hangup_kills() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| !ignores_hangup(&status))
}

/// Returns true if a process with this `/proc/self/status` ignores SIGHUP, the mask's lowest bit.
#[cfg(unix)]
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.is_none_or(|mask| u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & 1 == 1))
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // Without a console there is no signal to wait for.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn next_order(&mut self) {
        self.next().await;
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn sighup_stays_ignored_under_nohup() {
        assert!(ignores_hangup("Name:\tchinwagd\nSigIgn:\t0000000000000001\n"));
        assert!(ignores_hangup("SigIgn:\t0000000000001003\n"));
        assert!(!ignores_hangup("SigIgn:\t0000000000001000\n"));
        assert!(ignores_hangup("Name:\tchinwagd\n"), "nothing is known");
    }
}
