//! The terminal as a full screen, and giving it back as it was.
//!
//! [`Screen`] takes the terminal: raw mode, the alternate screen, bracketed paste, reports of focus
//! and mouse. It is given back by [`Screen::close`], or when it is dropped, and a panic gives it back
//! before it is printed. A signal ends the loop of the chat, and with it the screen; those that stop
//! the program, wake it or end it at once are heard here.
//!
//! Frames are written by a thread of their own: a terminal that nobody reads from would hold up the
//! task that hears of signals otherwise. While it writes, no further frame is drawn.

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

use super::signals::{self, Asked, Signals};

/// How long the thread that reads keys waits before it looks whether anybody still wants them.
const LOOK: Duration = Duration::from_millis(100);

/// Keys that wait for the chat. Whatever is pasted is one of them.
const KEYS: usize = 1024;

/// Frames on their way to the terminal.
const FRAMES: usize = 2;

/// How long to wait at the end for the terminal to take the last frame.
const LAST_FRAME: Duration = Duration::from_secs(1);

/// Rings.
const BELL: &[u8] = b"\x07";

/// What every terminal answers (DSR, ECMA-48).
const ARE_YOU_ALL_RIGHT: &[u8] = b"\x1b[5n";

/// Whether a screen is taken.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal, taken.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Ink>>,
    ink: Ink,
    frames: Option<mpsc::Sender<Vec<u8>>>,
    written: oneshot::Receiver<()>,
    signals: Signals,
}

/// What is drawn and not on its way yet. Clones are one.
#[derive(Clone, Default)]
struct Ink(Arc<Mutex<Vec<u8>>>);

impl Screen {
    /// Takes the terminal.
    pub(super) fn open() -> io::Result<Self> {
        restore_in_panic();
        let signals = Signals::listen()?;
        let ink = Ink::default();
        let terminal = Terminal::new(CrosstermBackend::new(ink.clone()))?;
        let (frames, to_write) = mpsc::channel(FRAMES);
        let (done, written) = oneshot::channel();
        // A thread that nobody waits for, since it may be in a write for ever.
        thread::spawn(move || {
            write_all(to_write);
            let _ = done.send(());
        });
        take()?;
        Ok(Self { terminal, ink, frames: Some(frames), written, signals })
    }

    /// Whether the frames before are written, so that another one may be drawn.
    pub(super) fn is_ready(&self) -> bool {
        self.frames.as_ref().is_some_and(|frames| frames.capacity() == FRAMES)
    }

    /// Returns when that may have become so.
    pub(super) fn readiness(&self) -> impl Future<Output = ()> + use<> {
        let frames = self.frames.clone();
        async move {
            if let Some(frames) = frames {
                // Where the thread has gone, the next frame says why.
                let _ = frames.reserve_many(FRAMES).await;
            }
        }
    }

