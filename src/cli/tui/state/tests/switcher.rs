//! The switcher.

use super::*;

fn labels(state: &State) -> Vec<String> {
    match &state.overlay {
        Some(Overlay::Switch(switcher)) => switcher.choices.iter().map(Choice::label).collect(),
        _ => Vec::new(),
    }
}

fn typed(state: &mut State, text: &str) {
    for c in text.chars() {
        state.press(KeyCode::Char(c), at(2));
    }
}

fn listed(raw: &str) -> crate::model::Room {
    crate::model::Room {
        name: room(raw),
        members: 1,
        head: position(1),
        first: position(1),
        last_message_at: None,
    }
}

#[test]
fn rooms_people_and_commands_are_found_by_some_letters() {
    let mut state = state(&["lobby", "ops", "dev"]);
    for who in ["sova", "buzz", "bob"] {
        state.came(who, PeerStatus::Online, at(0));
    }
    state.said("dev", 1, "buzz", "hello");
    state.take_effects();
    state.perform(Action::Switch, at(1));
    assert!(state.take_effects().contains(&Effect::ListRooms), "all rooms of the hub");
    let all = labels(&state);
    assert_eq!(all[..3], ["#dev", "#ops", "#lobby"], "unread first, the current one last");
    assert!(all.contains(&"@bob".into()) && !all.contains(&"@sova".into()), "{all:?}");
    assert!(all.contains(&"/search".into()));
    state.on_outcome(Outcome::Rooms(Some(vec![listed("devops"), listed("dev")])), at(2));
    typed(&mut state, "dvo");
    assert_eq!(labels(&state), ["#devops"]);
    state.press(KeyCode::Enter, at(3));
    let join = crate::cli::chat::input::Request::Join(room("devops"));
    let effects = state.take_effects();
    let is_join = |e: &Effect| matches!(e, Effect::Run { request, .. } if *request == join);
    assert!(effects.iter().any(is_join), "{effects:?}");
    assert!(state.overlay.is_none());

    state.perform(Action::Switch, at(4));
    typed(&mut state, "@b");
    assert_eq!(labels(&state).len(), 2, "people only: {:?}", labels(&state));
    state.press(KeyCode::Backspace, at(4));
    state.press(KeyCode::Backspace, at(4));
    typed(&mut state, "/srch");
    assert_eq!(labels(&state), ["/search"]);
    state.press(KeyCode::Enter, at(4));
    assert_eq!(state.composer.text(), "/search ");

    state.composer.clear();
    state.perform(Action::Switch, at(5));
    typed(&mut state, "op");
    state.press(KeyCode::Enter, at(5));
    assert_eq!(state.current_room(), Some(&room("ops")));
    state.perform(Action::Switch, at(5));
    state.on_terminal_event(Typed::Paste("lob\x1b[2J\nby".into()), at(5));
    assert_eq!(labels(&state), Vec::<String>::new(), "no control characters, and nothing fits");
    state.press(KeyCode::Esc, at(5));
    assert!(state.overlay.is_none());
}

#[test]
fn a_long_list_is_bounded_and_tells_what_is_beyond_its_ends() {
    let mut state = state(&["lobby"]);
    state.perform(Action::Switch, at(1));
    let rooms = (0..10_000).map(|number| listed(&format!("room-{number}"))).collect();
    state.on_outcome(Outcome::Rooms(Some(rooms)), at(2));
    assert_eq!(labels(&state).len(), 500);
    assert!(state.shown_notices().contains("1–38 of 500"), "{}", state.shown_notices());
    state.press(KeyCode::PageDown, at(3));
    state.press(KeyCode::PageDown, at(3));
    assert!(state.shown_notices().contains("40–77 of 500"), "{}", state.shown_notices());
}
