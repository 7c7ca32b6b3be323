//! Breaking text into rows.
//!
//! Rows are broken behind blanks, and beside wide characters, whose scripts know no blanks. What is
//! wider than a row is broken at its edge. A link is never broken where it fits into a row. Nothing
//! is put in and nothing taken out: the rows, one after the other, are the text, so that it can be
//! copied. Blanks that have no room at the end of a row stand beyond its edge, unseen.

use std::ops::Range;

use crate::cli::tui::glyphs::{Glyph, glyphs};

/// What must not begin a row: it closes what stands before it.
const CLOSING: &[char] = &[
    '、', '。', '，', '．', '！', '？', '」', '』', '）', '】', '〉', '》', '：', '；', 'ー', '々',
];

/// The rows of a text: the first of `first` cells, the others of `rest`, which is not less.
pub(super) fn wrap(
    text: &str,
    links: &[Range<usize>],
    first: usize,
    rest: usize,
) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let mut start = 0;
    let mut links = links.iter().peekable();
    for line in text.split('\n') {
        let width = if start == 0 { first } else { rest };
        let mut row = Row { start, taken: 0, width, rest, chance: None };
        // What does not fit into a short first row may begin in the next one.
        row.chance = (width < rest).then_some((start, 0));
        let mut before: Option<Glyph<'_>> = None;
        for glyph in glyphs(line) {
            let here = start + glyph.at;
            while links.next_if(|link| link.end <= here).is_some() {}
            let in_link = links.peek().is_some_and(|link| link.start < here);
            if !in_link && before.is_some_and(|before| may_break(before, glyph)) {
                row.chance = Some((here, row.taken));
            }
            before = Some(glyph);
            if !glyph.is_blank() || row.taken + glyph.width <= row.width {
                row.take(here, glyph.width, &mut rows);
            }
        }
        rows.push(row.start..start + line.len());
        start += line.len() + 1;
    }
    rows
}

/// The row that is being filled.
struct Row {
    start: usize,
    taken: usize,
    width: usize,
    rest: usize,
    /// Where the next row may begin, and what was taken there.
    chance: Option<(usize, usize)>,
}

impl Row {
    /// Takes a glyph that stands at `here`; what is full goes to `rows`.
    fn take(&mut self, here: usize, width: usize, rows: &mut Vec<Range<usize>>) {
        while self.taken + width > self.width {
            let (next, taken) = self.chance.take().unwrap_or((here, self.taken));
            if next == self.start && self.width == self.rest {
                // Wider than any row, and alone.
                break;
            }
            rows.push(self.start..next);
            (self.start, self.width) = (next, self.rest);
            self.taken -= taken;
        }
        self.taken += width;
    }
}

fn may_break(before: Glyph<'_>, glyph: Glyph<'_>) -> bool {
    let wide = before.width > 1 || glyph.width > 1;
    !glyph.is_blank() && (before.is_blank() || (wide && !glyph.text.starts_with(CLOSING)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tui::transcript::links::links;

    fn rows(text: &str, first: usize, rest: usize) -> Vec<&str> {
        wrap(text, &links(text), first, rest).into_iter().map(|row| &text[row]).collect()
    }

    #[test]
    fn words_stay_whole() {
        assert_eq!(rows("the quick brown fox", 9, 9), ["the quick ", "brown fox"]);
        assert_eq!(rows("the quick brown fox", 5, 9), ["the ", "quick ", "brown fox"]);
        assert_eq!(rows("a  b", 2, 2), ["a  ", "b"]);
        assert_eq!(rows("", 5, 5), [""]);
        assert_eq!(rows("  indented\n\nline", 10, 10), ["  indented", "", "line"]);
    }

    #[test]
    fn what_is_wider_than_a_row_breaks_at_the_edge() {
        assert_eq!(rows("abcdefgh", 3, 3), ["abc", "def", "gh"]);
        assert_eq!(rows("x abcdefgh", 3, 3), ["x ", "abc", "def", "gh"]);
        assert_eq!(rows("abcdefgh", 1, 3), ["", "abc", "def", "gh"]);
        let endless = "x".repeat(16 * 1024);
        assert!(rows(&endless, 80, 80).iter().all(|row| row.len() <= 80));
    }

    #[test]
    fn a_heap_of_blanks_makes_no_rows() {
        let text = format!("a{}b", " ".repeat(1000));
        assert_eq!(rows(&text, 10, 10), [&text[..1001], "b"]);
    }

    #[test]
    fn wide_characters_never_straddle_the_edge() {
        assert_eq!(rows("日本語日本", 5, 5), ["日本", "語日", "本"]);
        assert_eq!(rows("日本。語", 4, 4), ["日", "本。", "語"]);
        assert_eq!(rows("ab👩‍👩‍👧🇨🇭", 3, 3), ["ab", "👩‍👩‍👧", "🇨🇭"]);
        assert_eq!(rows("日本", 1, 1), ["日", "本"]);
        assert_eq!(rows("e\u{301}e\u{301}e\u{301}", 2, 2), ["e\u{301}e\u{301}", "e\u{301}"]);
    }

    #[test]
    fn links_are_kept_whole_where_they_fit() {
        let link = "https://a.example/日本";
        assert_eq!(rows(&format!("see {link} now"), 22, 22), ["see ", &format!("{link} "), "now"]);
        assert_eq!(rows(link, 10, 22), ["", link]);
        assert_eq!(rows(link, 20, 20), ["https://a.example/日", "本"]);
    }
}
