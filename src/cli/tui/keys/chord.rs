//! A key with what is held down beside it: how a person writes it, and how terminals report it.

use std::fmt;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What may be held down, in the order in which it is shown.
const HELD: [(&str, &str, KeyModifiers); 3] = [
    ("ctrl", "Ctrl-", KeyModifiers::CONTROL),
    ("alt", "Alt-", KeyModifiers::ALT),
    ("shift", "Shift-", KeyModifiers::SHIFT),
];

/// Keys with names, as they are written first and as they are shown.
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

/// What a terminal sends the same bytes for, so that it cannot be told from another key.
const SAME: [(char, &str); 3] = [('i', "tab"), ('m', "enter"), ('[', "esc")];

/// A key and what is held down with it. Two that terminals report in several ways are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chord {
    code: KeyCode,
    held: KeyModifiers,
}

impl Chord {
    /// What a terminal has reported.
    pub(super) fn of(key: &KeyEvent) -> Self {
        let held = key.modifiers;
        match key.code {
            // Sent for Shift-Tab, with and without the shift.
            KeyCode::BackTab => Self { code: KeyCode::Tab, held: held | KeyModifiers::SHIFT },
            KeyCode::Char(c) => Self::of_char(c, held),
            code => Self { code, held },
        }
    }

    fn of_char(c: char, held: KeyModifiers) -> Self {
        let c = match c {
            // The byte of Ctrl-_ and Ctrl-/ is read as that of Ctrl-7.
            '7' | '/' if held.contains(KeyModifiers::CONTROL) => '_',
            c if held.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
                c.to_ascii_lowercase()
            }
            c => c,
        };
        // What shift does to a character is in the character.
        Self { code: KeyCode::Char(c), held: held - KeyModifiers::SHIFT }
    }

    /// Reads a key as a person writes it: `ctrl-n`, `alt-1`, `f2`, `pageup`, `?`.
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        let mut rest = written.trim();
        let mut held = KeyModifiers::NONE;
        while let Some((modifier, after)) = modifier(rest) {
            (held, rest) = (held | modifier, after);
        }
        let code = code(rest).ok_or_else(|| {
            format!("there is no key {written:?}; keys are written as ctrl-n, alt-1, f2, pageup, ?")
        })?;
        if let KeyCode::Char(c) = code {
            let same = SAME.iter().find(|(same, _)| same.eq_ignore_ascii_case(&c));
            if let Some((_, other)) = same.filter(|_| held.contains(KeyModifiers::CONTROL)) {
                return Err(format!("{written} is what terminals send for {other}: say {other}"));
            }
            if held.contains(KeyModifiers::SHIFT) {
                return Err(format!("write what {written} types, as in A, instead of shift"));
            }
        }
        Ok(Self::of(&KeyEvent::new(code, held)))
    }

    /// Whether it edits a text, so that it can mean something else only while there is none: it
    /// types a character, or it is the key that is both the end of the input and a deletion.
    pub(super) fn is_typed(&self) -> bool {
        let ends_input = self.code == KeyCode::Char('d') && self.held == KeyModifiers::CONTROL;
        self.types().is_some() || ends_input
    }

    /// The character that it types.
    pub(super) fn types(&self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if self.held.is_empty() => Some(c),
            _ => None,
        }
    }
}

fn modifier(written: &str) -> Option<(KeyModifiers, &str)> {
    HELD.iter().find_map(|(name, _, modifier)| {
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
        for (_, shown, modifier) in HELD {
            if self.held.contains(modifier) {
                f.write_str(shown)?;
            }
        }
        if let Some((_, shown, _)) = NAMED.iter().find(|(.., code)| *code == self.code) {
            return f.write_str(shown);
        }
        match self.code {
            KeyCode::Char(c) if self.held.is_empty() => write!(f, "{c}"),
            KeyCode::Char(c) => write!(f, "{}", c.to_uppercase()),
            KeyCode::F(number) => write!(f, "F{number}"),
            other => write!(f, "{other}"),
        }
    }
}
