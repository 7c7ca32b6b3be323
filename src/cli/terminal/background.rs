//! Asks the terminal for the colour of its background.
//!
//! The query is OSC 11, with one behind it that every terminal answers (DA1), so that a terminal that
//! does not know the first delays nothing. What the user types meanwhile is kept.

use std::time::Duration;

use crate::cli::theme::contrast::Rgb;

/// How long to wait for the answers. A terminal at the other end of a slow connection may take longer:
/// see [`BackgroundQuery::is_open`].
pub(crate) const BACKGROUND_TIMEOUT: Duration = Duration::from_millis(500);

/// The most bytes to read before the answers.
const MAX_ANSWER: usize = 4096;

/// Terminals that show the query as text, or answer it after the second one.
const NOT_ASKED: [&str; 5] = ["dumb", "linux", "screen", "Eterm", "cons25"];

/// What a terminal has answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct BackgroundQuery {
    pub(crate) colour: Option<Rgb>,
    /// Whether an answer may still come. It must not be taken for what the user types.
    pub(crate) is_open: bool,
    /// What the user has typed before the answer.
    pub(crate) typed: String,
}

/// Asks the terminal on standard input and output. Returns nothing if it is not to be asked.
#[cfg(unix)]
pub(crate) fn query_background() -> BackgroundQuery {
    let term = std::env::var("TERM").unwrap_or_default();
    let kind = term.split(['-', '.']).next().unwrap_or_default();
    match term.is_empty() || NOT_ASKED.contains(&kind) {
        true => BackgroundQuery::default(),
        false => parse(&ask()),
    }
}

#[cfg(not(unix))]
pub(crate) fn query_background() -> BackgroundQuery {
    BackgroundQuery::default()
}

/// Sends the queries. Returns what was read until the second one was answered.
#[cfg(unix)]
fn ask() -> Vec<u8> {
    use std::{
        io::{self, Write},
        time::Instant,
    };

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    /// OSC 11 with a question mark, and DA1.
    const QUERIES: &[u8] = b"\x1b]11;?\x07\x1b[c";

    let _restored = super::RestoreMode::quiet();
    let mut read = Vec::new();
    let mut stdout = io::stdout().lock();
    if stdout.write_all(QUERIES).and_then(|()| stdout.flush()).is_err() {
        return read;
    }
    let stdin = io::stdin();
    let deadline = Instant::now() + BACKGROUND_TIMEOUT;
    while find(&read, b"\x1b[?", |byte| byte == b'c').is_none() && read.len() < MAX_ANSWER {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
        let mut ends = [PollFd::new(&stdin, PollFlags::IN)];
        let mut buffer = [0; 256];
        match poll(&mut ends, Some(&left)) {
            Ok(1..) => {}
            _ => break,
        }
        match rustix::io::read(&stdin, &mut buffer) {
            Ok(length @ 1..) => read.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            _ => break,
        }
    }
    read
}

/// Separates the answers from what was typed.
#[cfg(unix)]
fn parse(read: &[u8]) -> BackgroundQuery {
    let mut typed = read.to_vec();
    let mut take = |begin: &[u8], ends: fn(u8) -> bool| {
        let found = find(&typed, begin, ends)?;
        Some(typed.drain(found).collect::<Vec<u8>>())
    };
    let answer = take(b"\x1b]11;", |byte| matches!(byte, b'\x07' | b'\\'));
    let is_open = take(b"\x1b[?", |byte| byte == b'c').is_none() && answer.is_none();
    let colour = answer.and_then(|answer| colour(&String::from_utf8_lossy(&answer)));
    BackgroundQuery { colour, is_open, typed: String::from_utf8_lossy(&typed).into_owned() }
}

/// Where an answer is: from its beginning to the byte that ends it.
#[cfg(unix)]
fn find(read: &[u8], begin: &[u8], ends: fn(u8) -> bool) -> Option<std::ops::Range<usize>> {
    let start = read.windows(begin.len()).position(|bytes| bytes == begin)?;
    let length = read.get(start..)?.iter().position(|byte| ends(*byte))?;
    Some(start..start + length + 1)
}

/// Parses a colour as in `rgb:1c1c/1c1c/1c1c`, with one to four digits for each channel.
#[cfg(unix)]
fn colour(answer: &str) -> Option<Rgb> {
    let (_, channels) = answer.split_once("rgb")?;
    let (_, channels) = channels.split_once(':')?;
    let mut channels = channels.split(['/', '\x07', '\x1b']).map(|digits| {
        let value = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() <= 4)?;
        let most = 16_u32.pow(u32::try_from(digits.len()).ok()?) - 1;
        u8::try_from((value * 255 + most / 2) / most.max(1)).ok()
    });
    Some(Rgb(channels.next()??, channels.next()??, channels.next()??))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_from_what_is_typed() {
        let dark = Some(Rgb(28, 28, 28));
        for (read, colour, is_open, typed) in [
            ("\x1b]11;rgb:1c1c/1c1c/1c1c\x07\x1b[?62;22c", dark, false, ""),
            ("\x1b]11;rgb:1c/1c/1c\x1b\\\x1b[?1;2c", dark, false, ""),
            ("he\x1b]11;rgba:1c1c/1c1c/1c1c/ffff\x07llo\x1b[?6c\r", dark, false, "hello\r"),
            ("\x1b]11;rgb:f/8/0\x07\x1b[?6c", Some(Rgb(255, 136, 0)), false, ""),
            ("\x1b[?6c", None, false, ""),
            ("", None, true, ""),
            ("hello", None, true, "hello"),
            ("\x1b]11;rgb:zz/1/1\x07\x1b[?6c", None, false, ""),
            ("\x1b]11;rgb:12345/1/1\x07\x1b[?6c", None, false, ""),
            ("\x1b]11;#1c1c1c\x07\x1b[?6c", None, false, ""),
        ] {
            let expected = BackgroundQuery { colour, is_open, typed: typed.into() };
            assert_eq!(parse(read.as_bytes()), expected, "{read:?}");
        }
    }
}
