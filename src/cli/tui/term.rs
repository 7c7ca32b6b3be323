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
    backend::{Backend as _, CrosstermBackend},
    buffer::Cell,
    crossterm::{
        cursor,
        event::{
            DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
            EnableFocusChange, EnableMouseCapture,
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
    escape::{self, NoticeProtocol},
    signals::{self, JobControl, JobSignals},
    transcript::ScreenLink,
};

/// The most frames that wait for the terminal.
const MAX_FRAMES: usize = 2;

/// How long to wait at the end until the last frame is written.
const LAST_FRAME_TIMEOUT: Duration = Duration::from_secs(1);

const BELL: &[u8] = b"\x07";

/// Whether the terminal is in full-screen mode.
static IS_FULL_SCREEN: AtomicBool = AtomicBool::new(false);

/// The terminal in full-screen mode.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<FrameBuffer>>,
    buffer: FrameBuffer,
    frames: Option<mpsc::Sender<Vec<u8>>>,
    written: oneshot::Receiver<()>,
    pub(super) signals: JobSignals,
    /// Whether the mouse is reported here, instead of being left to the terminal.
    mouse: bool,
    in_tmux: bool,
    title: String,
    /// The links of the last frame, with their cells, to tell whether they have changed.
    links: Vec<(ScreenLink, Vec<Cell>)>,
}

/// The bytes of frames that are not sent to the thread yet. Clones share them.
#[derive(Clone, Default)]
struct FrameBuffer(Arc<Mutex<Vec<u8>>>);

impl Screen {
    /// Sets full-screen mode.
    pub(super) fn open(mouse: bool) -> io::Result<Self> {
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
        set_full_screen(mouse)?;
        let in_tmux = std::env::var_os("TMUX").is_some_and(|value| !value.is_empty());
        let (frames, title, links) = (Some(frames), String::new(), Vec::new());
        Ok(Self { title, terminal, buffer, frames, written, signals, mouse, in_tmux, links })
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

    /// Draws a frame. `view` returns the links that it has drawn. Errors if the terminal was closed.
    pub(super) fn draw(
        &mut self,
        view: impl FnOnce(&mut Frame<'_>) -> Vec<ScreenLink>,
    ) -> io::Result<()> {
        if !IS_FULL_SCREEN.load(Ordering::SeqCst) {
            // A panic in another task has restored the terminal.
            self.reset_full_screen()?;
        }
        queue!(self.buffer, BeginSynchronizedUpdate)?;
        let mut links = Vec::new();
        let frame = self.terminal.draw(|frame| links = view(frame))?;
        let cells = |link: ScreenLink| {
            let cells = link.area.positions().filter_map(|at| frame.buffer.cell(at).cloned());
            (cells.collect(), link)
        };
        let links = links.into_iter().map(cells).map(|(cells, link)| (link, cells)).collect();
        self.draw_links(links)?;
        queue!(self.buffer, EndSynchronizedUpdate)?;
        self.send()
    }

    /// Draws the cells of links once more, as links of the terminal, if any has changed: the frame itself
    /// only has their text.
    fn draw_links(&mut self, links: Vec<(ScreenLink, Vec<Cell>)>) -> io::Result<()> {
        if links == self.links {
            return Ok(());
        }
        self.links = links;
        queue!(self.buffer, cursor::SavePosition)?;
        for (link, cells) in &self.links {
            // The rows of a link are one link.
            let id = self.links.iter().position(|(other, _)| other.url == link.url);
            let Some(begin) = escape::link(&link.url, id.unwrap_or_default()) else { continue };
            self.buffer.write_all(begin.as_bytes())?;
            let cells = link.area.positions().zip(cells).map(|(at, cell)| (at.x, at.y, cell));
            self.terminal.backend_mut().draw(cells)?;
            self.buffer.write_all(escape::LINK_END.as_bytes())?;
        }
        queue!(self.buffer, cursor::RestorePosition)
    }

    /// Puts a text on the clipboard of the terminal, if it has that.
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        self.buffer.write_all(escape::copy(text, self.in_tmux).as_bytes())?;
        self.send()
    }

    /// Shows lines instead of the frame and leaves the mouse to the terminal, until the next call of
    /// [`Screen::force_redraw`]. The terminal breaks the lines, so that it can select them whole.
    pub(super) fn show_text_only(&mut self, lines: &[String]) -> io::Result<()> {
        queue!(self.buffer, DisableMouseCapture, Clear(ClearType::All), cursor::MoveTo(0, 0))?;
        self.buffer.write_all(lines.join("\r\n").as_bytes())?;
        self.send()
    }

    /// Shows a notice of the desktop, if the terminal has such.
    pub(super) fn notify(&mut self, title: &str, text: &str) -> io::Result<()> {
        let protocol = NoticeProtocol::detect(|name| std::env::var(name).ok());
        let Some(protocol) = protocol else { return Ok(()) };
        self.buffer.write_all(protocol.notice(title, text, self.in_tmux).as_bytes())?;
        self.send()
    }

    pub(super) fn ring(&mut self) -> io::Result<()> {
        self.buffer.write_all(BELL)?;
        self.send()
    }

    /// Sets the title of the window, if it is another one.
    pub(super) fn set_title(&mut self, title: String) -> io::Result<()> {
        if self.title == title {
            return Ok(());
        }
        self.buffer.write_all(escape::title(&title).as_bytes())?;
        self.title = title;
        self.send()
    }

    /// Makes the next frame a complete one.
    pub(super) fn force_redraw(&mut self) -> io::Result<()> {
        self.links.clear();
        self.title.clear();
        if self.mouse {
            queue!(self.buffer, EnableMouseCapture)?;
        }
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
        set_full_screen(self.mouse)?;
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

fn set_full_screen(mouse: bool) -> io::Result<()> {
    IS_FULL_SCREEN.store(true, Ordering::SeqCst);
    terminal::enable_raw_mode()?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(escape::SAVE_TITLE.as_bytes())?;
    queue!(stdout, EnterAlternateScreen, Clear(ClearType::All), cursor::Hide)?;
    queue!(stdout, EnableBracketedPaste, EnableFocusChange)?;
    if mouse {
        queue!(stdout, EnableMouseCapture)?;
    }
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
    end.extend_from_slice(escape::RESTORE_TITLE.as_bytes());
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
