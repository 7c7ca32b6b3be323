//! Overlays: a box with text, search hits, or a question.

use ratatui::{
    buffer::{Buffer, CellWidth},
    layout::Rect,
    text::Line,
    widgets::{Block, Clear, Padding, Widget},
};

use super::{choices, fit, hits, put, put_line, row_of, wrapped};
use crate::cli::tui::{
    areas::{OverlayBox, tint},
    moment::Moment,
    state::{Overlay, State},
};

pub(super) fn draw(state: &State, overlay: &OverlayBox, buffer: &mut Buffer) {
    let OverlayBox { outside, inside, title, lines, selected, top } = overlay;
    let theme = &state.theme;
    let title = fit(&format!(" {title} "), usize::from(outside.width.saturating_sub(2)));
    let block = frame().border_style(theme.border).title_style(theme.title).title(title);
    // A wide character before the edge would cover its first column.
    for y in outside.rows().map(|row| row.y) {
        if let Some(cell) = outside.x.checked_sub(1).and_then(|x| buffer.cell_mut((x, y)))
            && cell.symbol().cell_width() > 1
        {
            cell.set_symbol(" ");
        }
    }
    Clear.render(*outside, buffer);
    buffer.set_style(*outside, theme.text);
    block.render(*outside, buffer);
    let rows = usize::from(inside.height);
    for (row, line) in lines.iter().enumerate().skip(*top).take(rows) {
        put_line(buffer, *inside, row - top, line);
        if *selected == Some(row) {
            tint(buffer, row_of(*inside, row - top), theme.selected);
        }
    }
    let is_question = matches!(state.overlay, Some(Overlay::Quit));
    let line = Rect { y: inside.bottom(), height: 1, ..*inside }.intersection(*outside);
    let edge = edge(*top, rows, lines.len(), is_question);
    put(buffer, line, 0, &fit(&edge, usize::from(line.width)), theme.dim);
}

fn frame() -> Block<'static> {
    Block::bordered().padding(Padding::horizontal(1))
}

/// The area inside the frame.
pub(in crate::cli::tui) fn inside(outside: Rect) -> Rect {
    frame().inner(outside)
}

/// The text of the lower edge: which lines are visible, and how to close the overlay.
fn edge(top: usize, rows: usize, lines: usize, is_question: bool) -> String {
    let last = (top + rows).min(lines);
    let part =
        if lines > rows { format!(" {}–{last} of {lines} ·", top + 1) } else { String::new() };
    let more = if last < lines { " PageDown goes on ·" } else { "" };
    match is_question {
        // The lines say how to answer.
        true => part.trim_end_matches('·').to_owned(),
        false => format!("{part}{more} Esc closes "),
    }
}

/// The title, the lines for a width, and the selected line.
pub(in crate::cli::tui) fn content(
    state: &State,
    now: Moment,
    width: u16,
) -> Option<(String, Vec<Line<'static>>, Option<usize>)> {
    let width = usize::from(width);
    Some(match state.overlay.as_ref()? {
        Overlay::Lines { title, lines, .. } => {
            let wrapped = lines.iter().flat_map(|line| wrapped(line, width)).map(Line::from);
            (title.clone(), wrapped.collect(), None)
        }
        Overlay::Hits(found) => hits::content(found, state, now, width),
        Overlay::Switch(switcher) => choices::switcher(state, switcher, width),
        Overlay::Links { links, selected } => choices::links(links, *selected, width),
        Overlay::Quit => {
            let answers = "Enter or y leaves, Esc stays".to_owned();
            let unsent = state.unsent();
            if unsent.is_empty() {
                return Some(("leave?".into(), vec![answers.into()], None));
            }
            let about = "These messages have not arrived, and are lost if you leave:".to_owned();
            let mut lines = vec![about, String::new()];
            lines.extend(unsent.iter().map(|line| fit(line, width)));
            lines.extend([String::new(), answers]);
            ("leave?".into(), lines.into_iter().map(Line::from).collect(), None)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tui::state::tests::state;

    #[test]
    fn no_wide_character_covers_the_edge() {
        let mut buffer = Buffer::with_lines(vec!["日".repeat(60); 5]);
        let outside = Rect { x: 5, y: 1, width: 110, height: 3 };
        let (inside, title) = (inside(outside), "found".into());
        let overlay = OverlayBox {
            outside,
            inside,
            title,
            lines: vec![Line::default()],
            selected: None,
            top: 0,
        };
        draw(&state(&[]), &overlay, &mut buffer);
        let row = |y| [4, 5].map(|x| buffer[(x, y)].symbol().to_owned());
        assert_eq!(row(0), ["日", " "]);
        assert_eq!(row(2), [" ", "│"]);
    }
}
