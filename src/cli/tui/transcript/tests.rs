//! What a transcript looks like, and that it holds still.

mod hostile;
mod looks;
mod moving;
mod random;

use jiff::{Timestamp, civil::date};
use ratatui::{buffer::CellWidth, style::Style};

use super::*;
use crate::model::{Name, Position};

/// 09:15 of the day that is called today.
const MORNING: &str = "2026-11-22T09:15:00Z";

fn key(seq: u64) -> Key {
    Key::Posted(Position { epoch: 1, seq })
}

fn at(seq: u64, raw: &str, body: Body) -> Entry {
    Entry { key: key(seq), at: raw.parse::<Timestamp>().unwrap(), body }
}

fn body(who: &str, text: &str, mark: Option<Mark>) -> Body {
    let who = Name::parse(who).unwrap();
    Body::Said { who, own: false, mention: false, text: text.into(), mark }
}

fn said(seq: u64, who: &str, text: &str) -> Entry {
    at(seq, MORNING, body(who, text, None))
}

/// So many short messages, from `from` on.
fn numbered(from: u64, count: u64) -> Vec<Entry> {
    (from..from + count).map(|seq| said(seq, "sova", &format!("text {seq}"))).collect()
}

fn of(entries: impl IntoIterator<Item = Entry>) -> Transcript {
    let mut transcript = Transcript::new();
    entries.into_iter().for_each(|entry| transcript.push(entry));
    transcript
}

fn drawn_with(transcript: &mut Transcript, width: u16, height: u16, look: &Look<'_>) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    transcript.draw(area, &mut buffer, look);
    buffer
}

fn drawn(transcript: &mut Transcript, width: u16, height: u16) -> Buffer {
    let (theme, zone) = (Theme::dark(), TimeZone::UTC);
    let look = Look { theme: &theme, zone: &zone, today: date(2026, 11, 22) };
    drawn_with(transcript, width, height, &look)
}

/// The rows as a terminal shows them, without what is blank at their ends.
fn rows_of(buffer: &Buffer) -> Vec<String> {
    let mut rows = Vec::new();
    for y in 0..buffer.area.height {
        let mut row = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            row.push_str(symbol);
            x += symbol.cell_width().max(1);
        }
        assert_eq!(x, buffer.area.width, "row {y} is wider than the screen: {row:?}");
        rows.push(row.trim_end().to_owned());
    }
    rows
}

fn shown(transcript: &mut Transcript, width: u16, height: u16) -> Vec<String> {
    rows_of(&drawn(transcript, width, height))
}

/// The style of the first cell where a word begins.
fn style_of(buffer: &Buffer, word: &str) -> Style {
    let width = buffer.area.width;
    for (y, row) in (0..).zip(rows_of(buffer)) {
        if let Some(before) = row.find(word) {
            let x = u16::try_from(glyphs::width(&row[..before])).unwrap();
            assert!(x < width);
            return buffer[(x, y)].style();
        }
    }
    panic!("{word} is not shown: {:?}", rows_of(buffer))
}
