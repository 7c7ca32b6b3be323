//! The terminal in full-screen mode.
//!
//! [`Screen`] sets raw mode, the alternate screen, bracketed paste, and reports of focus and mouse.
//! [`Screen::close`] or dropping it restores the terminal; a panic restores it before it is printed.
//! Signals that stop, continue or end the program at once are handled here; those that shut it down end
//! the loop of the chat and with it the screen.
//!
//! A thread writes the frames, because writing to a terminal that nobody reads would block the task
//! that handles signals. While the thread writes, no further frame is drawn.

use std::{
    io::{self, Write},
    mem, panic,
    sync::{
        Arc, Once,
        atomic::{AtomicBool, Ordering},
        mpsc as std_mpsc,
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use ratatui::{
    Frame, Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor,
        event::{
            self, DisableBracketedPaste, DisableFocusChange, DisableMouseCapture,
            EnableBracketedPaste, EnableFocusChange, EnableMouseCapture, Event,
        },
        queue,
        style::{Attribute, ResetColor, SetAttribute},
        terminal::{
            self, BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate,
            EnterAlternateScreen, LeaveAlternateScreen,
        },
    },
    layout::{Position, Rect},
};
use tokio::sync::{mpsc, mpsc::error::TrySendError, oneshot};

use super::{
    late_answer::{LateAnswer, typed_ahead},
    signals::{self, JobControl, JobSignals},
};

/// The interval at which the thread that reads events checks whether it is still needed.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The most events that wait for the chat. A paste is one event.
const MAX_EVENTS: usize = 1024;

/// The most frames that wait for the terminal.
const MAX_FRAMES: usize = 2;

/// How long to wait at the end until the last frame is written.
const LAST_FRAME_TIMEOUT: Duration = Duration::from_secs(1);

const BELL: &[u8] = b"\x07";

/// A request that every terminal answers (DSR, ECMA-48).
const STATUS_REPORT_REQUEST: &[u8] = b"\x1b[5n";

/// Whether the terminal is in full-screen mode.
static IS_FULL_SCREEN: AtomicBool = AtomicBool::new(false);

/// The terminal in full-screen mode.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<FrameBuffer>>,
    buffer: FrameBuffer,
    frames: Option<mpsc::Sender<Vec<u8>>>,
    written: oneshot::Receiver<()>,
    pub(super) signals: JobSignals,
}

/// The bytes of frames that are not sent to the thread yet. Clones share them.
#[derive(Clone, Default)]
struct FrameBuffer(Arc<Mutex<Vec<u8>>>);

impl Screen {
    /// Sets full-screen mode.
    pub(super) fn open() -> io::Result<Self> {
        restore_on_panic();
        let signals = JobSignals::listen()?;
        let buffer = FrameBuffer::default();
        let terminal = Terminal::new(CrosstermBackend::new(buffer.clone()))?;
        let (frames, to_write) = mpsc::channel(MAX_FRAMES);
        let (done, written) = oneshot::channel();
        // It is not joined, because a write may block forever.
        thread::spawn(move || {
            write_all(to_write);
            let _ = done.send(());
        });
        set_full_screen()?;
        Ok(Self { terminal, buffer, frames: Some(frames), written, signals })
    }

    /// Returns true if all frames are written, so that another one can be drawn.
    pub(super) fn is_ready(&self) -> bool {
        self.frames.as_ref().is_some_and(|frames| frames.capacity() == MAX_FRAMES)
    }

    /// Waits until that may be so.
    pub(super) fn readiness(&self) -> impl Future<Output = ()> + use<> {
        let frames = self.frames.clone();
        async move {
            if let Some(frames) = frames {
                // If the thread has ended, the next frame fails.
                let _ = frames.reserve_many(MAX_FRAMES).await;
            }
        }
    }

