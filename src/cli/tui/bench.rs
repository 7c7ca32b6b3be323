//! How long a frame takes with many messages: what `make bench-screen` measures.
//!
//! A frame is what one waits for after a key: the change itself, the drawing, ratatui's comparison
//! with the frame before, and the escape sequences for it, which go nowhere.

use std::{
    fs,
    io::{self, Sink},
    time::{Duration, Instant},
};

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use ratatui::{
    Frame, Terminal, TerminalOptions, Viewport,
    backend::CrosstermBackend,
    crossterm::event::{Event as Typed, KeyCode, KeyEvent, KeyModifiers},
    layout::Rect,
};

use super::{
    keys::{Action, Keymap},
    state::{Now, Preferences, State},
    theme::Theme,
    transcript::{Body, Entry, Key, Transcript},
    view,
};
use crate::{
    client::Event,
    model::{self, Invalid, MessageId, Name, Position, RoomName, Text},
};

/// The usual size of the terminal, and the small one that it is resized to.
const USUAL: Rect = Rect::new(0, 0, 120, 40);
const SMALL: Rect = Rect::new(0, 0, 40, 12);

/// How many frames are measured of everything.
const FRAMES: usize = 1_000;

/// What was measured.
#[derive(Debug)]
pub struct ScreenFigures {
    /// How many messages there were.
    pub messages: usize,
    /// The resident memory in bytes, before there were any and after all was measured; `None` where
    /// the system does not say.
    pub resident: Option<(u64, u64)>,
    /// The frames, of one kind after the other.
    pub frames: Vec<FrameTimes>,
}

/// How long frames took that followed the same action.
#[derive(Debug)]
pub struct FrameTimes {
    /// What was done.
    pub action: &'static str,
    /// The time of each frame, the shortest first.
    pub sorted: Vec<Duration>,
}

impl FrameTimes {
    /// The time that so many per cent of the frames did not take.
    pub fn percentile(&self, per_cent: usize) -> Duration {
        let at = (self.sorted.len() * per_cent / 100).min(self.sorted.len().saturating_sub(1));
        self.sorted.get(at).copied().unwrap_or_default()
    }
}

/// Measures frames of the whole screen, in a room with so many messages.
///
/// # Errors
///
/// When drawing fails, which it does not do where nothing is written.
pub fn bench_screen(messages: usize) -> io::Result<ScreenFigures> {
    let before = resident();
    let crowd = crowd().map_err(io::Error::other)?;
    let mut state = state(&crowd);
    for seq in 0..messages {
        come(&mut state, &crowd, seq)?;
    }
    let mut stage = Stage::new(state, |state: &mut State, frame: &mut Frame<'_>| {
        view::draw(state, Now::here(), frame);
        state.look();
        state.order_history(Now::here());
        state.take();
    })?;
    let mut frames = measure(&mut stage, &crowd, messages)?;
    frames.push(stage.resizes()?);
    Ok(ScreenFigures { messages, resident: before.zip(resident()), frames })
}

fn measure<D: FnMut(&mut State, &mut Frame<'_>)>(
    stage: &mut Stage<State, D>,
    crowd: &[Name],
    messages: usize,
) -> io::Result<Vec<FrameTimes>> {
    let act = |state: &mut State, action| state.act(action, Now::here());
    Ok(vec![
        stage.frames("first frame", 1, |_, _| Ok(()))?,
        stage.frames("typing a key", FRAMES, |state, n| {
            // A line of sixty, and then the next.
            let typed = if n % 60 == 59 { KeyCode::Backspace } else { KeyCode::Char('x') };
            if n % 60 == 0 {
                state.composer.clear();
            }
            state.terminal(Typed::Key(KeyEvent::new(typed, KeyModifiers::NONE)), Now::here());
            Ok(())
        })?,
        stage.frames("a message comes", FRAMES, |state, n| come(state, crowd, messages + n))?,
        stage.frames("scrolling up by a row", FRAMES, |state, _| {
            act(state, Action::ScrollUp);
            Ok(())
        })?,
        stage.frames("a message comes meanwhile", FRAMES, |state, n| {
            come(state, crowd, messages + FRAMES + n)
        })?,
        stage.frames("scrolling up by a page", FRAMES, |state, _| {
            act(state, Action::PageUp);
            Ok(())
        })?,
        stage.frames("up and down by a row", FRAMES, |state, n| {
            act(state, if n % 2 == 0 { Action::ScrollUp } else { Action::ScrollDown });
            Ok(())
        })?,
        stage.frames("to the start and the end", FRAMES, |state, n| {
            act(state, if n % 2 == 0 { Action::Top } else { Action::Bottom });
            Ok(())
        })?,
        stage.frames("jumping anywhere", FRAMES, |state, n| {
            in_transcript(state, |it| it.jump(key(scattered(n) % messages.max(1))))
        })?,
        stage.frames("jumping to 16 KiB of text", FRAMES, |state, n| {
            let long = scattered(n) % messages.max(1) / LONG_EACH * LONG_EACH;
            in_transcript(state, |it| it.jump(key(long)))
        })?,
        stage.frames("200 older ones come", FRAMES / 20, |state, n| {
            let older = (n * 200..n * 200 + 200).map(|seq| older(crowd, seq)).collect();
            in_transcript(state, |it| it.prepend(older))
        })?,
    ])
}

