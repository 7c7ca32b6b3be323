//! A key with its modifiers: how a user writes it and how terminals report it.

use std::fmt;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The modifiers, in the order in which they are shown.
const MODIFIERS: [(&str, &str, KeyModifiers); 3] = [
    ("ctrl", "Ctrl-", KeyModifiers::CONTROL),
    ("alt", "Alt-", KeyModifiers::ALT),
    ("shift", "Shift-", KeyModifiers::SHIFT),
];

/// Named keys: the names to write, the name that is shown, the key.
const NAMED: [(&[&str], &str, KeyCode); 15] = [
    (&["enter", "return"], "Enter", KeyCode::Enter),
    (&["tab"], "Tab", KeyCode::Tab),
    (&["esc", "escape"], "Esc", KeyCode::Esc),
    (&["space"], "Space", KeyCode::Char(' ')),
    (&["backspace"], "Backspace", KeyCode::Backspace),
    (&["delete", "del"], "Delete", KeyCode::Delete),
    (&["insert", "ins"], "Insert", KeyCode::Insert),
    (&["home"], "Home", KeyCode::Home),
    (&["end"], "End", KeyCode::End),
    (&["pageup", "page-up", "pgup"], "PageUp", KeyCode::PageUp),
    (&["pagedown", "page-down", "pgdn"], "PageDown", KeyCode::PageDown),
    (&["up"], "Up", KeyCode::Up),
    (&["down"], "Down", KeyCode::Down),
    (&["left"], "Left", KeyCode::Left),
    (&["right"], "Right", KeyCode::Right),
];

/// The highest function key.
const MAX_F: u8 = 24;

/// With Ctrl, the keys that terminals send the same bytes for as for another key.
const ALIASES: [(char, &str); 3] = [('i', "tab"), ('m', "enter"), ('[', "esc")];

/// A key with its modifiers, normalized: what terminals report in several ways is one chord.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Chord {
    /// The chord that a terminal has reported.
    pub(super) fn of(key: &KeyEvent) -> Self {
        let modifiers = key.modifiers;
        match key.code {
            // Sent for Shift-Tab, with and without the modifier.
            KeyCode::BackTab => {
                Self { code: KeyCode::Tab, modifiers: modifiers | KeyModifiers::SHIFT }
            }
            KeyCode::Char(c) => Self::of_char(c, modifiers),
            code => Self { code, modifiers },
        }
    }

    fn of_char(c: char, modifiers: KeyModifiers) -> Self {
        let c = match c {
            // crossterm reads the byte of Ctrl-_ and Ctrl-/ as Ctrl-7.
            '7' | '/' if modifiers.contains(KeyModifiers::CONTROL) => '_',
            c if modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
                c.to_ascii_lowercase()
            }
            c => c,
        };
        // The character itself tells whether shift was held.
        Self { code: KeyCode::Char(c), modifiers: modifiers - KeyModifiers::SHIFT }
    }

    /// Parses a key as a user writes it: `ctrl-n`, `alt-1`, `f2`, `pageup`, `?`.
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        let mut rest = written.trim();
        let mut modifiers = KeyModifiers::NONE;
        while let Some((modifier, after)) = modifier(rest) {
            (modifiers, rest) = (modifiers | modifier, after);
        }
        let code = code(rest).ok_or_else(|| {
            format!("no key {written:?}; write keys as ctrl-n, alt-1, f2, pageup, ?")
        })?;
        if let KeyCode::Char(c) = code {
            let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(&c));
            if let Some((_, other)) = alias.filter(|_| modifiers.contains(KeyModifiers::CONTROL)) {
                return Err(format!("terminals send {written} as {other}: write {other}"));
            }
            if modifiers.contains(KeyModifiers::SHIFT) {
                return Err(format!("write the character that {written} types, such as A"));
            }
        }
        Ok(Self::of(&KeyEvent::new(code, modifiers)))
    }

    /// Returns true if the key edits the input and so can be bound only while that is empty: it types
    /// a character, or it is Ctrl-D, which deletes one.
    pub(super) fn edits(&self) -> bool {
        let is_ctrl_d = self.code == KeyCode::Char('d') && self.modifiers == KeyModifiers::CONTROL;
        self.character().is_some() || is_ctrl_d
    }

    /// The character that the key types.
    pub(super) fn character(&self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if self.modifiers.is_empty() => Some(c),
            _ => None,
        }
    }
}

fn modifier(written: &str) -> Option<(KeyModifiers, &str)> {
    MODIFIERS.iter().find_map(|(name, _, modifier)| {
        let (head, rest) = written.split_at_checked(name.len())?;
        let rest = rest.strip_prefix(['-', '+']).filter(|rest| !rest.is_empty())?;
        head.eq_ignore_ascii_case(name).then_some((*modifier, rest))
    })
}

fn code(written: &str) -> Option<KeyCode> {
    let mut chars = written.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        return (!c.is_control() && !c.is_whitespace()).then_some(KeyCode::Char(c));
    }
    let lower = written.to_ascii_lowercase();
    let named = NAMED.iter().find(|(names, ..)| names.contains(&lower.as_str()));
    named.map(|(.., code)| *code).or_else(|| {
        let number = lower.strip_prefix('f')?.parse().ok()?;
        (1..=MAX_F).contains(&number).then_some(KeyCode::F(number))
    })
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (_, shown, modifier) in MODIFIERS {
            if self.modifiers.contains(modifier) {
                f.write_str(shown)?;
            }
        }
        if let Some((_, shown, _)) = NAMED.iter().find(|(.., code)| *code == self.code) {
            return f.write_str(shown);
        }
        match self.code {
            KeyCode::Char(c) if self.modifiers.is_empty() => write!(f, "{c}"),
            KeyCode::Char(c) => write!(f, "{}", c.to_uppercase()),
            KeyCode::F(number) => write!(f, "F{number}"),
            other => write!(f, "{other}"),
        }
    }
}
