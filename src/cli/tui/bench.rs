//! How long a frame takes with many messages: what `make bench-screen` measures.
//!
//! A frame is what one waits for after a key: the change itself, the drawing, ratatui's comparison
//! with the frame before, and the escape sequences for it, which go nowhere.

use std::{
    fs,
    io::{self, Sink},
    time::{Duration, Instant},
};

use jiff::{Timestamp, ToSpan, civil::date, tz::TimeZone};
use ratatui::{
    Frame, Terminal, TerminalOptions, Viewport, backend::CrosstermBackend, layout::Rect,
};

use super::{
    theme::Theme,
    transcript::{Body, Entry, Key, Look, Mark, Transcript},
};
use crate::model::{Invalid, Name, Position};

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

/// Measures frames with so many messages.
///
/// # Errors
///
/// When drawing fails, which it does not do where nothing is written.
pub fn bench_screen(messages: usize) -> io::Result<ScreenFigures> {
    let before = resident();
    let (theme, zone, today) = (Theme::dark(), TimeZone::system(), date(2026, 11, 22));
    let crowd = crowd().map_err(io::Error::other)?;
    let mut transcript = Transcript::new();
    (0..messages).for_each(|seq| transcript.push(message(&crowd, seq)));
    let look = Look { theme: &theme, zone: &zone, today };
    let mut stage =
        Stage::new(transcript, |transcript: &mut Transcript, frame: &mut Frame<'_>| {
            transcript.draw(frame.area(), frame.buffer_mut(), &look);
        })?;
    let mut frames = measure(&mut stage, &crowd, messages)?;
    frames.push(stage.resizes()?);
    Ok(ScreenFigures { messages, resident: before.zip(resident()), frames })
}

fn measure<D: FnMut(&mut Transcript, &mut Frame<'_>)>(
    stage: &mut Stage<Transcript, D>,
    crowd: &[Name],
    messages: usize,
) -> io::Result<Vec<FrameTimes>> {
    let rows = |n: usize| if n.is_multiple_of(2) { -1 } else { 1 };
    Ok(vec![
        stage.frames("first frame", 1, |_, _| {})?,
        stage.frames("typing a key", FRAMES, |_, _| {})?,
        stage.frames("a message comes", FRAMES, |transcript, n| {
            transcript.push(message(crowd, messages + n));
        })?,
        stage.frames("scrolling up by a row", FRAMES, |transcript, _| transcript.scroll(-1))?,
        stage.frames("a message comes meanwhile", FRAMES, |transcript, n| {
            transcript.push(message(crowd, messages + FRAMES + n));
        })?,
        stage.frames("scrolling up by a page", FRAMES, |transcript, _| transcript.page(-1))?,
        stage.frames("up and down by a row", FRAMES, |transcript, n| transcript.scroll(rows(n)))?,
        stage.frames("to the start and the end", FRAMES, |transcript, n| match n % 2 {
            0 => transcript.to_start(),
            _ => transcript.to_end(),
        })?,
        stage.frames("jumping anywhere", FRAMES, |transcript, n| {
            transcript.jump(key(scattered(n) % messages.max(1)));
        })?,
        stage.frames("jumping to 16 KiB of text", FRAMES, |transcript, n| {
            let long = scattered(n) % messages.max(1) / LONG_EACH * LONG_EACH;
            transcript.jump(key(long));
        })?,
        stage.frames("marking a message", FRAMES, |transcript, n| {
            transcript.mark(key(scattered(n) % messages.max(1)), Mark::Sent);
        })?,
        stage.frames("200 older ones come", FRAMES / 20, |transcript, n| {
            let first = n * 200;
            transcript.prepend((first..first + 200).map(|seq| older(crowd, seq)).collect());
        })?,
    ])
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
        mut act: impl FnMut(&mut T, usize),
    ) -> io::Result<FrameTimes> {
        let mut sorted = Vec::with_capacity(count);
        for n in 0..count {
            let begun = Instant::now();
            act(&mut self.subject, n);
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
    Key::Posted(Position { epoch: 1, seq: seq as u64 })
}

/// A number that looks as if it came from anywhere: a step of a linear congruential generator.
fn scattered(n: usize) -> usize {
    (n as u64).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
        as usize
        >> 33
}

/// The message of this number: one comes in half a minute.
fn message(crowd: &[Name], seq: usize) -> Entry {
    let text = if seq.is_multiple_of(LONG_EACH) {
        "abcdefghijklmnop".repeat(1024)
    } else {
        let phrases = 1 + scattered(seq) % 4;
        let phrase = |n| PHRASES[scattered(seq * 4 + n) % PHRASES.len()];
        (0..phrases).map(phrase).collect::<Vec<_>>().join(" ")
    };
    let who = crowd[scattered(seq + 1) % crowd.len()].clone();
    let (own, mention) = (seq.is_multiple_of(5), seq.is_multiple_of(17));
    let mark = own.then_some(Mark::Sent);
    let at = Timestamp::UNIX_EPOCH.saturating_add((seq as i64 * 30).seconds());
    Entry {
        key: key(seq),
        at: at.unwrap_or(Timestamp::UNIX_EPOCH),
        body: Body::Said { who, own, mention, text, mark },
    }
}

/// One from before the first.
fn older(crowd: &[Name], seq: usize) -> Entry {
    let Entry { at, body, .. } = message(crowd, seq);
    Entry { key: Key::Notice(seq as u64), at, body }
}

/// The memory of this process that is resident, in bytes (`VmRSS` of Linux).
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
