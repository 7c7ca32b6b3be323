//! Breaking text into rows: of messages, of the input, and of what line mode prints.
//!
//! Rows are ranges of the text. One after the other they are the whole text, so that what is copied
//! from a screen is what was said.

use std::{borrow::Cow, ops::Range};

use super::{
    graphemes::{self, Grapheme, graphemes},
    links::links,
    view::INDENT,
};

/// How a style sequence begins; it ends with `m`.
const STYLE: &str = "\x1b[";

/// Characters that must not begin a row, because they close what is before them.
const CLOSING: &[char] = &[
    '、', '。', '，', '．', '！', '？', '」', '』', '）', '】', '〉', '》', '：', '；', 'ー', '々',
];

/// The widths of the rows of a line, in cells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowWidths {
    /// Of the first row, and of the others, which is not less.
    pub(crate) first: usize,
    pub(crate) rest: usize,
    /// Of a row that has only a link, which may be wider than the others to keep the link whole.
    pub(crate) link: usize,
}

impl RowWidths {
    pub(crate) fn of(first: usize, rest: usize) -> Self {
        Self { first, rest, link: rest }
    }
}

/// The rows of a text for reading: the first of `first` cells, the others of `rest`, not less.
pub(crate) fn wrap(
    text: &str,
    links: &[Range<usize>],
    first: usize,
    rest: usize,
) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        let first = if start == 0 { first } else { rest };
        wrap_line(line, start, links, RowWidths::of(first, rest), &mut rows);
        start += line.len() + 1;
    }
    rows
}

/// Adds the rows of a line that begins at `start` in its text. `links` are those of the text.
///
/// Rows are broken behind blanks and beside wide characters, whose scripts have no blanks. A word that
/// is wider than a row is broken at the edge. A link is not broken if it fits into a row. Blanks that
/// do not fit at the end of a row are beyond its edge.
pub(crate) fn wrap_line(
    line: &str,
    start: usize,
    links: &[Range<usize>],
    widths: RowWidths,
    rows: &mut Vec<Range<usize>>,
) {
    let RowWidths { first, rest, link: longest } = widths;
    // Most lines fit, and need no look at their characters.
    if line.len() <= first && line.is_ascii() {
        return rows.push(start..start + line.len());
    }
    let mut row = Row { start, taken: 0, width: first, rest, chance: None };
    // A word that does not fit into a short first row may begin in the next one.
    row.chance = (first < rest).then_some((start, 0));
    let mut links = links[links.partition_point(|link| link.end <= start)..].iter().peekable();
    let mut before: Option<Grapheme<'_>> = None;
    for grapheme in graphemes(line) {
        let here = start + grapheme.at;
        while let Some(link) = links.next_if(|link| link.end <= here) {
            if row.start == link.start && row.width > rest {
                row.chance = Some((here, row.taken));
            }
        }
        let link = links.peek().filter(|link| link.start <= here);
        if let Some(link) = link.filter(|link| link.start == here) {
            let width = graphemes::width(&line[link.start - start..link.end - start]);
            if width > rest && width <= longest {
                row.begin(here, width, rows);
            }
        }
        let in_link = link.is_some_and(|link| link.start < here);
        if !in_link && before.is_some_and(|before| may_break(before, grapheme)) {
            row.chance = Some((here, row.taken));
        }
        before = Some(grapheme);
        if !grapheme.is_blank() || row.taken + grapheme.width <= row.width {
            row.take(here, grapheme.width, 0, rows);
        }
    }
    rows.push(row.start..start + line.len());
}

/// Adds the rows of a line of code: broken at the edge, so that its columns stay. `first` and `rest` are
/// the widths of the first row and of the others.
pub(crate) fn wrap_code(
    line: &str,
    start: usize,
    (first, rest): (usize, usize),
    rows: &mut Vec<Range<usize>>,
) {
    let mut row = Row { start, taken: 0, width: first, rest, chance: None };
    for grapheme in graphemes(line) {
        row.take(start + grapheme.at, grapheme.width, 0, rows);
    }
    rows.push(row.start..start + line.len());
}

/// The rows of a line of the input. They are broken behind blanks, and a word that is wider than a row
/// at the edge. One blank may be in the cell behind the edge, which is the cursor's.
pub(crate) fn wrap_input(line: &str, width: usize) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let mut row = Row { start: 0, taken: 0, width, rest: width, chance: None };
    let mut is_blank = false;
    for grapheme in graphemes::of_input(line) {
        if is_blank {
            row.chance = Some((grapheme.at, row.taken));
        }
        is_blank = grapheme.text == " ";
        row.take(grapheme.at, grapheme.width, usize::from(is_blank), &mut rows);
    }
    rows.push(row.start..line.len());
    rows
}

