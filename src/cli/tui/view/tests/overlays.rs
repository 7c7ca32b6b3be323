//! Overlays on the whole screen.

use super::*;

#[test]
fn long_overlays_scroll_to_their_end() {
    let mut state = morning();
    state.perform(Action::Help, at(3));
    let first = picture(&mut state, 80, 12);
    assert!(first[11].contains(" 1–10 of "), "{first:#?}");
    assert!(first[11].contains(" · PageDown goes on · Esc closes ─"), "{first:#?}");
    state.press(KeyCode::PageDown, at(3));
    assert!(picture(&mut state, 80, 12)[11].contains(" 11–20 of "));
    state.on_terminal_event(
        Typed::Key(ratatui::crossterm::event::KeyEvent::new(KeyCode::End, KeyModifiers::NONE)),
        at(3),
    );
    let last = picture(&mut state, 80, 12);
    assert!(!last[11].contains("PageDown"), "{last:#?}");
    assert!(last[11].contains(" · Esc closes ─"), "{last:#?}");
    assert_ne!(first, last);
    assert!(last.iter().any(|row| row.contains("//TEXT")), "{last:#?}");
}

#[test]
fn every_list_has_a_title_and_says_how_to_close_it() {
    let mut state = morning();
    for (title, lines) in [("your key", 1), ("contacts", 1), ("rooms", 3)] {
        let lines: Vec<String> = (0..lines).map(|line| format!("line {line}")).collect();
        let rows = lines.len();
        state.on_outcome(Outcome::Ran { title, done: ActionOutcome::Shown(lines) }, at(4));
        let shown = picture(&mut state, 80, 24);
        let top = shown.iter().position(|row| row.contains(&format!("┌ {title} ─"))).unwrap();
        assert!(shown[top + 1].contains("│ line 0"), "{shown:#?}");
        assert!(shown[top + rows + 1].contains("└─ Esc closes ─"), "{shown:#?}");
        state.press(KeyCode::Esc, at(4));
    }
    for (title, none) in
        [("contacts", "no contacts yet"), ("outbox", "the outbox is empty"), ("peers", "nobody")]
    {
        state.on_outcome(Outcome::Ran { title, done: ActionOutcome::Shown(Vec::new()) }, at(4));
        assert!(state.overlay.is_none());
        assert!(picture(&mut state, 80, 24)[23].contains(none));
    }
}

#[test]
fn a_chosen_theme_repaints_every_cell() {
    let mut state = state(&["lobby"]);
    state.said("lobby", 1, "buzz", "hi sova, `make` it *so*");
    let painted = |state: &mut State, line: &str| {
        state.line(line, at(2));
        let mut buffer = Buffer::empty(Rect::new(0, 0, 90, 20));
        layout::arrange(state, buffer.area, at(60));
        paint(state, at(60), &mut buffer);
        buffer.content().iter().filter(|cell| cell.bg != ratatui::style::Color::Reset).count()
    };
    let few = painted(&mut state, "/theme auto");
    assert!(few < 90 * 20 / 2, "{few}: the background is that of the terminal");
    for theme in ["/theme light", "/theme dark", "/theme light"] {
        assert_eq!(painted(&mut state, theme), 90 * 20, "{theme}");
    }
    assert_eq!(painted(&mut state, "/help"), 90 * 20, "an overlay");
    state.press(KeyCode::Esc, at(3));
    assert_eq!(painted(&mut state, "/theme auto"), few);
}