    /// Draws a frame. Errors if the terminal was closed.
    pub(super) fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if !IS_FULL_SCREEN.load(Ordering::SeqCst) {
            // A panic in another task has restored the terminal.
            self.reset_full_screen()?;
        }
        queue!(self.buffer, BeginSynchronizedUpdate)?;
        self.terminal.draw(view)?;
        queue!(self.buffer, EndSynchronizedUpdate)?;
        self.send()
    }

    pub(super) fn ring(&mut self) -> io::Result<()> {
        self.buffer.write_all(BELL)?;
        self.send()
    }

    /// Makes the next frame a complete one.
    pub(super) fn force_redraw(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))
    }

    /// Restores the terminal and stops the program, as Ctrl-Z does, until it is continued.
    pub(super) async fn suspend(&mut self) -> io::Result<()> {
        // Without a shell nobody could continue it.
        if !signals::can_continue() {
            return Ok(());
        }
        let _ = tokio::time::timeout(LAST_FRAME_TIMEOUT, self.readiness()).await;
        restore();
        if signals::stop_group() {
            self.signals.continued().await;
        }
        self.reset_full_screen()
    }

    pub(super) async fn handle(&mut self, signal: JobControl) -> io::Result<()> {
        match signal {
            JobControl::Stop => self.suspend().await,
            // The shell may have changed the terminal.
            JobControl::Continue => self.reset_full_screen(),
            JobControl::Exit { code } => {
                restore();
                std::process::exit(code)
            }
        }
    }

    /// Restores the terminal after the last frame is written.
    pub(super) async fn close(mut self) {
        let _ = self.send();
        self.frames = None;
        let _ = tokio::time::timeout(LAST_FRAME_TIMEOUT, &mut self.written).await;
    }

    fn reset_full_screen(&mut self) -> io::Result<()> {
        // Otherwise crossterm believes that raw mode is set, and leaves it.
        let _ = terminal::disable_raw_mode();
        set_full_screen()?;
        self.force_redraw()
    }

    /// Sends the buffer to the thread. If that is busy, the bytes wait for the next frame.
    fn send(&mut self) -> io::Result<()> {
        let Some(frames) = &self.frames else { return Ok(()) };
        match frames.try_reserve() {
            Ok(permit) => permit.send(self.buffer.take()),
            Err(TrySendError::Full(())) => {}
            Err(TrySendError::Closed(())) => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

impl FrameBuffer {
    fn take(&self) -> Vec<u8> {
        mem::take(&mut self.0.lock())
    }
}

impl Write for FrameBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_all(mut frames: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = frames.blocking_recv() {
        let mut stdout = io::stdout().lock();
        if stdout.write_all(&frame).and_then(|()| stdout.flush()).is_err() {
            return;
        }
    }
}

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

fn set_full_screen() -> io::Result<()> {
    IS_FULL_SCREEN.store(true, Ordering::SeqCst);
    terminal::enable_raw_mode()?;
    let mut stdout = io::stdout().lock();
    queue!(stdout, EnterAlternateScreen, Clear(ClearType::All), cursor::Hide)?;
    queue!(stdout, EnableBracketedPaste, EnableFocusChange, EnableMouseCapture)?;
    stdout.flush()
}

/// Restores the terminal if it is in full-screen mode. Errors are ignored: the terminal may be gone.
fn restore() {
    if !IS_FULL_SCREEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut end = Vec::new();
    let _ = queue!(end, EndSynchronizedUpdate, DisableMouseCapture, DisableFocusChange);
    let _ = queue!(end, DisableBracketedPaste, SetAttribute(Attribute::Reset), ResetColor);
    let _ = queue!(end, LeaveAlternateScreen, cursor::Show);
    write_with_timeout(end);
    let _ = terminal::disable_raw_mode();
}

/// Writes to a terminal that may not take anything any more.
fn write_with_timeout(bytes: Vec<u8>) {
    let (done, written) = std_mpsc::channel();
    thread::spawn(move || {
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
        let _ = done.send(());
    });
    let _ = written.recv_timeout(LAST_FRAME_TIMEOUT);
}

/// Makes a panic restore the terminal before it is printed.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            restore();
            print(info);
        }));
    });
}
