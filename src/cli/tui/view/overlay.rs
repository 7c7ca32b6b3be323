//! What lies over everything: a box with lines, with what was found, or with a question.

use jiff::tz::TimeZone;
use ratatui::{
    buffer::{Buffer, CellWidth},
    layout::Rect,
    widgets::{Block, Clear, Padding, Widget},
};

use super::{fit, pad, put};
use crate::{
    cli::{
        tui::{
            state::{Now, Overlay, State},
            tasks::HITS,
            theme::Theme,
        },
        view::{when, wrap},
    },
    model::SearchHit,
    text,
};

/// How wide the box is at most: wider lines are hard to read.
const WIDTH: u16 = 110;

/// How much of a text is shown before what was found in it.
const BEFORE: usize = 16;

/// Draws the box.
pub(super) fn draw(state: &mut State, area: Rect, now: Now, buffer: &mut Buffer) {
    let unsent = state.unsent();
    let zone = state.zone.clone();
    let theme = state.theme.clone();
    let Some(overlay) = &mut state.overlay else { return };
    let inner_width = usize::from(area.width.min(WIDTH).saturating_sub(4));
    let (title, lines, chosen) = content(overlay, &unsent, &zone, now, inner_width);
    let inside = frame(area, &title, lines.len(), buffer, &theme);
    let rows = usize::from(inside.height);
    state.areas.page = rows;
    let top = match overlay {
        Overlay::Lines { top, .. } => {
            *top = (*top).min(lines.len().saturating_sub(rows));
            *top
        }
        _ => chosen.map_or(0, |chosen| (chosen + 1).saturating_sub(rows)),
    };
    for (row, line) in lines.iter().enumerate().skip(top).take(rows) {
        let style = if chosen == Some(row) { theme.selected } else { theme.text };
        put(buffer, inside, row - top, &pad(line, usize::from(inside.width)), style);
    }
    let asks = matches!(overlay, Overlay::Quit);
    let line = Rect { x: inside.x, y: inside.bottom(), height: 1, ..inside };
    let edge = edge(top, rows, lines.len(), asks);
    put(buffer, line.intersection(area), 0, &fit(&edge, usize::from(line.width)), theme.dim);
}

/// What the lower edge says: what there is beyond the lines that are shown, and the way out.
fn edge(top: usize, rows: usize, lines: usize, asks: bool) -> String {
    let last = (top + rows).min(lines);
    let part =
        if lines > rows { format!(" {}–{last} of {lines} ·", top + 1) } else { String::new() };
    let more = if last < lines { " PageDown goes on ·" } else { "" };
    match asks {
        // The lines say it.
        true => part.trim_end_matches('·').to_owned(),
        false => format!("{part}{more} Esc closes "),
    }
}

type Content = (String, Vec<String>, Option<usize>);

fn content(
    overlay: &Overlay,
    unsent: &[String],
    zone: &TimeZone,
    now: Now,
    width: usize,
) -> Content {
    match overlay {
        Overlay::Lines { title, lines, .. } => {
            let wrapped = lines.iter().flat_map(|line| broken(line, width)).collect();
            (title.clone(), wrapped, None)
        }
        Overlay::Hits { query, hits, chosen } => {
            let lines = hits.iter().map(|hit| excerpt(hit, zone, now, width)).collect();
            // The hub was asked for no more.
            let more = if hits.len() >= HITS as usize { " or more" } else { "" };
            let title = format!("{}{more} found: {query} — Enter goes there", hits.len());
            (title, lines, Some(*chosen))
        }
        Overlay::Quit if unsent.is_empty() => {
            ("leave?".into(), vec!["Enter or y leaves, Esc stays".into()], None)
        }
        Overlay::Quit => {
            let mut lines = vec![
                "This has not arrived, and is not tried again once you leave:".into(),
                String::new(),
            ];
            lines.extend(unsent.iter().map(|line| fit(line, width)));
            lines.extend([String::new(), "Enter or y leaves, Esc stays".into()]);
            ("leave?".into(), lines, None)
        }
    }
}

/// A line in as many rows as it takes, harmless.
fn broken(line: &str, width: usize) -> Vec<String> {
    let safe = text::one_line(line);
    wrap(&safe, width.max(1)).split('\n').map(str::to_owned).collect()
}

/// A message that was found: when, who, and the words around what was found.
fn excerpt(hit: &SearchHit, zone: &TimeZone, now: Now, width: usize) -> String {
    let message = &hit.message;
    let at = when(message.created_at, now.wall, zone);
    let head = format!("{at} {}: ", message.sender);
    let text = message.text.as_str();
    let found = hit.ranges.first().map_or(0, |range| range.start).min(text.len());
    let before = text.get(..found).unwrap_or_default();
    let left = width.saturating_sub(head.chars().count());
    // From the beginning, where what was found is in sight then.
    if before.chars().count() + BEFORE < left {
        return fit(&format!("{head}{text}"), width);
    }
    let skip = before.char_indices().rev().nth(BEFORE).map_or(0, |(index, _)| index);
    fit(&format!("{head}…{}", text.get(skip..).unwrap_or(text)), width)
}

/// Draws an empty box for so many lines, and returns what is inside.
fn frame(area: Rect, title: &str, lines: usize, buffer: &mut Buffer, theme: &Theme) -> Rect {
    let width = area.width.min(WIDTH);
    let height = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2).min(area.height);
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 2;
    let outside = Rect { x, y, width, height };
    let title = fit(&format!(" {title} "), usize::from(width.saturating_sub(2)));
    let block = Block::bordered()
        .border_style(theme.border)
        .title_style(theme.title)
        .title(title)
        .padding(Padding::horizontal(1));
    let inside = block.inner(outside);
    // A wide character before the edge would take the first column of it.
    for y in outside.rows().map(|row| row.y) {
        if let Some(cell) = outside.x.checked_sub(1).and_then(|x| buffer.cell_mut((x, y)))
            && cell.symbol().cell_width() > 1
        {
            cell.set_symbol(" ");
        }
    }
    Clear.render(outside, buffer);
    block.render(outside, buffer);
    inside
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tui::state::tests::{at, message};

    #[test]
    fn as_many_hits_as_were_asked_for_may_not_be_all() {
        let hit = SearchHit { message: message("lobby", 1, "buzz", "disk"), ranges: vec![] };
        for (count, head) in [(HITS - 1, "99 found: disk"), (HITS, "100 or more found: disk")] {
            let hits = vec![hit.clone(); count as usize];
            let overlay = Overlay::Hits { query: "disk".into(), hits, chosen: 0 };
            let (title, ..) = content(&overlay, &[], &TimeZone::UTC, at(1), 80);
            assert!(title.starts_with(head), "{title}");
        }
    }

    #[test]
    fn no_wide_character_covers_the_edge() {
        let mut buffer = Buffer::with_lines(vec!["日".repeat(60); 5]);
        let area = Rect { x: 0, y: 1, width: 120, height: 3 };
        frame(area, "found", 1, &mut buffer, &Theme::dark());
        let row = |y| [4, 5].map(|x| buffer[(x, y)].symbol().to_owned());
        assert_eq!(row(0), ["日", " "]);
        assert_eq!(row(2), [" ", "│"]);
    }
}