/// The text with lines that are wider than `columns` broken as in [`wrap`]. The further rows begin with
/// an indent, so that no text can put a made-up line where the terminal would break it.
pub(crate) fn wrap_indented(text: &str, columns: usize) -> String {
    let (plain, styles) = without_styles(text);
    let wrapped = wrap_plain(&plain, columns);
    if styles.is_empty() { wrapped } else { with_styles(&plain, &wrapped, &styles) }
}

/// Returns a text without its style sequences, and these with their places in it. A text of others has
/// none: it is escaped.
fn without_styles(text: &str) -> (Cow<'_, str>, Vec<(usize, &str)>) {
    let (mut plain, mut styles) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(STYLE) {
        let Some(end) = after.find('m') else { break };
        plain.push_str(before);
        styles.push((plain.len(), &rest[before.len()..before.len() + STYLE.len() + end + 1]));
        rest = &after[end + 1..];
    }
    match styles.is_empty() {
        true => (text.into(), styles),
        false => ((plain + rest).into(), styles),
    }
}

/// Puts the style sequences back. `wrapped` is `plain` with line breaks, indents, and without blanks at
/// the ends of rows.
fn with_styles(plain: &str, wrapped: &str, styles: &[(usize, &str)]) -> String {
    let mut styled = String::with_capacity(wrapped.len() + 16 * styles.len());
    let mut styles = styles.iter().peekable();
    let mut left = plain.char_indices().peekable();
    for c in wrapped.chars() {
        // What is only in one of the two is white space.
        while left.next_if(|(_, other)| *other != c && *other == ' ').is_some() {}
        let at = left.peek().map_or(plain.len(), |(at, _)| *at);
        if left.next_if(|(_, other)| *other == c).is_some() {
            while let Some((_, style)) = styles.next_if(|(place, _)| *place <= at) {
                styled.push_str(style);
            }
        }
        styled.push(c);
    }
    styled.extend(styles.map(|(_, style)| *style));
    styled
}

fn wrap_plain(text: &str, columns: usize) -> String {
    let narrow = columns.saturating_sub(INDENT.len());
    if narrow <= INDENT.len() {
        return text.to_owned();
    }
    let mut wrapped = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            wrapped.push('\n');
        }
        // Not behind the blanks that the line begins with: the row would be empty.
        let unindented = line.trim_start_matches(' ');
        let blanks = line.len() - unindented.len();
        let first = match columns.checked_sub(blanks) {
            None | Some(0) => blanks,
            Some(left) => {
                let rows = wrap(unindented, &links(unindented), left, left);
                blanks + rows.first().map_or(0, |row| row.end)
            }
        };
        wrapped.push_str(line[..first].trim_end_matches(' '));
        let rest = &line[first..];
        if rest.is_empty() {
            continue;
        }
        for row in wrap(rest, &links(rest), narrow, narrow) {
            wrapped.push('\n');
            wrapped.push_str(INDENT);
            wrapped.push_str(rest[row].trim_end_matches(' '));
        }
    }
    wrapped
}

/// A text behind `head`, with lines that are wider than `columns` broken as in [`wrap`]. The further
/// rows begin where the text begins. A terminal that is too narrow for that, or none, breaks nothing.
pub(crate) fn wrap_hanging(head: &str, text: &str, columns: Option<usize>) -> String {
    let indent = graphemes::width(head);
    let width = columns.unwrap_or_default().saturating_sub(indent);
    if width < indent {
        return format!("{head}{text}");
    }
    let rows = wrap(text, &links(text), width, width);
    let rows: Vec<&str> = rows.into_iter().map(|row| text[row].trim_end_matches(' ')).collect();
    head.to_owned() + &rows.join(&format!("\n{:indent$}", ""))
}

/// The row that is being filled.
struct Row {
    start: usize,
    taken: usize,
    width: usize,
    /// The width of the following rows.
    rest: usize,
    /// The last place where the next row may begin, and the cells taken up to there.
    chance: Option<(usize, usize)>,
}

impl Row {
    /// Begins a row of its own, of another width than the others, unless the row is empty.
    fn begin(&mut self, here: usize, width: usize, rows: &mut Vec<Range<usize>>) {
        if self.start < here || self.width < self.rest {
            rows.push(self.start..here);
        }
        *self = Self { start: here, taken: 0, width, rest: self.rest, chance: None };
    }

    /// Adds a grapheme of `width` cells at `here`, which may reach `spare` cells over the edge. If it
    /// does not fit, the row is moved to `rows`.
    fn take(&mut self, here: usize, width: usize, spare: usize, rows: &mut Vec<Range<usize>>) {
        while self.taken + width > self.width + spare {
            let (next, taken) = self.chance.take().unwrap_or((here, self.taken));
            if next == self.start && self.width == self.rest {
                // It is alone in the row, and wider.
                break;
            }
            rows.push(self.start..next);
            (self.start, self.width) = (next, self.rest);
            self.taken -= taken;
        }
        self.taken += width;
    }
}

