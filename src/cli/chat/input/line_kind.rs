//! Tells commands from texts by the beginning of a line.

use super::first_word;
use crate::{model::Endpoint, text};

/// What begins a command. The second one is typed by input methods for wide scripts.
const SLASHES: [char; 2] = ['/', '／'];

/// The word that begins a direct message in the syntax of the original program.
const P2P: &str = "P2P";

/// What a line is, by its beginning.
pub(super) enum LineKind<'a> {
    /// Nothing that can be seen.
    Blank,
    /// A text.
    Text(&'a str),
    /// A command, without its slash.
    Command(&'a str),
    /// The list of peers, in the syntax of the original program.
    Peers,
    /// A direct message in that syntax, without its first word.
    P2p(&'a str),
    /// Something that looks like a command, with the part that only looks so.
    Lookalike(&'a str),
}

impl<'a> LineKind<'a> {
    pub(super) fn of(line: &'a str) -> Self {
        let line_seen = line.trim_start_matches(is_unseen);
        if line_seen.trim_end() == "PEER" {
            return Self::Peers;
        }
        let seen = line.trim_start_matches(|c: char| c.is_whitespace() || is_unseen(c)).trim_end();
        let (word, rest) = seen.split_at(seen.find(char::is_whitespace).unwrap_or(seen.len()));
        // In lower case or with a blank before it, P2P is the command if an address follows.
        let is_certain = line_seen.starts_with(word) || names_an_address(rest);
        if (word == P2P && is_certain) || (word.eq_ignore_ascii_case(P2P) && names_an_address(rest))
        {
            return Self::P2p(rest);
        }
        let is_lookalike = !word.eq_ignore_ascii_case(P2P) && !rest.is_empty();
        if is_lookalike
            && ((looks_like(word, P2P) && is_certain)
                || (looks_like(&word.to_uppercase(), P2P) && names_an_address(rest)))
        {
            return Self::Lookalike(word);
        }
        let Some(first) = seen.chars().next() else { return Self::Blank };
        match seen.split_at(first.len_utf8()) {
            ("/", text) if text.starts_with('/') => Self::Text(text),
            (_, command) if SLASHES.contains(&first) => Self::Command(command),
            // Some letters look like a slash too, and drawings are not commands.
            (slash, word)
                if !first.is_alphanumeric()
                    && word.starts_with(char::is_alphabetic)
                    && looks_like(slash, "/") =>
            {
                Self::Lookalike(slash)
            }
            _ => Self::Text(line),
        }
    }
}

/// Returns true if a text begins like `HOST PORT` or `HOST:PORT`.
fn names_an_address(text: &str) -> bool {
    let (host, rest) = first_word(text);
    let (port, _) = first_word(rest);
    Endpoint::parse(host).is_ok() || port.parse::<u32>().is_ok()
}

/// Returns true for characters of no width and no colour. Blanks are seen: they move what follows.
fn is_unseen(c: char) -> bool {
    text::is_invisible(c) && !c.is_whitespace()
}

/// Returns true if two texts look alike.
fn looks_like(shown: &str, wanted: &str) -> bool {
    let plain = |c: char| match c {
        // Fullwidth forms are in the order of ASCII.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    };
    let shown: String = shown.chars().filter(|c| !is_unseen(*c)).map(plain).collect();
    unicode_security::skeleton(&shown).eq(unicode_security::skeleton(wanted))
}
