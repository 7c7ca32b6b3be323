//! The whole screen as text.

mod overlays;
mod panels;

use std::time::Duration;

use ratatui::{
    buffer::Buffer,
    crossterm::event::{
        Event as Typed, KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
    },
    layout::Rect,
};

use super::*;
use crate::{
    cli::{
        chat::actions::ActionOutcome,
        keymap::Action,
        search_terms::SearchTerms,
        tui::{
            effect::Effect,
            found::FoundMessage,
            layout,
            outcome::Outcome,
            state::{
                FoundMessages, HubStatus, Overlay,
                tests::{at, message, name, position, room, state, text},
            },
        },
    },
    client::{
        ConversationChange, ConversationEvent, ConversationUpdate, Direct, Event, Verification,
    },
    model::{DirectMessage, Endpoint, MessageId, PeerStatus, SearchHit},
};

fn picture(state: &mut State, width: u16, height: u16) -> Vec<String> {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    layout::arrange(state, buffer.area, at(60));
    paint(state, at(60), &mut buffer);
    let mut rows = Vec::new();
    for y in 0..height {
        let row: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        rows.push(row.trim_end().to_owned());
    }
    rows
}

/// Asserts that nothing is drawn over the borders, and that everything is escaped.
#[track_caller]
fn keeps_its_borders(state: &mut State, width: u16, height: u16) {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    layout::arrange(state, buffer.area, at(60));
    paint(state, at(60), &mut buffer);
    for border in state.areas.parts.borders {
        for y in border.y..border.bottom() {
            assert_eq!(buffer[(border.x, y)].symbol(), "│", "at {}, {y}", border.x);
        }
    }
    let dangerous =
        |cell: &ratatui::buffer::Cell| cell.symbol().chars().any(crate::text::is_dangerous);
    assert!(!buffer.content().iter().any(dangerous), "{:?}", picture(state, width, height));
}

fn came(from: &str, said: &str) -> Event {
    let message =
        DirectMessage { id: MessageId::new(), sender: name(from), sent_at: None, text: text(said) };
    Event::Direct(Direct { message, verification: Verification::Unverified(None), from: None })
}

fn morning() -> State {
    let mut state = state(&["lobby", "ops"]);
    for (who, status) in [
        ("sova", PeerStatus::Online),
        ("buzz", PeerStatus::Online),
        ("colt", PeerStatus::Busy),
        ("winter", PeerStatus::Away),
    ] {
        state.came(who, status, at(0));
    }
    state.said("lobby", 1, "sova", "morning, all. does the new build run for you?");
    state.said("lobby", 2, "buzz", "green here. winter is still on the old one, sova");
    state.said("ops", 3, "colt", "sova: the disk is full");
    state.on_event(came("buzz", "psst"), at(1));
    let rooms = vec![crate::model::Room {
        name: room("lobby"),
        members: 3,
        head: position(3),
        first: position(1),
        last_message_at: None,
    }];
    state.on_outcome(Outcome::Rooms(Some(rooms)), at(2));
    state.on_outcome(Outcome::Pong(Some(Duration::from_micros(1234))), at(2));
    state.toast = None;
    state.take_effects();
    state
}

#[test]
fn a_usual_terminal_shows_everything() {
    let mut state = morning();
    state.composer.set("half a tho");
    let rows = picture(&mut state, 100, 12);
    let expected = "\
rooms         │ lobby · 3 here                                                      │ on the hub: 4
 1 lobby      │                                                                     │ ● buzz
 2 ops     @1 │                                                                     │ ■ colt     1m
direct        │                                                                     │ ● sova (you)
 3 ● buzz   1 │                                                                     │ ◌ winter   1m
              │                                                                     │
              │─────────────────────────────── today ───────────────────────────────│
              │12:00 sova  morning, all. does the new build run for you? ✓          │
              │12:00 buzz ▌green here. winter is still on the old one, sova         │
              │─────────────────────────────────────────────────────────────────────│
              │lobby> half a tho                                                    │
 ● 127.0.0.1:50051 · 1.2 ms                                                                   12:01";
    assert_eq!(rows.join("\n"), expected, "{}", rows.join("\n"));
}

