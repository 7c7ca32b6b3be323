//! Reads the events of the terminal: keys, the mouse, pastes, its size.

use std::{
    io::{self, Write},
    thread,
    time::Duration,
};

use ratatui::crossterm::event::{self, Event};
use tokio::sync::mpsc;

use super::late_answer::{LateAnswer, typed_ahead};

/// The interval at which the thread that reads events checks whether it is still needed.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The most events that wait for the chat. A paste is one event.
const MAX_EVENTS: usize = 1024;

/// A request that every terminal answers (DSR, ECMA-48).
const STATUS_REPORT_REQUEST: &[u8] = b"\x1b[5n";

/// Reads the events of the terminal in a thread, which ends after the receiver is dropped. `typed` is
/// what the user typed before. `is_asked`: the terminal may still answer a query.
pub(super) fn events(typed: &str, is_asked: bool) -> mpsc::Receiver<io::Result<Event>> {
    let (sender, receiver) = mpsc::channel(MAX_EVENTS);
    for event in typed_ahead(typed).take(MAX_EVENTS) {
        let _ = sender.try_send(Ok(event));
    }
    let mut answer = LateAnswer::new(is_asked);
    thread::spawn({
        let sender = sender.clone();
        move || watch_for_hangup(&sender)
    });
    thread::spawn(move || {
        while !sender.is_closed() {
            let read = match event::poll(POLL_INTERVAL) {
                Ok(false) => {
                    if has_unread_input() {
                        request_answer();
                    }
                    continue;
                }
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            if read.as_ref().is_ok_and(|event| answer.takes(event)) {
                continue;
            }
            let is_over = read.is_err();
            if sender.blocking_send(read).is_err() || is_over {
                return;
            }
        }
    });
    receiver
}

/// Returns true if there is input that crossterm has not read and would not before the next key. It
/// misses input that arrives together with a change of the size.
#[cfg(unix)]
fn has_unread_input() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdin = io::stdin();
    let mut ends = [PollFd::new(&stdin, PollFlags::IN)];
    let ready = poll(&mut ends, Some(&Timespec::default()));
    ready.is_ok() && ends[0].revents().contains(PollFlags::IN)
}

/// Sends an error when the terminal is gone. The hangup signal may be ignored (`nohup`), and crossterm
/// reads from such a terminal forever without an error.
#[cfg(unix)]
fn watch_for_hangup(sender: &mpsc::Sender<io::Result<Event>>) {
    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        io::Errno,
    };
    let stdin = io::stdin();
    let second = Timespec { tv_sec: 1, tv_nsec: 0 };
    while !sender.is_closed() {
        // Without flags, only the end is reported.
        let mut ends = [PollFd::new(&stdin, PollFlags::empty())];
        match poll(&mut ends, Some(&second)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) if ends[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) => {
                let _ = sender.blocking_send(Err(io::ErrorKind::UnexpectedEof.into()));
                return;
            }
            // The system cannot poll this kind of terminal.
            Ok(_) | Err(_) => return,
        }
    }
}

#[cfg(not(unix))]
fn has_unread_input() -> bool {
    false
}

#[cfg(not(unix))]
fn watch_for_hangup(_: &mpsc::Sender<io::Result<Event>>) {}

/// Requests a status report of the terminal. The answer makes crossterm read, and is ignored.
fn request_answer() {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(STATUS_REPORT_REQUEST).and_then(|()| stdout.flush());
}
