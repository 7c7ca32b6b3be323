//! Making other people's text harmless before it reaches a terminal or a log.
//!
//! What a terminal would obey (control characters, C0 and C1) and what reorders or hides its
//! neighbours (bidi controls, Unicode TR 36, section 2.10, and invisible format characters) is made
//! visible instead of removed: a reader should see that somebody tried.

use std::borrow::Cow;

/// One line of foreign text, with nothing in it that moves the cursor, colours, reorders or hides.
pub fn one_line(raw: &str) -> Cow<'_, str> {
    escape(raw, |_| false)
}

/// Foreign text that may have several lines; everything else is as in [`one_line`].
pub fn lines(raw: &str) -> Cow<'_, str> {
    escape(raw, |c| c == '\n')
}

fn escape(raw: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    if raw.chars().all(|c| keep(c) || !is_dangerous(c)) {
        return Cow::Borrowed(raw);
    }
    let mut safe = String::with_capacity(raw.len() + 16);
    for c in raw.chars() {
        match c {
            _ if keep(c) || !is_dangerous(c) => safe.push(c),
            // The pictures of the C0 controls stand in the same order as the controls.
            '\0'..='\x1f' => safe.extend(char::from_u32(0x2400 + u32::from(c))),
            '\x7f' => safe.push('\u{2421}'),
            _ => safe.push_str(&format!("<U+{:04X}>", u32::from(c))),
        }
    }
    Cow::Owned(safe)
}

/// Whether a terminal might obey `c`, or `c` reorders or hides what stands beside it.
pub fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Arabic letter mark, left-to-right and right-to-left marks, embeddings and overrides,
            // isolates: all that changes the direction of text.
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Line and paragraph separators, which some terminals obey.
            | '\u{2028}' | '\u{2029}'
            // Soft hyphen, zero width space, word joiner and invisible operators, deprecated format
            // characters, byte order mark, interlinear annotations, tags: all that hides. The
            // zero width joiner and non-joiner stay: scripts and emoji need them.
            | '\u{00ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_left_alone() {
        for text in ["hello", "né à Zürich", "日本語", "👩‍👩‍👧", "שלום"] {
            assert!(matches!(one_line(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_a_terminal_obeys_is_shown() {
        assert_eq!(one_line("\x1b[31mred\x07"), "␛[31mred␇");
        assert_eq!(one_line("a\nb\r\t\x7f"), "a␊b␍␉␡");
        assert_eq!(one_line("\u{9b}31m"), "<U+009B>31m");
    }

    #[test]
    fn what_reorders_or_hides_is_shown() {
        assert_eq!(one_line("\u{202e}cod.exe"), "<U+202E>cod.exe");
        assert_eq!(one_line("a\u{200b}b\u{e0041}"), "a<U+200B>b<U+E0041>");
    }

    #[test]
    fn lines_keep_their_ends() {
        assert_eq!(lines("a\nb\x1bc"), "a\nb␛c");
    }
}
