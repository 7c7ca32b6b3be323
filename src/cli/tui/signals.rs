//! The signals that stop, continue or end the program. The terminal is to be restored before it stops
//! or ends, and taken again when it continues.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(unix), allow(dead_code, reason = "there are no such signals"))]
pub(super) enum JobControl {
    /// Stop, as with Ctrl-Z: SIGTSTP.
    Stop,
    /// Continue after a stop: SIGCONT.
    Continue,
    /// Exit at once with the code that a shell reports for the signal: SIGQUIT and the like.
    Exit { code: i32 },
}

#[cfg(unix)]
pub(super) use unix::{JobSignals, can_continue, stop_group};

#[cfg(unix)]
mod unix {
    use std::{
        fs,
        future::poll_fn,
        io,
        task::{Context, Poll},
        time::Duration,
    };

    // Not `rustix`, which panics at the process id 0 of a process outside of the container.
    use nix::{
        sys::signal::{Signal as Known, kill},
        unistd::{Pid, getpgid, getpgrp, getppid, getsid},
    };
    use tokio::{
        signal::unix::{Signal, SignalKind, signal},
        time::timeout,
    };

    use super::JobControl;

    /// How long to wait for SIGCONT once the program continues.
    const CONTINUE_TIMEOUT: Duration = Duration::from_millis(200);

    /// The own process group, for `kill(2)`.
    const OWN_GROUP: Pid = Pid::from_raw(0);

    /// The signals that end a program by default. `abort` still ends this one: it does not wait.
    const FATAL: [Known; 5] =
        [Known::SIGQUIT, Known::SIGABRT, Known::SIGUSR1, Known::SIGUSR2, Known::SIGALRM];

    /// What a shell adds to the number of the signal that has ended a program.
    const EXIT_BY_SIGNAL: i32 = 128;

    /// Listens for the signals, instead of their default actions.
    pub(in super::super) struct JobSignals {
        stop: Signal,
        continues: Signal,
        fatal: Vec<(Known, Signal)>,
    }

    impl JobSignals {
        pub(in super::super) fn listen() -> io::Result<Self> {
            let listen = |known: Known| signal(SignalKind::from_raw(known as i32));
            Ok(Self {
                stop: listen(Known::SIGTSTP)?,
                continues: listen(Known::SIGCONT)?,
                fatal: FATAL
                    .into_iter()
                    .map(|known| Ok((known, listen(known)?)))
                    .collect::<io::Result<_>>()?,
            })
        }

        /// The next request. None is lost if the future is dropped.
        pub(in super::super) async fn next(&mut self) -> JobControl {
            tokio::select! {
                _ = self.stop.recv() => JobControl::Stop,
                _ = self.continues.recv() => JobControl::Continue,
                code = poll_fn(|context| poll_exit(&mut self.fatal, context)) => JobControl::Exit { code },
            }
        }

        /// Waits until the program continues after a stop.
        pub(in super::super) async fn continued(&mut self) {
            let _ = timeout(CONTINUE_TIMEOUT, self.continues.recv()).await;
        }
    }

    /// The exit code, once one of these signals has arrived.
    fn poll_exit(signals: &mut [(Known, Signal)], context: &mut Context<'_>) -> Poll<i32> {
        let code = signals.iter_mut().find_map(|(known, signal)| {
            signal.poll_recv(context).is_ready().then_some(EXIT_BY_SIGNAL + *known as i32)
        });
        code.map_or(Poll::Pending, Poll::Ready)
    }

    /// Stops the process group, as the terminal would. Returns false if that fails.
    pub(in super::super) fn stop_group() -> bool {
        // Not SIGTSTP, which this program handles.
        kill(OWN_GROUP, Known::SIGSTOP).is_ok()
    }

    /// Returns true if a shell can continue the program after a stop: one in the same session and
    /// outside of the process group.
    ///
    /// In a container, the leader of a group or session may be outside, and is 0 then.
    pub(in super::super) fn can_continue() -> bool {
        let (group, session) = (getpgrp(), getsid(None));
        let mut above = Some(getppid()).filter(is_visible);
        while let Some(parent) = above {
            let its = (getpgid(Some(parent)), getsid(Some(parent)));
            match its {
                (Ok(_), its) if its != session => return false,
                (Ok(its), _) if its == group => above = parent_of(parent).filter(is_visible),
                (its, _) => return its.is_ok(),
            }
        }
        false
    }

    /// Returns false for a process outside of the container.
    fn is_visible(pid: &Pid) -> bool {
        pid.as_raw() != 0
    }

    /// The parent of a process, if the system tells.
    fn parent_of(pid: Pid) -> Option<Pid> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid)).ok()?;
        // The name of the program may contain blanks and brackets.
        let (_, after) = stat.rsplit_once(')')?;
        Some(Pid::from_raw(after.split_whitespace().nth(1)?.parse().ok()?))
    }
}

#[cfg(not(unix))]
pub(super) struct JobSignals;

#[cfg(not(unix))]
impl JobSignals {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    pub(super) async fn next(&mut self) -> JobControl {
        std::future::pending().await
    }

    pub(super) async fn continued(&mut self) {}
}

#[cfg(not(unix))]
pub(super) fn stop_group() -> bool {
    false
}

#[cfg(not(unix))]
pub(super) fn can_continue() -> bool {
    false
}
