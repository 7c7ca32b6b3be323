//! Input that is read as keys and is none: an answer of the terminal that comes late. And the reverse:
//! keys that were read with an answer.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

/// Drops the answer to the query for the background (`ESC ] 11;rgb:1c1c/1c1c/1c1c` and `ESC \` or BEL),
/// which arrives as Alt-], characters, and Alt-\ or Ctrl-G.
pub(super) struct LateAnswer {
    is_expected: bool,
    is_inside: bool,
}

impl LateAnswer {
    pub(super) fn new(is_expected: bool) -> Self {
        Self { is_expected, is_inside: false }
    }

    /// Returns true if an event is a part of the answer.
    pub(super) fn takes(&mut self, event: &Event) -> bool {
        let Event::Key(KeyEvent { code: KeyCode::Char(c), modifiers, .. }) = event else {
            self.is_inside = false;
            return false;
        };
        match (self.is_inside, *c, *modifiers) {
            (false, ']', KeyModifiers::ALT) if self.is_expected => {
                (self.is_expected, self.is_inside) = (false, true);
                true
            }
            (true, '\\', KeyModifiers::ALT) | (true, 'g', KeyModifiers::CONTROL) => {
                self.is_inside = false;
                true
            }
            (true, '0'..='9' | 'a'..='f' | 'A'..='F' | 'r' | 'g' | ';' | ':' | '/', modifiers)
                if (modifiers - KeyModifiers::SHIFT).is_empty() =>
            {
                true
            }
            _ => {
                self.is_inside = false;
                false
            }
        }
    }
}

/// The keys that make a text. Escape sequences are left out.
pub(super) fn typed_ahead(text: &str) -> impl Iterator<Item = Event> {
    let text = text.split('\x1b').next().unwrap_or_default();
    text.chars().map(|c| {
        let key = |code, modifiers| Event::Key(KeyEvent::new(code, modifiers));
        match c {
            '\r' => key(KeyCode::Enter, KeyModifiers::NONE),
            '\t' => key(KeyCode::Tab, KeyModifiers::NONE),
            '\x7f' => key(KeyCode::Backspace, KeyModifiers::NONE),
            '\x01'..='\x1a' => key(KeyCode::Char((c as u8 + b'`').into()), KeyModifiers::CONTROL),
            c => key(KeyCode::Char(c), KeyModifiers::NONE),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(c: char, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(KeyCode::Char(c), modifiers))
    }

    /// What is left of the events of `ESC ] text`, an end, and more text.
    fn left(expected: bool, text: &str, end: Event, more: &str) -> Vec<Event> {
        let mut answer = LateAnswer::new(expected);
        let begin = [key(']', KeyModifiers::ALT)].into_iter();
        let all = begin.chain(typed_ahead(text)).chain([end]).chain(typed_ahead(more));
        all.filter(|event| !answer.takes(event)).collect()
    }

    #[test]
    fn a_late_answer_is_not_typed() {
        const COLOUR: &str = "11;rgb:1c1c/1C1C/ffff";
        for end in [key('\\', KeyModifiers::ALT), key('g', KeyModifiers::CONTROL)] {
            let more: Vec<Event> = typed_ahead("a]b").collect();
            assert_eq!(left(true, COLOUR, end.clone(), "a]b"), more);
            assert_eq!(left(false, COLOUR, end, "").len(), COLOUR.len() + 2, "nothing was asked");
        }
        // Somebody presses Alt-] and goes on typing.
        let typed: Vec<Event> = typed_ahead("hello").collect();
        assert_eq!(left(true, "", key('h', KeyModifiers::NONE), "ello"), typed);
    }

    #[test]
    fn what_was_typed_before_becomes_keys() {
        let keys: Vec<Event> = typed_ahead("é\r\x03\x7f\x1b[A").collect();
        let press = |code, modifiers| Event::Key(KeyEvent::new(code, modifiers));
        let expected = [
            key('é', KeyModifiers::NONE),
            press(KeyCode::Enter, KeyModifiers::NONE),
            key('c', KeyModifiers::CONTROL),
            press(KeyCode::Backspace, KeyModifiers::NONE),
        ];
        assert_eq!(keys, expected);
    }
}
