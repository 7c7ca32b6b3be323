//! `make bench-screen`: the time of a frame of the full screen with 60,000 messages in one room, and
//! in 1,000 rooms.
//!
//! A frame is what the user waits for after a key: the change of the state, the layout, the drawing,
//! ratatui's comparison with the previous frame, and the escape sequences, which are discarded.

use std::{
    fs,
    io::{self, Sink, Write},
    iter,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use chinwag::{
    cli::HeadlessScreen,
    model::{Message, MessageId, Name, Position, RoomName, Text},
};
use jiff::{Timestamp, ToSpan};
use ratatui::{
    Terminal, TerminalOptions, Viewport,
    backend::CrosstermBackend,
    crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers},
    layout::Rect,
};

/// The messages of a screen, which are in one room or spread over many.
const MESSAGES: usize = 60_000;

/// The rooms of the second screen.
const ROOMS: usize = 1_000;

/// The maximum time of a frame at 60 frames a second.
const BUDGET: Duration = Duration::from_millis(16);

/// The size of the terminal, and the small one that it is resized to.
const USUAL: Rect = Rect::new(0, 0, 120, 40);
const SMALL: Rect = Rect::new(0, 0, 40, 12);

/// The frames of each measurement.
const FRAMES: usize = 1_000;

/// One in this many messages has 16 KiB without a blank.
const LONG_EACH: usize = 500;

/// The parts of messages. Some have wide scripts, or letters of several characters.
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

fn main() -> Result<()> {
    let at_start = resident();
    let mut room = Bench::new(1)?;
    let with_room = resident();
    let mut rooms = Bench::new(ROOMS)?;
    let with_rooms = resident();
    let one = room.measure()?;
    let many = rooms.measure_rooms()?;
    let mut out = io::stdout().lock();
    print_times(&mut out, "ms a frame in one room", &one)?;
    print_times(&mut out, &format!("ms a frame in {ROOMS} rooms"), &many)?;
    if let (Some(at_start), Some(with_room), Some(with_rooms)) = (at_start, with_room, with_rooms) {
        let mib = |from: u64, to: u64| to.saturating_sub(from) as f64 / f64::from(1 << 20);
        writeln!(
            out,
            "resident memory for {MESSAGES} messages: {:.1} MiB in one room, {:.1} MiB in {ROOMS}",
            mib(at_start, with_room),
            mib(with_room, with_rooms)
        )?;
    }
    let mut all = one.iter().chain(&many);
    let slow = all.find(|(_, times)| percentile(times, 99) >= BUDGET);
    ensure!(slow.is_none(), "a frame takes longer than {BUDGET:?}: {:?}", slow.map(|s| s.0));
    Ok(())
}

fn print_times(out: &mut impl Write, title: &str, all: &[FrameTimes]) -> io::Result<()> {
    writeln!(out, "{title:<28}{:>9}{:>9}{:>9}", "p50", "p99", "max")?;
    for (action, times) in all {
        let [p50, p99, max] = [50, 99, 100].map(|n| percentile(times, n).as_secs_f64() * 1e3);
        writeln!(out, "{action:<28}{p50:>9.3}{p99:>9.3}{max:>9.3}")?;
    }
    writeln!(out)
}

