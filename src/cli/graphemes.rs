//! Text measured in terminal cells.
//!
//! A [`Grapheme`] is what a reader sees as one character and is never torn apart: an accented letter,
//! a flag, a family of emoji. Its width is the one that ratatui's buffer computes. Clusters can be
//! chained without end (letters by viramas, emoji by joiners) and terminals disagree on the width of
//! such a chain, so a chain longer than any script needs is split into its characters.

use std::{borrow::Cow, iter};

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;

use crate::text;

/// The most characters of one cluster. The longest emoji in use has ten.
const MAX_CHARS: usize = 10;

/// The most cells of one cluster. Beyond that, terminals disagree on the width.
const MAX_CELLS: usize = 2;

/// A grapheme cluster, or a part of one that is too long or too wide to be drawn at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grapheme<'a> {
    /// The byte offset in the line.
    pub(crate) at: usize,
    pub(crate) text: &'a str,
    /// In cells.
    pub(crate) width: usize,
    /// Whether this is only a part of a cluster.
    is_part: bool,
}

impl<'a> Grapheme<'a> {
    /// Returns true if a line may be broken behind it and the grapheme be dropped.
    pub(crate) fn is_blank(&self) -> bool {
        match self.text.as_bytes() {
            [byte] => matches!(byte, b'\t'..=b'\r' | b' '),
            _ => {
                self.text.chars().all(|c| c.is_whitespace() && !matches!(c, '\u{a0}' | '\u{202f}'))
            }
        }
    }

    /// The text, without the joiners and marks that would combine a part with its neighbours.
    pub(crate) fn symbol(&self) -> &'a str {
        let first = self.text.chars().next().map_or(0, char::len_utf8);
        if self.is_part { &self.text[..first] } else { self.text }
    }
}

/// All graphemes of a line, including those of width 0.
fn split(line: &str) -> impl Iterator<Item = Grapheme<'_>> {
    let mut clusters = clusters(line);
    // The place in the line, and what is left of a cluster that is divided.
    let (mut at, mut rest) = (0, "");
    iter::from_fn(move || {
        let cluster = if rest.is_empty() { clusters.next()? } else { rest };
        let is_part = !rest.is_empty() || is_divided(cluster);
        let text = if is_part { first_part(cluster) } else { cluster };
        let grapheme = Grapheme { at, text, width: cells(text), is_part };
        (at, rest) = (at + text.len(), &cluster[text.len()..]);
        Some(grapheme)
    })
}

/// The clusters of a text. Most are one ASCII character before another, and need no tables.
fn clusters(mut text: &str) -> impl Iterator<Item = &str> {
    let mut by_tables = text.graphemes(true);
    iter::from_fn(move || {
        let cluster = match text.as_bytes() {
            [first, rest @ ..] if is_printable(first) && rest.first().is_none_or(u8::is_ascii) => {
                &text[..1]
            }
            _ => {
                if by_tables.as_str().len() != text.len() {
                    by_tables = text.graphemes(true);
                }
                by_tables.next()?
            }
        };
        text = &text[cluster.len()..];
        Some(cluster)
    })
}

fn is_printable(byte: &u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// The graphemes of a line that take cells. [`visible`] leaves no others.
pub(crate) fn graphemes(line: &str) -> impl Iterator<Item = Grapheme<'_>> {
    split(line).filter(|grapheme| grapheme.width > 0)
}

/// All graphemes of a line of the input, which is drawn as it is: each as wide as its symbol.
pub(crate) fn of_input(line: &str) -> impl Iterator<Item = Grapheme<'_>> {
    split(line).map(|grapheme| Grapheme { width: cells(grapheme.symbol()), ..grapheme })
}

pub(crate) fn width(line: &str) -> usize {
    graphemes(line).map(|grapheme| grapheme.width).sum()
}

/// Returns true if a cluster is too long or too wide to be drawn at once.
fn is_divided(cluster: &str) -> bool {
    cluster.len() > 1 && (is_chain(cluster) || cells(cluster) > MAX_CELLS)
}

/// The first character of such a cluster, with the marks on it.
fn first_part(cluster: &str) -> &str {
    let takes_cells = |(_, c): &(usize, char)| cells(c.encode_utf8(&mut [0; 4])) > 0;
    let next = cluster.char_indices().skip(1).find(takes_cells);
    &cluster[..next.map_or(cluster.len(), |(at, _)| at)]
}

/// Text in which everything takes a cell: characters of width 0 that would be drawn onto nothing, and
/// those in overlong chains, become visible as `<U+200D>`. Line feeds stay.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let is_odd = |cluster: &str| cluster != "\n" && (is_chain(cluster) || cells(cluster) == 0);
    if !clusters(text).any(is_odd) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for cluster in clusters(text) {
        if !is_odd(cluster) {
            shown.push_str(cluster);
            continue;
        }
        for c in cluster.chars() {
            if cells(c.encode_utf8(&mut [0; 4])) == 0 {
                shown.push_str(&format!("<U+{:04X}>", u32::from(c)));
            } else {
                shown.push(c);
            }
        }
    }
    Cow::Owned(shown)
}