#[test]
fn narrow_terminals_hide_the_panels() {
    let mut state = morning();
    let rows = picture(&mut state, 60, 20);
    assert!(rows[0].starts_with("rooms         │ lobby · 3 here"), "{rows:#?}");
    assert!(!rows.iter().any(|row| row.contains("on the hub: 4")), "{rows:#?}");
    let rows = picture(&mut state, 40, 12);
    assert_eq!(rows[0], " lobby · 3 here");
    assert!(!rows.iter().any(|row| row.contains('│')), "{rows:#?}");
    assert!(rows[10].starts_with("lobby> "), "{rows:#?}");
    assert_eq!(rows[11], " ● 127.0.0.1:50051… @ops buzz:1 · 12:01");
    // They can be shown on demand.
    state.perform(Action::ToggleSidebar, at(60));
    assert!(picture(&mut state, 40, 12)[0].starts_with("rooms"));
    state.perform(Action::ToggleSidebar, at(60));
    assert_eq!(picture(&mut state, 100, 12)[0].find("rooms"), None);
    state.perform(Action::ToggleRoster, at(60));
    assert!(!picture(&mut state, 100, 12)[0].contains("on the hub: 4"));
}

#[test]
fn a_direct_chat_shows_the_peer_and_the_path() {
    let mut state = morning();
    state.perform(Action::GoTo(3), at(3));
    let endpoint = Some(Endpoint::parse("127.0.0.1:54322").unwrap());
    state.on_conversation(
        ConversationUpdate { peer: name("buzz"), change: ConversationChange::Open(endpoint) },
        at(3),
    );
    let typing = ConversationChange::Event(ConversationEvent::Typing(true));
    state.on_conversation(ConversationUpdate { peer: name("buzz"), change: typing }, at(58));
    let rows = picture(&mut state, 100, 12);
    let title = " buzz · unverified · live · direct 127.0.0.1:54322";
    assert!(rows[0].contains(title), "{rows:#?}");
    assert!(rows[4].starts_with(" 3 ● buzz   … │"), "{rows:#?}");
    assert!(rows[8].contains("buzz is typing…"), "{rows:#?}");
    assert!(rows[10].contains("only buzz> goes to buzz directly"), "{rows:#?}");
    assert!(rows.iter().any(|row| row.contains("psst (unverified)")), "{rows:#?}");
}

#[test]
fn the_status_line_shows_the_state_of_the_hub() {
    let mut state = morning();
    let last = |state: &mut State| picture(state, 100, 12).pop().unwrap();
    state.hub_status = HubStatus::Lost { retry_at: at(63).mono };
    assert!(
        last(&mut state).starts_with(" ✗ 127.0.0.1:50051 is unreachable; trying again in 3 s  ")
    );
    state.posts("waits");
    state.toast = None;
    assert!(last(&mut state).ends_with("1 waiting · 12:01"), "{}", last(&mut state));
    state.hub_status = HubStatus::Ended("the name is taken".into());
    assert!(last(&mut state).starts_with(" ✗ the name is taken"));
    state.toast("a word", false, at(59));
    assert!(last(&mut state).starts_with(" ✗ a word "));
    state.hub_status = HubStatus::Lost { retry_at: at(63).mono };
    assert!(last(&mut state).starts_with(" ✗ 3 s · a word "));
    state.hub_status = HubStatus::Up;
    assert!(last(&mut state).starts_with(" ● a word "));
    assert!(last(&mut state).ends_with("1 waiting · 12:01"));
}

#[test]
fn a_toast_is_closed_by_the_next_action() {
    let mut state = morning();
    let word = |state: &mut State| state.toast("a word", true, at(59));
    let gone = |state: &mut State| std::mem::take(&mut state.toast).is_none();
    word(&mut state);
    state.press(KeyCode::PageUp, at(59));
    assert!(!gone(&mut state), "nothing was done by looking");
    word(&mut state);
    state.press(KeyCode::Char('x'), at(59));
    assert!(gone(&mut state));
    word(&mut state);
    state.on_terminal_event(Typed::Paste("y".into()), at(59));
    assert!(gone(&mut state));
    word(&mut state);
    state.perform(Action::NextPlace, at(59));
    assert!(gone(&mut state));
    state.composer.set("/peers");
    word(&mut state);
    state.press(KeyCode::Enter, at(59));
    assert!(gone(&mut state));
    state.hub_status = HubStatus::Lost { retry_at: at(63).mono };
    state.posts("waits");
    assert!(state.toast.is_some());
    state.on_connection(&crate::client::Connection::Connected {
        since: at(60).wall,
        observed: None,
    });
    assert!(gone(&mut state));
}