/// The times of the frames after an action, the shortest first.
type FrameTimes = (&'static str, Vec<Duration>);

/// Returns the time that `per_cent` of the frames did not exceed.
fn percentile(times: &[Duration], per_cent: usize) -> Duration {
    let at = (times.len() * per_cent / 100).min(times.len().saturating_sub(1));
    times.get(at).copied().unwrap_or_default()
}

struct Bench {
    terminal: Terminal<CrosstermBackend<Sink>>,
    screen: HeadlessScreen,
    names: Vec<Name>,
    rooms: Vec<RoomName>,
}

impl Bench {
    /// A screen that is in `rooms` rooms, whose messages come in turn.
    fn new(rooms: usize) -> Result<Self> {
        let options = TerminalOptions { viewport: Viewport::Fixed(USUAL) };
        let terminal = Terminal::with_options(CrosstermBackend::new(io::sink()), options)?;
        let names =
            ["sova", "buzz", "日本", "winter", "a-name-that-is-too-long", "o.k", "anna", "bob"];
        let names: Vec<Name> = names.into_iter().map(Name::parse).collect::<Result<_, _>>()?;
        let rooms = (1..rooms).map(|n| RoomName::parse(&format!("room-{n:04}")));
        let rooms: Vec<RoomName> =
            iter::once(Ok(RoomName::lobby())).chain(rooms).collect::<Result<_, _>>()?;
        let screen = HeadlessScreen::new(names[0].clone(), &rooms);
        let mut bench = Self { terminal, screen, names, rooms };
        for seq in 0..MESSAGES {
            bench.receive(seq)?;
        }
        Ok(bench)
    }

    fn measure(&mut self) -> Result<Vec<FrameTimes>> {
        use KeyCode::{Backspace, Char, Down, End, Home, PageUp, Up};
        const NONE: KeyModifiers = KeyModifiers::NONE;
        const CTRL: KeyModifiers = KeyModifiers::CONTROL;
        Ok(vec![
            self.frames("first frame", 1, |_, _| Ok(()))?,
            self.frames("typing a key", FRAMES, |bench, n| {
                // Lines of 59 characters.
                match n % 60 {
                    0 if n > 0 => bench.press(Char('u'), CTRL),
                    59 => bench.press(Backspace, NONE),
                    _ => bench.press(Char('x'), NONE),
                }
            })?,
            self.frames("a message comes", FRAMES, |bench, n| bench.receive(MESSAGES + n))?,
            self.frames("scrolling up by a row", FRAMES, |bench, _| bench.press(Up, CTRL))?,
            self.frames("a message comes meanwhile", FRAMES, |bench, n| {
                bench.receive(MESSAGES + FRAMES + n)
            })?,
            self.frames("scrolling up by a page", FRAMES, |bench, _| bench.press(PageUp, NONE))?,
            self.frames("up and down by a row", FRAMES, |bench, n| {
                bench.press(if n % 2 == 0 { Up } else { Down }, CTRL)
            })?,
            self.frames("to the start and the end", FRAMES, |bench, n| {
                bench.press(if n % 2 == 0 { Home } else { End }, CTRL)
            })?,
            self.frames("jumping anywhere", FRAMES, |bench, n| {
                bench.screen.jump(position(scattered(n) % MESSAGES));
                Ok(())
            })?,
            self.frames("jumping to 16 KiB of text", FRAMES, |bench, n| {
                bench.screen.jump(position(scattered(n) % MESSAGES / LONG_EACH * LONG_EACH));
                Ok(())
            })?,
            self.frames("200 older ones come", FRAMES / 20, |bench, n| {
                let older = (n * 200..n * 200 + 200).map(|seq| bench.message(seq));
                let older = older.collect::<Result<_>>()?;
                bench.screen.prepend(older);
                Ok(())
            })?,
            self.resizes()?,
        ])
    }

    /// Measures what depends on the number of rooms.
    fn measure_rooms(&mut self) -> Result<Vec<FrameTimes>> {
        use KeyCode::{Backspace, Char};
        const NONE: KeyModifiers = KeyModifiers::NONE;
        const CTRL: KeyModifiers = KeyModifiers::CONTROL;
        let all = vec![
            self.frames("typing a key", FRAMES, |bench, n| match n % 2 {
                0 => bench.press(Char('x'), NONE),
                _ => bench.press(Backspace, NONE),
            })?,
            self.frames("a message comes", FRAMES, |bench, n| bench.receive(MESSAGES + n))?,
            self.frames("to the next room", FRAMES, |bench, _| bench.press(Char('n'), CTRL))?,
        ];
        self.press(Char('g'), CTRL)?;
        self.press(Char('r'), NONE)?;
        let switcher = self.frames("a key in the switcher", FRAMES, |bench, n| match n % 2 {
            0 => bench.press(Char('7'), NONE),
            _ => bench.press(Backspace, NONE),
        })?;
        Ok(all.into_iter().chain([switcher]).collect())
    }

    /// Measures `count` frames, each after an action.
    fn frames(
        &mut self,
        action: &'static str,
        count: usize,
        mut act: impl FnMut(&mut Self, usize) -> Result<()>,
    ) -> Result<FrameTimes> {
        let mut times = Vec::with_capacity(count);
        for n in 0..count {
            let begun = Instant::now();
            act(self, n)?;
            self.draw()?;
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        Ok((action, times))
    }

    /// Measures frames after the terminal was made small, and restored.
    fn resizes(&mut self) -> Result<FrameTimes> {
        self.frames("resizing to 40×12 and back", FRAMES, |bench, n| {
            bench.terminal.resize(if n % 2 == 0 { SMALL } else { USUAL })?;
            Ok(())
        })
    }

    fn draw(&mut self) -> Result<()> {
        self.terminal.draw(|frame| self.screen.draw(frame))?;
        Ok(())
    }

    fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Result<()> {
        self.screen.on_terminal_event(Event::Key(KeyEvent::new(code, modifiers)));
        Ok(())
    }

    fn receive(&mut self, seq: usize) -> Result<()> {
        let message = self.message(seq)?;
        self.screen.receive(message);
        Ok(())
    }

    /// Returns the message with this number. Messages are half a minute apart.
    fn message(&self, seq: usize) -> Result<Message> {
        let text = if seq.is_multiple_of(LONG_EACH) {
            "abcdefghijklmnop".repeat(1024)
        } else {
            let phrases = 1 + scattered(seq) % 4;
            let phrase = |n| PHRASES[scattered(seq * 4 + n) % PHRASES.len()];
            (0..phrases).map(phrase).collect::<Vec<_>>().join(" ")
        };
        Ok(Message {
            id: MessageId::new(),
            room: self.rooms[seq % self.rooms.len()].clone(),
            position: position(seq / self.rooms.len()),
            prev_seq: (seq / self.rooms.len()) as u64,
            sender: self.names[scattered(seq + 1) % self.names.len()].clone(),
            created_at: Timestamp::UNIX_EPOCH.saturating_add((seq as i64 * 30).seconds())?,
            text: Text::parse(text)?,
        })
    }
}

fn position(seq: usize) -> Position {
    Position { epoch: 1, seq: seq as u64 + 1 }
}

/// Returns a pseudo-random number: a step of a linear congruential generator.
fn scattered(n: usize) -> usize {
    (n as u64).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
        as usize
        >> 33
}

/// Returns the resident memory of this process in bytes (`VmRSS` of Linux).
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
