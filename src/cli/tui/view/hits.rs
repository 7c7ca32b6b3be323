//! What the list of search hits shows.

use ratatui::{
    style::{Modifier, Style},
    text::{Line, Span},
};

use super::fit;
use crate::cli::{
    graphemes,
    tui::{
        found::FoundMessage,
        moment::Moment,
        state::{FoundMessages, State, with},
    },
    view::when,
};

/// The number of characters that are shown before a hit in a text.
const BEFORE: usize = 16;

/// The title, the lines for a width, and the selected line.
pub(super) fn content(
    found: &FoundMessages,
    state: &State,
    now: Moment,
    width: usize,
) -> (String, Vec<Line<'static>>, Option<usize>) {
    let lines = found.hits.iter().enumerate().map(|(row, hit)| {
        // The selected row has a background of its own.
        let mark = match row == found.selected {
            true => Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            false => state.theme.found,
        };
        excerpt(hit, mark, found, state, now, width)
    });
    let more = if found.next.is_some() { " or more" } else { "" };
    let loading = if found.is_loading { " · loading…" } else { "" };
    let (count, terms) = (found.hits.len(), found.terms.show(&state.zone));
    let with = with(found.peer.as_ref());
    let title = format!("{count}{more} found{with}: {terms} — Enter goes there{loading}");
    (title, lines.collect(), Some(found.selected))
}

/// A hit in one line: the time, the room if it may be any, the sender, and the text around the found
/// words, which are marked.
fn excerpt(
    hit: &FoundMessage,
    mark: Style,
    found: &FoundMessages,
    state: &State,
    now: Moment,
    width: usize,
) -> Line<'static> {
    let (text, theme) = (hit.text(), &state.theme);
    let at = when(hit.at(), now.wall, &state.zone);
    let room = match hit {
        FoundMessage::Posted(hit) if found.terms.room.is_none() => format!("{} ", hit.message.room),
        _ => String::new(),
    };
    let head = fit(&format!("{at} {room}{}: ", hit.sender()), width);
    let mut from = beginning(hit, width.saturating_sub(head.len()));
    let mut left = width.saturating_sub(graphemes::width(&head));
    let mut spans = vec![Span::styled(head, theme.dim)];
    let mut push = |piece: &str, style| {
        // A cut piece ends with an ellipsis, and takes all that is left.
        let shown = fit(piece, left);
        left -= graphemes::width(&shown).min(left);
        spans.push(Span::styled(shown, style));
    };
    if from > 0 {
        push("…", theme.text);
    }
    for range in hit.ranges() {
        let (Some(before), Some(words)) = (text.get(from..range.start), text.get(range.clone()))
        else {
            continue;
        };
        push(before, theme.text);
        push(words, theme.text.patch(mark));
        from = range.end;
    }
    push(text.get(from..).unwrap_or_default(), theme.text);
    spans.into()
}

/// Where the shown part of a text begins: at its beginning, if the first found word is visible then.
fn beginning(hit: &FoundMessage, width: usize) -> usize {
    let text = hit.text();
    let found = hit.ranges().first().map_or(0, |range| range.start).min(text.len());
    let before = text.get(..found).unwrap_or_default();
    match before.chars().count() + BEFORE < width {
        true => 0,
        false => before.char_indices().rev().nth(BEFORE).map_or(0, |(index, _)| index),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::{
            search_terms::SearchTerms,
            theme::{Theme, ThemeName, detect::TerminalColours},
            tui::state::tests::{at, message, state},
        },
        model::SearchHit,
    };

    #[test]
    fn found_words_are_marked_and_nothing_is_wider_than_the_list() {
        let mut state = state(&["lobby"]);
        state.theme = Theme::new(ThemeName::Dark, &TerminalColours::default());
        let text = format!("{} the disk is \x1b[2Jfull, says disk 日本", "x ".repeat(60));
        let at_disk = |skip: usize| text.match_indices("disk").nth(skip).unwrap().0;
        let ranges = [0, 1].map(|skip| at_disk(skip)..at_disk(skip) + 4).to_vec();
        let hit = SearchHit { message: message("lobby", 1, "buzz", &text), ranges };
        let hit = FoundMessage::Posted(hit);
        let terms = SearchTerms::parse("disk").unwrap();
        let hits = vec![hit.clone(), hit];
        let found = FoundMessages { terms, hits, ..FoundMessages::default() };
        for width in 0..120 {
            let (_, lines, _) = content(&found, &state, at(1), width);
            assert!(lines[0].width() <= width, "{width}: {:?}", lines[0]);
        }
        let (_, lines, _) = content(&found, &state, at(1), 100);
        let selected = Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
        for (line, mark) in lines.iter().zip([selected, state.theme.found]) {
            let style = state.theme.text.patch(mark);
            let marked = line.spans.iter().filter(|span| span.style == style);
            assert_eq!(marked.map(|span| &*span.content).collect::<Vec<_>>(), ["disk", "disk"]);
        }
        assert!(lines[0].to_string().contains("is ␛[2Jfull"), "{}", lines[0]);
    }

    #[test]
    fn the_title_has_the_filters_and_a_hit_of_any_room_has_its_room() {
        let state = state(&["lobby"]);
        let shown = |typed: &str| {
            let terms = SearchTerms::parse(typed).unwrap();
            let hit = SearchHit { message: message("ops", 1, "buzz", "the disk"), ranges: vec![] };
            let found = FoundMessages {
                terms,
                hits: vec![FoundMessage::Posted(hit)],
                ..FoundMessages::default()
            };
            let (title, lines, _) = content(&found, &state, at(1), 80);
            (title, lines[0].to_string())
        };
        let (title, line) = shown("disk from:buzz");
        assert!(title.contains("1 found: disk from:buzz — "), "{title}");
        assert!(line.contains(" ops buzz: the disk"), "{line}");
        let (title, line) = shown("disk in:ops");
        assert!(
            title.contains(": disk in:ops — ") && line.contains(" buzz: the"),
            "{title} {line}"
        );
    }
}
