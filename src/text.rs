//! Makes foreign text harmless for terminals and logs.
//!
//! Escaped are characters that a terminal interprets (control characters, C0 and C1), that reorder
//! or hide their neighbours (bidi controls, Unicode TR 36, section 2.10) or are invisible
//! (Default_Ignorable_Code_Point), and combining marks in such numbers that they cover other lines.
//! They are shown instead of removed, so that readers notice the attempt.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

use crate::model::fold::is_ignorable;

#[cfg(feature = "hub")]
pub(crate) mod words;

/// Zero-width characters, such as accents, that may follow one with a width. No script needs as
/// many; more are drawn over the lines above and below.
const MAX_MARKS: usize = 8;

/// Returns foreign text as one line, with everything escaped that could affect the terminal.
pub fn one_line(raw: &str) -> Cow<'_, str> {
    escape(raw, |_| false)
}

/// As [`one_line`], but keeps line breaks.
pub fn lines(raw: &str) -> Cow<'_, str> {
    escape(raw, |c| c == '\n')
}

/// As [`lines`], but keeps tabs too: for text that leaves the terminal, such as by its clipboard.
pub fn copyable(raw: &str) -> Cow<'_, str> {
    escape(raw, |c| c == '\n' || c == '\t')
}

fn escape(raw: &str, keep: impl Fn(char) -> bool + Copy) -> Cow<'_, str> {
    if !raw.chars().any(harmful(keep)) {
        return Cow::Borrowed(raw);
    }
    let mut harmful = harmful(keep);
    let mut safe = String::with_capacity(raw.len() + 16);
    for c in raw.chars() {
        match c {
            _ if !harmful(c) => safe.push(c),
            // The control pictures are in the order of the C0 controls.
            '\0'..='\x1f' => safe.extend(char::from_u32(0x2400 + u32::from(c))),
            '\x7f' => safe.push('\u{2421}'),
            _ => safe.push_str(&format!("<U+{:04X}>", u32::from(c))),
        }
    }
    Cow::Owned(safe)
}

/// Returns a predicate for consecutive characters that tells which to escape.
fn harmful(keep: impl Fn(char) -> bool) -> impl FnMut(char) -> bool {
    let mut marks = 0;
    move |c| {
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        !keep(c) && (is_dangerous(c) || marks > MAX_MARKS)
    }
}

/// Returns true if a terminal may interpret `c`, or if `c` is invisible, or reorders or hides its
/// neighbours.
pub fn is_dangerous(c: char) -> bool {
    c.is_control()
        || (is_ignorable(c) && !is_joiner_or_selector(c))
        // Line and paragraph separators, which some terminals interpret; interlinear annotations,
        // which hide; and the Braille pattern without a dot.
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}' | '\u{2800}')
}

/// Returns true for the invisible characters that scripts and emoji need: the zero width joiner and
/// non-joiner, and the variation selectors.
fn is_joiner_or_selector(c: char) -> bool {
    matches!(c,
        '\u{200c}' | '\u{200d}' | '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{e0100}'..='\u{e01ef}')
}

/// Returns true if nothing is drawn for `c`: a control character, or one without a width of its own
/// that belongs to its neighbours. White space is not meant, but some of it is a control character.
pub fn is_invisible(c: char) -> bool {
    is_dangerous(c) || is_joiner_or_selector(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_left_alone() {
        for text in ["hello", "né à Zürich", "日本語", "👩‍👩‍👧", "שלום", "❤\u{fe0f}", "葛\u{e0100}"]
        {
            assert!(matches!(one_line(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(one_line("\x1b[31mred\x07"), "␛[31mred␇");
        assert_eq!(one_line("a\nb\r\t\x7f"), "a␊b␍␉␡");
        assert_eq!(one_line("\u{9b}31m"), "<U+009B>31m");
    }

    #[test]
    fn bidi_controls_and_hidden_characters_are_escaped() {
        assert_eq!(one_line("\u{202e}cod.exe"), "<U+202E>cod.exe");
        assert_eq!(one_line("a\u{200b}b\u{e0041}"), "a<U+200B>b<U+E0041>");
    }

    #[test]
    fn invisible_characters_are_escaped() {
        for c in
            ['\u{3164}', '\u{115f}', '\u{1160}', '\u{ffa0}', '\u{2800}', '\u{34f}', '\u{e0fff}']
        {
            assert_eq!(one_line(&format!("a{c}b")), format!("a<U+{:04X}>b", u32::from(c)));
        }
    }

    #[test]
    fn too_many_marks_are_escaped() {
        for mark in ['\u{301}', '\u{489}', '\u{fe0f}', '\u{200d}'] {
            let heap = |n: usize| format!("a{}", mark.to_string().repeat(n));
            assert!(matches!(one_line(&heap(MAX_MARKS)), Cow::Borrowed(_)));
            let shown = format!("<U+{:04X}>", u32::from(mark)).repeat(2);
            let safe = lines(&(heap(MAX_MARKS + 2) + "b" + &heap(1))).into_owned();
            assert_eq!(safe, heap(MAX_MARKS) + &shown + "b" + &heap(1));
        }
    }

    #[test]
    fn lines_keep_line_breaks() {
        assert_eq!(lines("a\nb\x1bc"), "a\nb␛c");
    }
}