#[test]
fn an_error_too_long_for_a_toast_is_shown_among_the_messages() {
    let mut state = morning();
    picture(&mut state, 60, 16);
    let said = "not sent to colt: nobody answers there, and whoever wants to know why asks them";
    state.toast(said, true, at(59));
    let rows = picture(&mut state, 60, 16);
    let shown: String = rows.iter().map(|row| row.split('│').next_back().unwrap().trim()).collect();
    assert!(shown.replace(' ', "").contains(&said.replace(' ', "")), "{rows:#?}");
    assert_eq!(rows.join("").matches("not sent").count(), 1, "{rows:#?}");
    // Also only once if it is shown among the messages anyway.
    state.announce(&said.replace("colt", "cold"), true, at(59));
    let rows = picture(&mut state, 60, 16);
    assert_eq!(rows.join("").matches("cold").count(), 1, "{rows:#?}");
}

#[test]
fn a_long_name_leaves_room_for_the_prompt() {
    let mut state = state(&["a-room-with-a-name-that-is-too-long"]);
    state.composer.set("hello");
    let rows = picture(&mut state, 40, 12);
    assert_eq!(rows[10], "a-room-with-a-nam…> hello");
    assert_eq!(rows[9], "─".repeat(40));
    let rows = picture(&mut state, 40, 9);
    assert!(!rows.join("").contains('─'), "no room for a rule: {rows:#?}");
}

#[test]
fn any_size_can_be_drawn() {
    let mut plain = morning();
    let mut talking = morning();
    talking.perform(Action::GoTo(3), at(3));
    let mut asking = morning();
    asking.overlay = Some(Overlay::Quit);
    let mut helping = morning();
    helping.perform(Action::Help, at(3));
    let mut choosing = morning();
    choosing.composer.set("/m");
    choosing.perform(Action::Complete, at(3));
    let mut long = morning();
    long.composer.set(&"日本語 long text\n".repeat(20));
    let mut empty = state(&[]);
    for state in
        [&mut plain, &mut talking, &mut asking, &mut helping, &mut choosing, &mut long, &mut empty]
    {
        for panels in [None, Some(true)] {
            state.panels.sidebar = panels;
            state.panels.roster = panels;
            for (width, height) in (0..50).flat_map(|w| [0, 1, 2, 3, 4, 5, 7, 12].map(|h| (w, h))) {
                picture(state, width, height);
            }
        }
    }
}

#[test]
fn foreign_text_stays_in_its_area_and_is_escaped() {
    let hostile = [
        "\x1b[2J\x1b[31mred\x07\r\n* buzz left".to_owned(),
        "\u{202e}txt.exe\u{200b}\u{e0041}".to_owned(),
        format!("z{}", "\u{301}".repeat(500)),
        "x".repeat(crate::model::MAX_TEXT_BYTES),
        "👩‍👩‍👧 日本語 שלום │ ▌ ".repeat(100),
    ];
    let mut state = morning();
    for (seq, said) in (10..).zip(&hostile) {
        state.on_event(
            Event::Message(message("lobby", seq, "日本語名前がとても長い人", said)),
            at(2),
        );
        state.on_event(came("日本語名前がとても長い人", said), at(2));
        state.toast(said.clone(), true, at(59));
        for (width, height) in [(100, 30), (60, 20), (40, 12)] {
            keeps_its_borders(&mut state, width, height);
        }
        let found =
            SearchHit { message: message("lobby", seq, "buzz", said), ranges: vec![0..1, 2..3] };
        let terms = SearchTerms { words: said.clone(), ..SearchTerms::default() };
        let hits = vec![found.clone(), SearchHit { ranges: vec![3..9, 500..9000], ..found }];
        let hits = hits.into_iter().map(FoundMessage::Posted).collect();
        for overlay in [
            Overlay::lines(said.clone(), vec![said.clone()]),
            Overlay::Hits(FoundMessages { terms, hits, selected: 1, ..FoundMessages::default() }),
        ] {
            state.overlay = Some(overlay);
            let rows = picture(&mut state, 100, 30).join("\n");
            assert!(!rows.chars().any(|c| c != '\n' && crate::text::is_dangerous(c)), "{rows}");
        }
        state.overlay = None;
    }
    state.perform(Action::GoTo(4), at(3));
    keeps_its_borders(&mut state, 100, 30);
}