    /// Draws a frame.
    ///
    /// # Errors
    ///
    /// Says why the terminal takes no more: it was closed.
    pub(super) fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if !TAKEN.load(Ordering::SeqCst) {
            // Something has panicked beside the chat, and the terminal was given back for it.
            self.retake()?;
        }
        queue!(self.ink, BeginSynchronizedUpdate)?;
        self.terminal.draw(view)?;
        queue!(self.ink, EndSynchronizedUpdate)?;
        self.send()
    }

    /// Rings the terminal's bell.
    pub(super) fn ring(&mut self) -> io::Result<()> {
        self.ink.write_all(BELL)?;
        self.send()
    }

    /// Draws everything anew with the next frame.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))
    }

    /// Stops the program, as Ctrl-Z does, with the terminal as it was; comes back when the person
    /// wants it to.
    pub(super) async fn suspend(&mut self) -> io::Result<()> {
        // What is typed while the terminal is given back comes in another way.
        if !signals::can_be_woken() {
            return Ok(());
        }
        let _ = tokio::time::timeout(LAST_FRAME, self.readiness()).await;
        give_back();
        if signals::stop_here() {
            self.signals.went_on().await;
        }
        self.retake()
    }

    /// What somebody asks of the program, once they do.
    pub(super) async fn asked(&mut self) -> Asked {
        self.signals.next().await
    }

    /// Does what somebody asks of the program.
    pub(super) async fn obey(&mut self, asked: Asked) -> io::Result<()> {
        match asked {
            Asked::Stop => self.suspend().await,
            // Whoever stopped it has changed the terminal since.
            Asked::GoOn => self.retake(),
            Asked::End { code } => {
                give_back();
                std::process::exit(code)
            }
        }
    }

    /// Gives the terminal back, after what was drawn.
    pub(super) async fn close(mut self) {
        let _ = self.send();
        self.frames = None;
        let _ = tokio::time::timeout(LAST_FRAME, &mut self.written).await;
    }

    fn retake(&mut self) -> io::Result<()> {
        // What is raw already, as far as crossterm knows, would be left as somebody else has made it.
        let _ = terminal::disable_raw_mode();
        take()?;
        self.forget()
    }

    /// Hands what is drawn to the thread; while that is busy it waits for the next frame.
    fn send(&mut self) -> io::Result<()> {
        let Some(frames) = &self.frames else { return Ok(()) };
        match frames.try_reserve() {
            Ok(place) => place.send(self.ink.take()),
            Err(TrySendError::Full(())) => {}
            Err(TrySendError::Closed(())) => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

impl Ink {
    fn take(&self) -> Vec<u8> {
        mem::take(&mut self.0.lock())
    }
}

impl Write for Ink {
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

/// Reads what the person does, in a thread of its own: it ends soon after nobody listens any more.
pub(super) fn keys() -> mpsc::Receiver<io::Result<Event>> {
    let (typed, keys) = mpsc::channel(KEYS);
    thread::spawn({
        let typed = typed.clone();
        move || watch_for_end(&typed)
    });
    thread::spawn(move || {
        while !typed.is_closed() {
            let read = match event::poll(LOOK) {
                Ok(false) => {
                    if is_overlooked() {
                        ask_for_an_answer();
                    }
                    continue;
                }
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let is_over = read.is_err();
            if typed.blocking_send(read).is_err() || is_over {
                return;
            }
        }
    });
    keys
}

/// Whether something was typed that crossterm has not noticed, and would not before the next key: it
/// forgets what comes in the same moment as a change of the terminal's size.
#[cfg(unix)]
fn is_overlooked() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdin = io::stdin();
    let mut ends = [PollFd::new(&stdin, PollFlags::IN)];
    let ready = poll(&mut ends, Some(&Timespec::default()));
    ready.is_ok() && ends[0].revents().contains(PollFlags::IN)
}

/// Says so when the terminal has gone away, which a hangup may not: `nohup` makes the program deaf to
/// it. crossterm reads for ever from such a terminal and says nothing.
#[cfg(unix)]
fn watch_for_end(typed: &mpsc::Sender<io::Result<Event>>) {
    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        io::Errno,
    };
    let stdin = io::stdin();
    let second = Timespec { tv_sec: 1, tv_nsec: 0 };
    while !typed.is_closed() {
        // Nothing is asked for: what is told anyway is the end.
        let mut ends = [PollFd::new(&stdin, PollFlags::empty())];
        match poll(&mut ends, Some(&second)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) if ends[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) => {
                let _ = typed.blocking_send(Err(io::ErrorKind::UnexpectedEof.into()));
                return;
            }
            // The system does not watch terminals of this kind.
            Ok(_) | Err(_) => return,
        }
    }
}

#[cfg(not(unix))]
fn is_overlooked() -> bool {
    false
}

#[cfg(not(unix))]
fn watch_for_end(_: &mpsc::Sender<io::Result<Event>>) {}

/// Asks the terminal whether it is all right. The answer means nothing to anybody, but it makes
/// crossterm read.
fn ask_for_an_answer() {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(ARE_YOU_ALL_RIGHT).and_then(|()| stdout.flush());
}

fn take() -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    terminal::enable_raw_mode()?;
    let mut stdout = io::stdout().lock();
    queue!(stdout, EnterAlternateScreen, Clear(ClearType::All), cursor::Hide)?;
    queue!(stdout, EnableBracketedPaste, EnableFocusChange, EnableMouseCapture)?;
    stdout.flush()
}

/// Gives the terminal back, once. A terminal that has gone away needs nothing.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut end = Vec::new();
    let _ = queue!(end, EndSynchronizedUpdate, DisableMouseCapture, DisableFocusChange);
    let _ = queue!(end, DisableBracketedPaste, SetAttribute(Attribute::Reset), ResetColor);
    let _ = queue!(end, LeaveAlternateScreen, cursor::Show);
    write_in_time(end);
    let _ = terminal::disable_raw_mode();
}

/// Writes to a terminal of which nobody knows whether it still takes anything.
fn write_in_time(bytes: Vec<u8>) {
    let (done, written) = std_mpsc::channel();
    thread::spawn(move || {
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
        let _ = done.send(());
    });
    let _ = written.recv_timeout(LAST_FRAME);
}

/// Lets a panic give the terminal back before it is printed.
fn restore_in_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            print(info);
        }));
    });
}
