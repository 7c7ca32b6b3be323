//! The position of each character of the input on the screen.
//!
//! The unit is the grapheme: a letter with its accents, or an emoji made of several characters. Unlike
//! the text of messages, the input is drawn unescaped, and the cursor counts its characters.

use std::ops::Range;

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use crate::cli::{graphemes, wrap::wrap_input};

#[derive(Debug, Clone, Copy)]
struct InputGrapheme<'a> {
    /// What is drawn.
    symbol: &'a str,
    /// The number of characters of the text.
    chars: usize,
    /// In cells.
    width: usize,
}

pub(super) struct InputRow<'a> {
    /// The line of the text that the row is a part of.
    line: usize,
    /// The characters of the line.
    chars: Range<usize>,
    graphemes: Vec<InputGrapheme<'a>>,
}

/// All rows of a text.
pub(super) struct InputLayout<'a> {
    /// At least one.
    pub(super) rows: Vec<InputRow<'a>>,
}

/// The character offsets where the graphemes of a line begin, and the end of the last.
pub(super) fn boundaries(line: &str) -> Vec<usize> {
    let mut boundaries = vec![0];
    let mut at = 0;
    for grapheme in graphemes::of_input(line) {
        at += grapheme.text.chars().count();
        boundaries.push(at);
    }
    boundaries
}

impl<'a> InputLayout<'a> {
    /// Breaks lines that are wider than `width`. The last cell of a row is the cursor's, and may have
    /// the blank behind which the line was broken.
    pub(super) fn new(lines: &'a [String], width: u16) -> Self {
        let width = usize::from(width).saturating_sub(1).max(1);
        let mut rows = Vec::with_capacity(lines.len());
        for (line, text) in lines.iter().enumerate() {
            push_rows(line, text, width, &mut rows);
        }
        Self { rows }
    }

    /// The row and the column of a character of a line.
    pub(super) fn position(&self, (line, column): (usize, usize)) -> (usize, usize) {
        let before = |row: &InputRow<'_>| (row.line, row.chars.start) <= (line, column);
        let row = self.rows.partition_point(before).saturating_sub(1);
        (row, self.rows.get(row).map_or(0, |row| row.column(column)))
    }

    /// The line and the character at a column of a row, or at its end.
    pub(super) fn character(&self, row: usize, column: usize) -> Option<(usize, usize)> {
        let at = self.rows.get(row)?;
        let is_last = self.rows.get(row + 1).is_none_or(|next| next.line != at.line);
        let (mut character, mut x) = (at.chars.start, 0);
        for grapheme in &at.graphemes {
            // Behind the last character of a broken row, the cursor is in the next row.
            let end = character + grapheme.chars;
            if x + grapheme.width > column || (end == at.chars.end && !is_last) {
                break;
            }
            (character, x) = (end, x + grapheme.width);
        }
        Some((at.line, character))
    }

    /// The first row to show so that `row` is in view: the previous one if possible.
    pub(super) fn top(&self, previous: usize, row: usize, height: usize) -> usize {
        let last = self.rows.len().saturating_sub(height.max(1));
        previous.clamp((row + 1).saturating_sub(height.max(1)), row).min(last)
    }

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

impl InputRow<'_> {
    fn column(&self, character: usize) -> usize {
        let mut at = self.chars.start;
        let before = self.graphemes.iter().take_while(|grapheme| {
            at += grapheme.chars;
            at <= character
        });
        before.map(|grapheme| grapheme.width).sum()
    }
}

fn push_rows<'a>(line: usize, text: &'a str, width: usize, rows: &mut Vec<InputRow<'a>>) {
    let mut graphemes = graphemes::of_input(text).peekable();
    let mut end = 0;
    let mut used = 0;
    for range in wrap_input(text, width) {
        let mut row = InputRow { line, chars: end..end, graphemes: Vec::new() };
        while let Some(grapheme) = graphemes.next_if(|grapheme| grapheme.at < range.end) {
            let chars = grapheme.text.chars().count();
            row.chars.end += chars;
            row.graphemes.push(InputGrapheme {
                symbol: grapheme.symbol(),
                chars,
                width: grapheme.width,
            });
        }
        end = row.chars.end;
        used = row.column(end);
        rows.push(row);
    }
    // Behind a blank in the last cell, the cursor is in the next row.
    if used > width {
        rows.push(InputRow { line, chars: end..end, graphemes: Vec::new() });
    }
}
