//! The signals by which somebody stops the program, wakes it or ends it at once: the terminal is to
//! go back before, and to be taken again after.

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(unix), allow(dead_code, reason = "there are no such signals"))]
pub(super) enum Asked {
    /// To stop, as Ctrl-Z does: SIGTSTP.
    Stop,
    /// To go on, after whatever stop: SIGCONT.
    GoOn,
    /// To end at once, with what a shell makes of the end by such a signal: SIGQUIT, and others that
    /// would end the program in any case.
    End { code: i32 },
}

#[cfg(unix)]
pub(super) use unix::{Signals, can_be_woken, stop_here};

#[cfg(unix)]
mod unix {
    use std::{
        fs,
        future::poll_fn,
        io,
        task::{Context, Poll},
        time::Duration,
    };

    // And not `rustix`, to which a process that this one cannot see is none: it panics at its 0.
    use nix::{
        sys::signal::{Signal as Known, kill},
        unistd::{Pid, getpgid, getpgrp, getppid, getsid},
    };
    use tokio::{
        signal::unix::{Signal, SignalKind, signal},
        time::timeout,
    };

    use super::Asked;

    /// How long to wait for the word that the program goes on, once it does.
    const WORD: Duration = Duration::from_millis(200);

    /// Whom to send a signal that is for one's own process group, as `kill(2)` has it.
    const OWN_GROUP: Pid = Pid::from_raw(0);

    /// What ends a program that does not hear of it. An `abort` of this one goes on all the same: it
    /// waits for nobody who hears of it.
    const ENDS: [Known; 5] =
        [Known::SIGQUIT, Known::SIGABRT, Known::SIGUSR1, Known::SIGUSR2, Known::SIGALRM];

    /// What a shell adds to the number of a signal by which a program ended.
    const BY_SIGNAL: i32 = 128;

    /// Hears of them, in the place of what the system would do.
    pub(in super::super) struct Signals {
        stop: Signal,
        go_on: Signal,
        ends: Vec<(Known, Signal)>,
    }

    impl Signals {
        pub(in super::super) fn listen() -> io::Result<Self> {
            let listen = |known: Known| signal(SignalKind::from_raw(known as i32));
            Ok(Self {
                stop: listen(Known::SIGTSTP)?,
                go_on: listen(Known::SIGCONT)?,
                ends: ENDS
                    .into_iter()
                    .map(|known| Ok((known, listen(known)?)))
                    .collect::<io::Result<_>>()?,
            })
        }

        /// The next one; none is lost when the future is dropped.
        pub(in super::super) async fn next(&mut self) -> Asked {
            tokio::select! {
                _ = self.stop.recv() => Asked::Stop,
                _ = self.go_on.recv() => Asked::GoOn,
                code = poll_fn(|context| end(&mut self.ends, context)) => Asked::End { code },
            }
        }

        /// Returns when the program goes on after it was stopped.
        pub(in super::super) async fn went_on(&mut self) {
            let _ = timeout(WORD, self.go_on.recv()).await;
        }
    }

    /// With which code to end, once one of these signals has come.
    fn end(signals: &mut [(Known, Signal)], context: &mut Context<'_>) -> Poll<i32> {
        let code = signals.iter_mut().find_map(|(known, signal)| {
            signal.poll_recv(context).is_ready().then_some(BY_SIGNAL + *known as i32)
        });
        code.map_or(Poll::Pending, Poll::Ready)
    }

    /// Stops this program and whoever started it in the same place, as the terminal would have done
    /// it. Tells whether it did.
    pub(in super::super) fn stop_here() -> bool {
        // Not SIGTSTP, which is heard of here.
        kill(OWN_GROUP, Known::SIGSTOP).is_ok()
    }

    /// Whether a shell controls the program, to be asked before it stops: one of the same session,
    /// outside of the process group.
    ///
    /// In a container, a group or a session may be led by a process outside of it, and is 0 then.
    pub(in super::super) fn can_be_woken() -> bool {
        let (group, session) = (getpgrp(), getsid(None));
        let mut above = Some(getppid()).filter(is_seen);
        while let Some(parent) = above {
            let its = (getpgid(Some(parent)), getsid(Some(parent)));
            match its {
                (Ok(_), its) if its != session => return false,
                (Ok(its), _) if its == group => above = parent_of(parent).filter(is_seen),
                (its, _) => return its.is_ok(),
            }
        }
        false
    }

    /// Whether this program can see a process, which it cannot outside of its container.
    fn is_seen(pid: &Pid) -> bool {
        pid.as_raw() != 0
    }

    /// Who started a process, where the system tells.
    fn parent_of(pid: Pid) -> Option<Pid> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid)).ok()?;
        // The name of the program may have blanks and brackets in it.
        let (_, after) = stat.rsplit_once(')')?;
        Some(Pid::from_raw(after.split_whitespace().nth(1)?.parse().ok()?))
    }
}

#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    pub(super) async fn next(&mut self) -> Asked {
        std::future::pending().await
    }

    pub(super) async fn went_on(&mut self) {}
}

#[cfg(not(unix))]
pub(super) fn stop_here() -> bool {
    false
}

#[cfg(not(unix))]
pub(super) fn can_be_woken() -> bool {
    false
}
