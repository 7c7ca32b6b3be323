//! What takes cells on a screen: text in pieces that are never torn, each as wide as ratatui's
//! buffer thinks it is.
//!
//! A piece is a grapheme cluster, as an accented letter, a flag or a family of emoji. Clusters can
//! be chained without an end (letters by viramas, emoji by joiners), and terminals do not agree on
//! how wide such a chain is: one that no script needs is shown in pieces, its joiners as
//! `<U+200D>`.

use std::borrow::Cow;

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;

/// The most characters of one cluster: the longest emoji that are meant, two people who kiss, each
/// with a colour of skin, have ten.
const MAX_CLUSTER: usize = 10;

/// The most cells that a cluster is drawn into at once.
const MAX_CELLS: usize = 2;

/// A piece of text that is drawn at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Glyph<'a> {
    /// Where it begins, in bytes.
    pub(super) at: usize,
    pub(super) text: &'a str,
    /// In cells, at least 1.
    pub(super) width: usize,
}

impl Glyph<'_> {
    /// Whether a line may be broken behind it without a loss.
    pub(super) fn is_blank(&self) -> bool {
        self.text.chars().all(|c| c.is_whitespace() && !matches!(c, '\u{a0}' | '\u{202f}'))
    }
}

/// The pieces of one line that [`settled`] has gone over.
pub(super) fn glyphs(line: &str) -> impl Iterator<Item = Glyph<'_>> {
    // Most lines are plain, and need no tables.
    let plain = line.is_ascii();
    let bytes = if plain { line } else { "" };
    let bytes = bytes.char_indices().filter(|(_, c)| !c.is_control());
    let bytes = bytes.map(|(at, _)| Glyph { at, text: &line[at..=at], width: 1 });
    let clusters = if plain { "" } else { line };
    bytes.chain(clusters.grapheme_indices(true).flat_map(|(at, cluster)| pieces(at, cluster)))
}

/// How many cells a line takes.
pub(super) fn width(line: &str) -> usize {
    glyphs(line).map(|glyph| glyph.width).sum()
}

/// The cluster, or where it is too wide or too long, its characters with the marks on them.
fn pieces(mut at: usize, cluster: &str) -> impl Iterator<Item = Glyph<'_>> {
    let whole = cluster.len() == 1 || (!is_chain(cluster) && cells(cluster) <= MAX_CELLS);
    let mut rest = cluster;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?.len_utf8();
        let marks = || rest[first..].find(|c: char| cells(c.encode_utf8(&mut [0; 4])) > 0);
        let length =
            if whole { rest.len() } else { marks().map_or(rest.len(), |marks| first + marks) };
        let glyph = Glyph { at, text: &rest[..length], width: cells(&rest[..length]) };
        (at, rest) = (at + length, &rest[length..]);
        Some(glyph)
    })
    .filter(|glyph| glyph.width > 0)
}

/// Text in which everything takes a cell: what would be drawn onto nothing, and what chains more
/// than a script needs, is made visible. Line ends stay.
pub(super) fn settled(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let odd = |cluster: &str| cluster != "\n" && (is_chain(cluster) || cells(cluster) == 0);
    if !text.graphemes(true).any(odd) {
        return Cow::Borrowed(text);
    }
    let mut settled = String::with_capacity(text.len() + 16);
    for cluster in text.graphemes(true) {
        if !odd(cluster) {
            settled.push_str(cluster);
            continue;
        }
        for c in cluster.chars() {
            if cells(c.encode_utf8(&mut [0; 4])) == 0 {
                settled.push_str(&format!("<U+{:04X}>", u32::from(c)));
            } else {
                settled.push(c);
            }
        }
    }
    Cow::Owned(settled)
}

fn is_chain(cluster: &str) -> bool {
    cluster.chars().nth(MAX_CLUSTER).is_some()
}

/// The cells of a cluster or a character, as ratatui counts them, which does not expect controls.
fn cells(cluster: &str) -> usize {
    if cluster.contains(char::is_control) { 0 } else { cluster.cell_width().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(String, usize)> {
        glyphs(&settled(text)).map(|glyph| (glyph.text.to_owned(), glyph.width)).collect()
    }

    #[test]
    fn what_belongs_together_stays_together() {
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
    fn chains_come_in_pieces_with_their_joiners_shown() {
        let chain = "👩\u{200d}".repeat(100) + "👩";
        let shown = shown(&chain);
        assert!(shown.iter().all(|(text, _)| !text.contains('\u{200d}')));
        assert_eq!(shown.iter().filter(|(text, _)| text == "👩").count(), 101);
        for chain in ["क\u{94d}".repeat(50), "\u{1100}".repeat(50), "\u{600}".repeat(50)] {
            let settled = settled(&chain);
            assert!(glyphs(&settled).all(|glyph| glyph.width <= MAX_CELLS));
            assert!(width(&settled) >= 50);
        }
    }

    #[test]
    fn a_mark_on_nothing_is_shown() {
        assert_eq!(settled("\u{301}a\n\u{301}"), "<U+0301>a\n<U+0301>");
        assert_eq!(settled("a\u{301}"), "a\u{301}");
    }
}