/// One line of `text`, escaped and cut to `width` cells. A cut is marked with `…`.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let line = text::one_line(text);
    let line = visible(&line);
    let mut taken = 0;
    // Where to cut if the line turns out to be too long: this leaves a cell for the `…`.
    let mut cut = 0;
    for grapheme in graphemes(&line) {
        if taken + grapheme.width > width {
            let end = if width > 0 { "…" } else { "" };
            return format!("{}{end}", &line[..cut]);
        }
        taken += grapheme.width;
        if taken < width {
            cut = grapheme.at + grapheme.text.len();
        }
    }
    line.into_owned()
}

/// One line of `text`, escaped and cut to `width` cells in its middle: of names, both ends matter.
pub(crate) fn fit_middle(text: &str, width: usize) -> String {
    let line = text::one_line(text);
    let line = visible(&line);
    if self::width(&line) <= width {
        return line.into_owned();
    }
    let begin = fit(&line, width.saturating_sub(width.saturating_sub(1) / 2));
    let mut left = width.saturating_sub(self::width(&begin));
    let all: Vec<Grapheme<'_>> = graphemes(&line).collect();
    let fits = |grapheme: &&Grapheme<'_>| {
        let fits = grapheme.width <= left;
        left = if fits { left - grapheme.width } else { 0 };
        fits
    };
    let end = all.iter().rev().take_while(fits).last().map_or(line.len(), |first| first.at);
    format!("{begin}{}", &line[end..])
}

/// Like [`fit`], and padded with blanks to `width` cells.
pub(crate) fn pad(text: &str, width: usize) -> String {
    let mut padded = fit(text, width);
    let taken = self::width(&padded);
    padded.extend(iter::repeat_n(' ', width.saturating_sub(taken)));
    padded
}

fn is_chain(cluster: &str) -> bool {
    cluster.chars().nth(MAX_CHARS).is_some()
}

/// The cells of a cluster or character as ratatui counts them; 0 for controls, which it does not expect.
fn cells(cluster: &str) -> usize {
    match cluster.as_bytes() {
        [byte] => is_printable(byte).into(),
        _ if cluster.contains(char::is_control) => 0,
        _ => cluster.cell_width().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(String, usize)> {
        graphemes(&visible(text)).map(|it| (it.text.to_owned(), it.width)).collect()
    }

    #[test]
    fn a_cluster_stays_together() {
        for (cluster, width) in [
            ("e\u{301}", 1),
            ("日", 2),
            ("👩‍👩‍👧", 2),
            ("🇨🇭", 2),
            ("❤\u{fe0f}", 2),
            ("👩🏻‍❤️‍💋‍👩🏻", 2),
            ("한", 2),
        ] {
            assert_eq!(shown(cluster), [(cluster.to_owned(), width)]);
        }
    }

    #[test]
    fn overlong_chains_are_split_and_their_joiners_shown() {
        let chain = "👩\u{200d}".repeat(100) + "👩";
        let shown = shown(&chain);
        assert!(shown.iter().all(|(text, _)| !text.contains('\u{200d}')));
        assert_eq!(shown.iter().filter(|(text, _)| text == "👩").count(), 101);
        for chain in ["क\u{94d}".repeat(50), "\u{1100}".repeat(50), "\u{600}".repeat(50)] {
            let visible = visible(&chain);
            assert!(graphemes(&visible).all(|grapheme| grapheme.width <= MAX_CELLS));
            assert!(width(&visible) >= 50);
        }
    }

    #[test]
    fn a_mark_on_nothing_is_shown() {
        assert_eq!(visible("\u{301}a\n\u{301}"), "<U+0301>a\n<U+0301>");
        assert_eq!(visible("a\u{301}"), "a\u{301}");
    }

    #[test]
    fn a_line_that_does_not_fit_is_cut_between_graphemes() {
        assert_eq!(fit("hello", 5), "hello");
        assert_eq!(fit("hello!", 5), "hell…");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        assert_eq!((fit("ab", 1), fit("ab", 0), fit("", 0)), ("…".into(), "".into(), "".into()));
        assert_eq!(fit("a\x1b[31m\n", 20), "a␛[31m␊");
        assert_eq!(fit_middle("a-rather-long-name", 10), "a-rat…name");
        assert_eq!(fit_middle("日本語日本語", 8), "日本…語");
        assert_eq!(fit_middle("name", 4), "name");
        assert_eq!((fit_middle("ab", 1), fit_middle("ab", 0)), ("…".into(), String::new()));
        assert_eq!(pad("日本", 6), "日本  ");
        assert_eq!(pad("日本語", 4), "日… ");
    }
}
