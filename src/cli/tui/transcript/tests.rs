//! What a transcript looks like, and that it holds still.

mod hostile;
mod looks;
mod moving;
mod random;
mod texts;

use jiff::{
    Timestamp,
    civil::{Date, date},
};
use ratatui::{
    buffer::{Buffer, CellWidth},
    layout::Rect,
    style::Style,
};

use super::*;
use crate::{
    cli::theme::{Theme, ThemeName, detect::TerminalColours},
    model::{Name, Position},
};

/// 09:15 of [`TODAY`].
const MORNING: &str = "2026-11-22T09:15:00Z";

const TODAY: Date = date(2026, 11, 22);

fn dark() -> Theme {
    Theme::new(ThemeName::Dark, &TerminalColours::default())
}

fn key(seq: u64) -> EntryKey {
    EntryKey::Posted(Position { epoch: 1, seq })
}

fn at(seq: u64, raw: &str, body: EntryBody) -> TranscriptEntry {
    TranscriptEntry { key: key(seq), at: raw.parse::<Timestamp>().unwrap(), body }
}

fn body(sender: &str, text: &str, mark: Option<Mark>) -> EntryBody {
    let sender = Name::parse(sender).unwrap();
    EntryBody::Message { sender, own: false, mention: false, text: text.into(), mark }
}

fn said(seq: u64, sender: &str, text: &str) -> TranscriptEntry {
    at(seq, MORNING, body(sender, text, None))
}

/// `count` short messages, numbered from `from` on.
fn numbered(from: u64, count: u64) -> Vec<TranscriptEntry> {
    (from..from + count).map(|seq| said(seq, "sova", &format!("text {seq}"))).collect()
}

fn of(entries: impl IntoIterator<Item = TranscriptEntry>) -> Transcript {
    let mut transcript = Transcript::new();
    entries.into_iter().for_each(|entry| transcript.push(entry));
    transcript
}

fn drawn_in(transcript: &mut Transcript, width: u16, height: u16, zone: &TimeZone) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    transcript.arrange(width, height, zone);
    transcript.draw(area, &mut buffer, &dark(), TODAY);
    buffer
}

fn drawn(transcript: &mut Transcript, width: u16, height: u16) -> Buffer {
    drawn_in(transcript, width, height, &TimeZone::UTC)
}

/// The rows as a terminal shows them, without trailing blanks.
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
            let x = u16::try_from(graphemes::width(&row[..before])).unwrap();
            assert!(x < width);
            return buffer[(x, y)].style();
        }
    }
    panic!("{word} is not shown: {:?}", rows_of(buffer))
}
