//! Where the characters of a text stand on the screen.
//!
//! What counts is what one sees as a character, a grapheme: a letter with its accents, or an emoji
//! that is made of several. Unlike the `glyphs` of what others wrote, which may be shown as other
//! characters, these know how many characters of the text they stand for: the cursor goes by them.

use ratatui::{
    buffer::{Buffer, CellWidth},
    layout::Rect,
    style::Style,
};
use unicode_segmentation::UnicodeSegmentation;

/// The most characters of one grapheme: the longest emoji that are meant have ten.
const MAX_CLUSTER: usize = 10;

/// The most cells of one: beyond that, terminals do not agree on how wide it is.
const MAX_CELLS: u16 = 2;

/// What one sees as a character.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grapheme<'a> {
    /// As it is drawn.
    symbol: &'a str,
    /// How many characters of the text it is made of.
    chars: usize,
    /// How many cells it takes.
    width: u16,
}

/// One row of the screen.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// The line of the text that it shows a part of.
    line: usize,
    /// Its characters of that line.
    pub(super) from: usize,
    pub(super) to: usize,
    graphemes: Vec<Grapheme<'a>>,
}

/// All rows of a text.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    /// At least one.
    pub(super) rows: Vec<Row<'a>>,
}

/// The graphemes of a line that has no control characters.
fn graphemes(line: &str) -> impl Iterator<Item = Grapheme<'_>> {
    line.graphemes(true).flat_map(pieces)
}

/// The cluster; of a chain that no script needs, each character, without what joins them or is
/// drawn over others.
fn pieces(cluster: &str) -> impl Iterator<Item = Grapheme<'_>> {
    let chars = cluster.chars().count();
    let whole = chars <= MAX_CLUSTER && cluster.cell_width() <= MAX_CELLS;
    let mut rest = cluster;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?.len_utf8();
        let next = rest[first..].find(|c: char| c.encode_utf8(&mut [0; 4]).cell_width() > 0);
        let drawn = if whole { rest.len() } else { first };
        let taken = if whole { rest.len() } else { next.map_or(rest.len(), |next| first + next) };
        let (symbol, chars) = (&rest[..drawn], rest[..taken].chars().count());
        rest = &rest[taken..];
        Some(Grapheme { symbol, chars, width: symbol.cell_width() })
    })
}

/// Where graphemes begin, in characters, and the end of the last.
pub(super) fn borders(line: &str) -> Vec<usize> {
    let mut borders = vec![0];
    let mut at = 0;
    for grapheme in graphemes(line) {
        at += grapheme.chars;
        borders.push(at);
    }
    borders
}

impl<'a> Layout<'a> {
    /// Breaks lines that are wider than `width`, after a blank where there is one. The last cell of
    /// a row is the cursor's, and may hold the blank at which the line was broken.
    pub(super) fn new(lines: &'a [String], width: u16) -> Self {
        let mut rows = Vec::with_capacity(lines.len());
        for (line, text) in lines.iter().enumerate() {
            rows.extend(broken(line, text, width));
        }
        Self { rows }
    }

    /// The row and the column where a character of a line stands.
    pub(super) fn place(&self, (line, column): (usize, usize)) -> (usize, u16) {
        let before = |row: &Row<'_>| (row.line, row.from) <= (line, column);
        let row = self.rows.partition_point(before).saturating_sub(1);
        (row, self.rows.get(row).map_or(0, |row| row.column(column)))
    }

    /// The line and the character that stand in a row at a column, or next to it.
    pub(super) fn character(&self, row: usize, column: u16) -> Option<(usize, usize)> {
        let at = self.rows.get(row)?;
        let last = self.rows.get(row + 1).is_none_or(|next| next.line != at.line);
        let (mut character, mut x) = (at.from, 0);
        for grapheme in &at.graphemes {
            // The place after a broken row's last character is in the next row.
            let end = character + grapheme.chars;
            if x + grapheme.width > column || (end == at.to && !last) {
                break;
            }
            (character, x) = (end, x + grapheme.width);
        }
        Some((at.line, character))
    }

    /// The first row to be shown, so that `row` is to be seen: as before where that will do.
    pub(super) fn top(&self, before: usize, row: usize, height: usize) -> usize {
        let last = self.rows.len().saturating_sub(height.max(1));
        before.clamp((row + 1).saturating_sub(height.max(1)), row).min(last)
    }

    /// Draws the rows from `top` on.
    pub(super) fn draw(&self, top: usize, area: Rect, buffer: &mut Buffer, style: Style) {
        for (row, y) in self.rows.iter().skip(top).zip(area.top()..area.bottom()) {
            let mut x = area.x;
            for grapheme in &row.graphemes {
                let left = usize::from(area.right() - x);
                (x, _) = buffer.set_stringn(x, y, grapheme.symbol, left, style);
            }
        }
    }
}

impl Row<'_> {
    fn column(&self, character: usize) -> u16 {
        let mut at = self.from;
        let before = self.graphemes.iter().take_while(|grapheme| {
            at += grapheme.chars;
            at <= character
        });
        before.map(|grapheme| grapheme.width).fold(0, u16::saturating_add)
    }
}

/// The rows of one line.
fn broken(line: usize, text: &str, width: u16) -> Vec<Row<'_>> {
    let limit = width.saturating_sub(1).max(1);
    let mut rows = Vec::new();
    let mut row = Row { line, from: 0, to: 0, graphemes: Vec::new() };
    let mut used = 0_u16;
    for grapheme in graphemes(text) {
        let is_blank = grapheme.symbol == " ";
        let most = if is_blank { limit + 1 } else { limit };
        while used.saturating_add(grapheme.width) > most && !row.graphemes.is_empty() {
            let rest = row.break_off();
            used = rest.graphemes.iter().map(|grapheme| grapheme.width).sum();
            rows.push(std::mem::replace(&mut row, rest));
        }
        used = used.saturating_add(grapheme.width);
        row.to += grapheme.chars;
        row.graphemes.push(grapheme);
    }
    // The cursor goes on behind the blank at which the next word would be broken off.
    let next =
        (used > limit).then(|| Row { line, from: row.to, to: row.to, graphemes: Vec::new() });
    rows.push(row);
    rows.extend(next);
    rows
}

impl Row<'_> {
    /// Ends the row after its last blank, or where it is, and returns what is left.
    fn break_off(&mut self) -> Self {
        let blank = self.graphemes.iter().rposition(|grapheme| grapheme.symbol == " ");
        let rest = self.graphemes.split_off(blank.map_or(self.graphemes.len(), |at| at + 1));
        let end = self.to;
        self.to -= rest.iter().map(|grapheme| grapheme.chars).sum::<usize>();
        Self { line: self.line, from: self.to, to: end, graphemes: rest }
    }
}