#[test]
fn clicks_and_the_wheel_work_where_the_mouse_is() {
    let mut state = morning();
    let mouse = |state: &mut State, kind, column, row| {
        let mouse = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        state.on_terminal_event(Typed::Mouse(mouse), at(5));
    };
    let click = MouseEventKind::Down(MouseButton::Left);
    picture(&mut state, 100, 12);
    mouse(&mut state, click, 3, 2);
    assert_eq!(state.current_room(), Some(&room("ops")));
    mouse(&mut state, click, 3, 3);
    assert_eq!(state.current_room(), Some(&room("ops")), "a head is no place");
    picture(&mut state, 100, 12);
    mouse(&mut state, click, 85, 4);
    assert_eq!(state.current_peer(), Some(&name("winter")));
    assert!(state.take_effects().contains(&Effect::Open(name("winter"))));
    mouse(&mut state, click, 85, 3);
    assert_eq!(state.current_peer(), Some(&name("winter")), "oneself is nobody to talk with");

    state.perform(Action::GoTo(1), at(5));
    for seq in 10..60 {
        state.said("lobby", seq, "buzz", "more");
    }
    picture(&mut state, 100, 12);
    mouse(&mut state, MouseEventKind::ScrollUp, 40, 5);
    let rows = picture(&mut state, 100, 12);
    assert!(rows[0].contains("more ↓"), "{rows:#?}");
    for _ in 0..9 {
        mouse(&mut state, MouseEventKind::ScrollDown, 3, 5);
    }
    assert!(picture(&mut state, 100, 12)[0].contains("more ↓"), "the list was under it");
}

#[test]
fn the_sidebar_keeps_the_current_chat_visible() {
    let names: Vec<String> = (0..60).map(|i| format!("room{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut state = state(&names);
    picture(&mut state, 100, 12);
    state.perform(Action::PreviousPlace, at(1));
    assert!(picture(&mut state, 100, 12).iter().any(|row| row.contains("60 room59")));
    state.perform(Action::NextPlace, at(1));
    assert!(picture(&mut state, 100, 12).iter().any(|row| row.contains(" 1 room0")));
}

#[test]
fn the_list_of_peers_tells_what_is_beyond_both_ends() {
    let mut state = state(&["lobby"]);
    for number in 0..30 {
        state.came(&format!("peer{number:02}"), PeerStatus::Online, at(0));
    }
    let last = |state: &mut State| {
        let rows = picture(state, 100, 12);
        rows[10].rsplit('│').next().unwrap().trim().to_owned()
    };
    assert_eq!(last(&mut state), "↓ 21 more");
    state.areas.roster_top = 5;
    assert_eq!(last(&mut state), "↑ 5 ↓ 16 more");
    state.areas.roster_top = 100;
    assert_eq!(last(&mut state), "↑ 21 more");
}

#[test]
fn unread_messages_beyond_the_sidebar_are_counted() {
    let mut state = state(&["lobby"]);
    for who in 0..40 {
        state.line(&format!("/msg friend{who}"), at(1));
    }
    state.perform(Action::GoTo(2), at(1));
    assert!(picture(&mut state, 100, 24)[22].starts_with(" ↓ 21 more "));
    state.on_event(came("friend30", "psst"), at(2));
    state.on_event(came("stranger", "psst"), at(2));
    assert!(picture(&mut state, 100, 24)[22].starts_with(" ↓ 2 unread  "));
    state.perform(Action::PreviousPlace, at(3));
    state.perform(Action::PreviousPlace, at(3));
    let rows = picture(&mut state, 100, 24);
    assert!(rows[21].contains("stranger") && rows[22].starts_with(" ↑ 22 more "), "{rows:#?}");
    state.said("lobby", 1, "buzz", "hello");
    assert!(picture(&mut state, 100, 24)[22].starts_with(" ↑ 1 unread  "));
}