fn may_break(before: Grapheme<'_>, grapheme: Grapheme<'_>) -> bool {
    let wide = before.width > 1 || grapheme.width > 1;
    !grapheme.is_blank() && (before.is_blank() || (wide && !grapheme.text.starts_with(CLOSING)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn words_wider_than_a_row_break_at_the_edge() {
        assert_eq!(rows("abcdefgh", 3, 3), ["abc", "def", "gh"]);
        assert_eq!(rows("x abcdefgh", 3, 3), ["x ", "abc", "def", "gh"]);
        assert_eq!(rows("abcdefgh", 1, 3), ["", "abc", "def", "gh"]);
        let endless = "x".repeat(16 * 1024);
        assert!(rows(&endless, 80, 80).iter().all(|row| row.len() <= 80));
    }

    #[test]
    fn many_blanks_make_no_rows() {
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
    fn links_stay_whole_if_they_fit() {
        let link = "https://a.example/日本";
        assert_eq!(rows(&format!("see {link} now"), 22, 22), ["see ", &format!("{link} "), "now"]);
        assert_eq!(rows(link, 10, 22), ["", link]);
        assert_eq!(rows(link, 20, 20), ["https://a.example/日", "本"]);
    }

    #[test]
    fn a_link_wider_than_a_row_may_have_a_wider_row_of_its_own() {
        let link = "https://a.example/b";
        let rows = |text: &str, first, rest, longest| -> Vec<String> {
            let mut rows = Vec::new();
            let widths = RowWidths { first, rest, link: longest };
            wrap_line(text, 0, &links(text), widths, &mut rows);
            rows.into_iter().map(|row| text[row].to_owned()).collect()
        };
        let text = format!("do see {link}, and more");
        let whole = ["do see ", link, ", and more"];
        assert_eq!(rows(&text, 10, 10, 19), whole);
        assert_eq!(rows(&text, 10, 10, 18)[1], "https://a.");
        assert_eq!(rows(link, 10, 10, 19), [link]);
        assert_eq!(rows(link, 5, 10, 19), ["", link]);
        assert_eq!(rows(&format!("{link} x"), 10, 10, 19), [&format!("{link} "), "x"]);
    }

    #[test]
    fn code_breaks_at_the_edge_alone() {
        let rows = |text: &str| -> Vec<String> {
            let mut rows = Vec::new();
            wrap_code(text, 0, (8, 6), &mut rows);
            rows.into_iter().map(|row| text[row].to_owned()).collect()
        };
        assert_eq!(rows("    let x = 日本;"), ["    let ", "x = 日", "本;"]);
        assert_eq!(rows(""), [""]);
    }

    #[test]
    fn further_rows_are_indented() {
        assert_eq!(wrap_indented("0123456789ab", 10), "0123456789\n    ab");
        assert_eq!(wrap_indented("0123456789", 10), "0123456789");
        assert_eq!(wrap_indented("日本語日本語", 9), "日本語日\n    本語");
        assert_eq!(wrap_indented("a\n    b", 10), "a\n    b");
        // A text that pads itself to the terminal's edge forges nothing.
        let forged =
            wrap_indented(&format!("09:15 sova: {}09:16 buzz: I quit", " ".repeat(28)), 40);
        assert_eq!(forged.lines().nth(1), Some("    09:16 buzz: I quit"));
    }

    #[test]
    fn hanging_rows_begin_where_the_text_begins() {
        assert_eq!(wrap_hanging("ok  ", "one two three", Some(12)), "ok  one two\n    three");
        assert_eq!(wrap_hanging("→ ", "one two", Some(6)), "→ one\n  two");
        assert_eq!(wrap_hanging("→ ", "", Some(6)), "→ ");
        for columns in [None, Some(7)] {
            assert_eq!(wrap_hanging("ok  ", "one two three", columns), "ok  one two three");
        }
        for row in wrap_hanging("ok  ", &"日本 語".repeat(20), Some(15)).lines() {
            assert!(graphemes::width(row) <= 15, "{row:?}");
            assert_eq!(wrap_indented(row, 15), row, "and is broken only once");
        }
    }

    #[test]
    fn indented_rows_break_at_blanks_and_keep_links() {
        assert_eq!(wrap_indented("one two three four", 12), "one two\n    three\n    four");
        assert_eq!(wrap_indented("0123456789 ab", 10), "0123456789\n    ab");
        assert_eq!(
            wrap_indented("see https://a.example/b", 20),
            "see\n    https://a.exampl\n    e/b"
        );
        assert_eq!(wrap_indented("see https://a.example", 21), "see https://a.example");
        assert_eq!(wrap_indented("do see https://a.example", 22), "do see\n    https://a.example");
        // What is longer than a row is broken anyway; a row never ends with nothing in it.
        assert_eq!(wrap_indented("    0123456789ab", 10), "    012345\n    6789ab");
        for line in ["a b".repeat(40), " ".repeat(99), "日本 語".repeat(20), "x".repeat(99)] {
            for row in wrap_indented(&line, 11).lines() {
                assert!(graphemes::width(row) <= 11, "{row:?}");
            }
        }
    }
}
