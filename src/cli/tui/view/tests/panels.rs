//! The sides, the input, and the colours of names.

use super::*;
use crate::cli::theme::{ThemeName, detect::TerminalColours};

#[test]
fn the_sides_take_what_they_need() {
    let mut state = morning();
    for (width, sidebar, messages, roster) in
        [(60, 14, 45, 0), (100, 14, 69, 15), (160, 14, 129, 15)]
    {
        picture(&mut state, width, 12);
        let parts = state.areas.parts;
        let widths = (parts.sidebar.width, parts.messages.width, parts.roster.width);
        assert_eq!(widths, (sidebar, messages, roster), "{width}");
    }
    // Long names get a quarter of the screen, and are cut in the middle.
    let mut state = super::state(&["backend-of-the-shop-in-the-north", "ops"]);
    state.came("a-peer-with-a-long-name", PeerStatus::Online, at(0));
    let rows = picture(&mut state, 60, 12);
    assert!(state.areas.parts.messages.width >= 45);
    assert!(rows[1].starts_with(" 1 back…orth  │"), "{rows:#?}");
    let rows = picture(&mut state, 160, 12);
    assert!(rows[1].starts_with(" 1 backend-of-th…in-the-north  │"), "{rows:#?}");
    assert!(rows[1].contains("● a-peer-with-a-long-name"), "{rows:#?}");
}

#[test]
fn a_column_is_shown_if_it_fits_and_otherwise_the_screen_says_why_not() {
    let mut state = morning();
    for width in [60, 40] {
        picture(&mut state, width, 12);
        state.press(KeyCode::F(3), at(60));
        picture(&mut state, width, 12);
        assert!(!state.areas.parts.roster.is_empty(), "{width}");
        state.press(KeyCode::F(3), at(60));
    }
    picture(&mut state, 28, 12);
    for key in [2, 3] {
        state.toast = None;
        let panels = (state.panels.sidebar, state.panels.roster);
        state.press(KeyCode::F(key), at(60));
        assert_eq!((state.panels.sidebar, state.panels.roster), panels, "F{key}");
        let rows = picture(&mut state, 28, 12);
        assert!(rows.concat().contains("! the screen is too"), "{rows:#?}");
    }
}

#[test]
fn the_input_says_how_many_rows_it_hides() {
    let mut state = morning();
    let lines: Vec<String> = (1..=20).map(|n| format!("line {n}")).collect();
    state.composer.set(&lines.join("\n"));
    let rows = picture(&mut state, 100, 24);
    assert!(rows[16].contains("─ ↑ 14 more ─"), "{rows:#?}");
    for _ in 0..10 {
        state.press(KeyCode::Up, at(60));
    }
    let rows = picture(&mut state, 100, 24);
    assert!(rows[16].contains("─ ↑ 9 more · ↓ 5 more ─"), "{rows:#?}");
    let rows = picture(&mut state, 50, 9);
    assert!(rows[0].contains("input ↑"), "{rows:#?}");
    state.composer.set("short");
    assert!(!picture(&mut state, 100, 24).concat().contains("more"));
}

#[test]
fn a_person_has_one_colour_everywhere() {
    let mut state = morning();
    state.theme = Theme::new(ThemeName::Dark, &TerminalColours::default());
    for place in [1, 3] {
        state.perform(Action::GoTo(place), at(3));
        state.composer.set("no placeholder");
        let typing = ConversationChange::Event(ConversationEvent::Typing(true));
        state.on_conversation(ConversationUpdate { peer: name("buzz"), change: typing }, at(58));
        let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 14));
        layout::arrange(&mut state, buffer.area, at(60));
        paint(&state, at(60), &mut buffer);
        for who in ["buzz", "sova"] {
            let wanted = state.theme.of_name(&name(who), false).fg;
            let mut places = 0;
            for y in 0..14 {
                let row: Vec<&str> = (0..120).map(|x| buffer[(x, y)].symbol()).collect();
                for x in (0..116_u16).filter(|x| row[usize::from(*x)..].concat().starts_with(who)) {
                    let before = usize::from(x).checked_sub(2).map(|at| row[at..at + 2].concat());
                    // In a text, a name is a word.
                    if before.is_some_and(|before| before == ", " || before == "▌s") {
                        continue;
                    }
                    places += 1;
                    assert_eq!(Some(buffer[(x, y)].fg), wanted, "{who} at {x}, {y} of {place}");
                }
            }
            assert!(places > 0, "{who}");
        }
    }
}