/// In a room with a crowd.
fn state(crowd: &[Name]) -> State {
    let taste = Preferences {
        theme: Theme::dark(),
        zone: TimeZone::system(),
        keymap: Keymap::usual(),
        quiet: true,
        typed: Vec::new(),
    };
    let (now, room) = (Now::here(), RoomName::lobby());
    let hub = ("127.0.0.1:50051".to_owned(), String::new());
    let mut state = State::new(crowd[0].clone(), hub, std::slice::from_ref(&room), taste, now);
    state.hear(Event::Joined { room, head: Position { epoch: 1, seq: 0 } }, now);
    state.take();
    state
}

/// The message of this number comes.
fn come(state: &mut State, crowd: &[Name], seq: usize) -> io::Result<()> {
    let Message { sender, created_at, text } = message(crowd, seq);
    let message = model::Message {
        id: MessageId::new(),
        room: RoomName::lobby(),
        position: Position { epoch: 1, seq: seq as u64 + 1 },
        prev_seq: seq as u64,
        sender,
        created_at,
        text: Text::parse(text).map_err(io::Error::other)?,
    };
    state.hear(Event::Message(message), Now::here());
    Ok(())
}

fn in_transcript<T>(state: &mut State, act: impl FnOnce(&mut Transcript) -> T) -> io::Result<()> {
    let transcript = state.transcript().ok_or_else(|| io::Error::other("no room"))?;
    act(transcript);
    Ok(())
}

/// What is drawn, by what, onto a terminal that nobody sees.
struct Stage<T, D> {
    terminal: Terminal<CrosstermBackend<Sink>>,
    subject: T,
    draw: D,
}

impl<T, D: FnMut(&mut T, &mut Frame<'_>)> Stage<T, D> {
    fn new(subject: T, draw: D) -> io::Result<Self> {
        let options = TerminalOptions { viewport: Viewport::Fixed(USUAL) };
        let terminal = Terminal::with_options(CrosstermBackend::new(io::sink()), options)?;
        Ok(Self { terminal, subject, draw })
    }

    /// So many frames, each after an action.
    fn frames(
        &mut self,
        action: &'static str,
        count: usize,
        mut act: impl FnMut(&mut T, usize) -> io::Result<()>,
    ) -> io::Result<FrameTimes> {
        let mut sorted = Vec::with_capacity(count);
        for n in 0..count {
            let begun = Instant::now();
            act(&mut self.subject, n)?;
            self.frame()?;
            sorted.push(begun.elapsed());
        }
        sorted.sort_unstable();
        Ok(FrameTimes { action, sorted })
    }

    /// Frames after the terminal was made small, and usual again.
    fn resizes(&mut self) -> io::Result<FrameTimes> {
        let mut sorted = Vec::with_capacity(FRAMES);
        for size in [SMALL, USUAL].into_iter().cycle().take(FRAMES) {
            let begun = Instant::now();
            self.terminal.resize(size)?;
            self.frame()?;
            sorted.push(begun.elapsed());
        }
        sorted.sort_unstable();
        Ok(FrameTimes { action: "resizing to 40×12 and back", sorted })
    }

    fn frame(&mut self) -> io::Result<()> {
        let (draw, subject) = (&mut self.draw, &mut self.subject);
        self.terminal.draw(|frame| draw(subject, frame))?;
        Ok(())
    }
}

/// Every so many messages comes one of 16 KiB without a blank.
const LONG_EACH: usize = 500;

/// What messages are made of; some scripts are wide, some letters are made of several characters.
const PHRASES: [&str; 12] = [
    "the night was clear",
    "see https://example.org/a/rather/long/path?with=a&query=too for that",
    "and so we went",
    "今日はとても良い天気です",
    "né à Zürich",
    "👩‍👩‍👧 🇨🇭 ❤\u{fe0f}",
    "ok",
    "no, the other one",
    "שלום לכולם",
    "e\u{301}a\u{308}o\u{302}",
    "what does the log say",
    "it is what it is and nobody can do anything about it before tomorrow morning",
];

fn crowd() -> Result<Vec<Name>, Invalid> {
    let names = ["sova", "buzz", "日本", "winter", "a-name-that-is-too-long", "o.k", "anna", "bob"];
    names.into_iter().map(Name::parse).collect()
}

fn key(seq: usize) -> Key {
    Key::Posted(Position { epoch: 1, seq: seq as u64 + 1 })
}

/// A number that looks as if it came from anywhere: a step of a linear congruential generator.
fn scattered(n: usize) -> usize {
    (n as u64).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
        as usize
        >> 33
}

/// What somebody says at some time.
struct Message {
    sender: Name,
    created_at: Timestamp,
    text: String,
}

/// The message of this number: one comes in half a minute.
fn message(crowd: &[Name], seq: usize) -> Message {
    let text = if seq.is_multiple_of(LONG_EACH) {
        "abcdefghijklmnop".repeat(1024)
    } else {
        let phrases = 1 + scattered(seq) % 4;
        let phrase = |n| PHRASES[scattered(seq * 4 + n) % PHRASES.len()];
        (0..phrases).map(phrase).collect::<Vec<_>>().join(" ")
    };
    let sender = crowd[scattered(seq + 1) % crowd.len()].clone();
    let at = Timestamp::UNIX_EPOCH.saturating_add((seq as i64 * 30).seconds());
    Message { sender, created_at: at.unwrap_or(Timestamp::UNIX_EPOCH), text }
}

/// One from before the first.
fn older(crowd: &[Name], seq: usize) -> Entry {
    let Message { sender: who, created_at: at, text } = message(crowd, seq);
    let body = Body::Said { who, own: false, mention: false, text, mark: None };
    Entry { key: Key::Notice(seq as u64), at, body }
}

/// The memory of this process that is resident, in bytes (`VmRSS` of Linux).
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
