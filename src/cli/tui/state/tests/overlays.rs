//! Overlays while the user types.

use ratatui::crossterm::event::MouseEventKind;

use super::*;
use crate::{
    cli::{chat::actions::ActionOutcome, search_terms::SearchTerms},
    client::{Direct, DirectState, KeptDirect, Page},
    model::SearchHit,
};

fn list(state: &mut State) {
    let lines = (0..100).map(|line| line.to_string()).collect();
    state.on_outcome(Outcome::Ran { title: "peers", done: ActionOutcome::Shown(lines) }, at(2));
    assert!(state.overlay.is_some());
}

/// A kept direct message.
fn kept() -> KeptDirect {
    let Direct { message, verification, .. } = direct::direct("buzz", "a");
    let (position, receiver, kept_at) = (1, None, at(1).wall);
    KeptDirect { position, message, receiver, verification, kept_at, state: DirectState::Read }
}

/// Receives the first page of a search.
fn found(state: &mut State, items: Vec<SearchHit>, next: Option<&str>) {
    let result = Ok(Page { items, next: next.map(str::to_owned) });
    let terms = SearchTerms::parse("disk").unwrap();
    state.on_outcome(Outcome::Hits { terms, token: String::new(), result }, at(2));
}

fn hits(state: &mut State) {
    let hit = |seq| SearchHit { message: message("lobby", seq, "buzz", "disk"), ranges: vec![] };
    found(state, vec![hit(1), hit(2)], None);
    assert!(state.overlay.is_some());
}

fn types(state: &mut State, typed: &str) {
    for c in typed.chars() {
        state.press(KeyCode::Char(c), at(3));
    }
}

fn posts(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Post { .. } | Effect::Send { .. }))
}

#[test]
fn typing_over_a_list_reaches_the_input() {
    let overlays: [fn(&mut State); 3] = [list, hits, |state| state.perform(Action::Help, at(1))];
    for over in overlays {
        for typed in ["/msg lee can you keep quiet?", "quit?", "no", "gG kj", " a", "?", "y", "{@é"]
        {
            let mut state = state(&["lobby"]);
            over(&mut state);
            types(&mut state, typed);
            assert!(state.overlay.is_none());
            assert_eq!(state.composer.text(), typed);
        }
        let mut state = state(&["lobby"]);
        over(&mut state);
        state.on_terminal_event(Typed::Paste("q\n n".into()), at(3));
        assert_eq!((state.composer.text().as_str(), state.overlay.is_none()), ("q\n n", true));
    }
}

#[test]
fn a_direct_message_typed_over_a_list_reaches_one_peer() {
    let mut state = state(&["lobby"]);
    list(&mut state);
    state.take_effects();
    types(&mut state, "/msg lee can you");
    state.press(KeyCode::Enter, at(4));
    let effects = state.take_effects();
    let said = Effect::Send { id: MessageId::new(), to: name("lee"), text: text("can you") };
    let same = |effect: &Effect| match (effect, &said) {
        (Effect::Send { to, text, .. }, Effect::Send { to: lee, text: can, .. }) => {
            to == lee && text == can
        }
        _ => false,
    };
    assert!(effects.iter().any(same), "{effects:?}");
    assert!(!effects.iter().any(|c| matches!(c, Effect::Post { .. })), "{effects:?}");
}

#[test]
fn a_list_that_opens_while_typing_takes_no_keys() {
    let typed = "/msg lee quite a jungle, no?";
    for outcome in [list, hits] {
        for cut in 0..=typed.len() {
            let mut state = state(&["lobby"]);
            types(&mut state, &typed[..cut]);
            outcome(&mut state);
            types(&mut state, &typed[cut..]);
            assert_eq!(state.composer.text(), typed);
        }
        let mut state = state(&["lobby"]);
        types(&mut state, "helloo");
        outcome(&mut state);
        state.press(KeyCode::Backspace, at(3));
        assert_eq!((state.composer.text().as_str(), state.overlay.is_none()), ("hello", true));
        outcome(&mut state);
        state.press(KeyCode::Left, at(3));
        types(&mut state, "_");
        assert_eq!(state.composer.text(), "hell_o");
        outcome(&mut state);
        state.take_effects();
        state.press(KeyCode::Enter, at(3));
        assert!(
            !posts(&state.take_effects()) && state.overlay.is_none(),
            "it closes the list, no more"
        );
        assert_eq!(state.composer.text(), "hell_o");
        state.press(KeyCode::Enter, at(3));
        assert!(posts(&state.take_effects()));
    }
}

#[test]
fn other_keys_scroll_and_select() {
    let mut state = state(&["lobby"]);
    list(&mut state);
    state.areas.overlay_rows = 7;
    let top = |state: &State| match &state.overlay {
        Some(Overlay::Lines { top, .. }) => *top,
        _ => panic!("closed"),
    };
    for (key, at_line) in [
        (KeyCode::Down, 1),
        (KeyCode::PageDown, 8),
        (KeyCode::PageUp, 1),
        (KeyCode::Up, 0),
        (KeyCode::PageDown, 7),
        (KeyCode::Home, 0),
    ] {
        state.press(key, at(3));
        assert_eq!(top(&state), at_line, "{key:?}");
    }
    state.turn(MouseEventKind::ScrollDown);
    assert_eq!(top(&state), 3);
    state.press(KeyCode::Esc, at(3));
    assert!(state.overlay.is_none());

    hits(&mut state);
    state.take_effects();
    state.press(KeyCode::Down, at(3));
    state.press(KeyCode::Enter, at(3));
    let around = state.take_effects().into_iter().find_map(|effect| match effect {
        Effect::LoadContext(message) => Some(message.position),
        _ => None,
    });
    assert_eq!(around, Some(position(2)));
}

#[test]
fn found_direct_messages_are_shown_in_pages_and_enter_goes_to_one() {
    let mut state = direct::with_buzz();
    let peer = name("buzz");
    let hit = |position| {
        let mut kept = KeptDirect { position, ..kept() };
        kept.message.id = crate::model::MessageId::new();
        FoundMessage::Direct(kept, std::iter::once(0..1).collect())
    };
    let terms = SearchTerms::parse("a").unwrap();
    let effects = state.line("/search a", at(2));
    let first =
        Effect::SearchDirect { peer: peer.clone(), terms: terms.clone(), token: String::new() };
    assert!(effects.contains(&first), "{effects:?}");
    let arrive = |state: &mut State, token: &str, items: Vec<FoundMessage>, next: Option<&str>| {
        let (peer, terms, token) = (peer.clone(), terms.clone(), token.to_owned());
        let result = Ok(Page { items, next: next.map(str::to_owned) });
        state.on_outcome(Outcome::DirectHits { peer, terms, token, result }, at(3));
    };
    arrive(&mut state, "", (101..=150).rev().map(hit).collect(), Some("101"));
    assert!(state.shown_notices().contains("50 or more found with buzz: a"));
    state.take_effects();
    state.press(KeyCode::End, at(3));
    let second =
        Effect::SearchDirect { peer: peer.clone(), terms: terms.clone(), token: "101".into() };
    assert_eq!(state.take_effects(), [second]);
    let oldest = hit(7);
    arrive(&mut state, "101", vec![oldest.clone()], None);
    state.press(KeyCode::End, at(3));
    state.press(KeyCode::Enter, at(3));
    assert!(state.overlay.is_none());
    // It is not loaded yet: pages are loaded until it is there.
    let FoundMessage::Direct(oldest, _) = oldest else { panic!("a direct message") };
    let key = crate::cli::tui::transcript::EntryKey::Theirs(oldest.message.id);
    state.take_effects();
    for (position, message) in [(50, kept()), (7, oldest)] {
        let message = KeptDirect { position, ..message };
        let result = Ok((vec![message], true));
        state.on_outcome(Outcome::DirectPage { peer: peer.clone(), result }, at(4));
        state.request_history(at(4));
        let more = Effect::LoadDirect { peer: peer.clone(), before: Some(position) };
        if position == 50 {
            assert!(state.take_effects().contains(&more));
        }
    }
    assert!(state.direct_chat_mut(&peer).unwrap().transcript.get(key).is_some());
}

#[test]
fn a_question_stays_open_until_it_is_answered() {
    let mut state = state(&["lobby"]);
    state.perform(Action::Interrupt, at(1));
    let hit = SearchHit { message: message("lobby", 1, "buzz", "a"), ranges: vec![] };
    found(&mut state, vec![hit], None);
    let page = Page { items: vec![FoundMessage::Direct(kept(), Vec::new())], next: None };
    let (peer, terms, token) = (name("buzz"), SearchTerms::default(), String::new());
    state.on_outcome(Outcome::DirectHits { peer, terms, token, result: Ok(page) }, at(2));
    types(&mut state, "clear; chinwag --hub nn?");
    state.on_terminal_event(Typed::Paste("nano\n".into()), at(2));
    for code in [KeyCode::Backspace, KeyCode::Tab, KeyCode::Left, KeyCode::Up, KeyCode::PageUp] {
        state.press(code, at(2));
    }
    assert!(matches!(state.overlay, Some(Overlay::Quit)));
    assert!(!state.take_effects().contains(&Effect::Quit));
    state.press(KeyCode::Esc, at(3));
    assert!(state.overlay.is_none() && state.composer.is_empty());

    let id = state.posts("not lost yet");
    for _ in 0..2 {
        assert!(!state.take_effects().contains(&Effect::Quit));
        let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        state.on_terminal_event(Typed::Key(key), at(3));
    }
    assert!(state.take_effects().contains(&Effect::Quit), "the second Ctrl-C leaves");
    state.comes_back(id, "lobby", 1, "not lost yet");

    // The question is not opened while the user types.
    state.posts("a last word");
    state.line("/quit", at(4));
    types(&mut state, "y");
    state.on_tick(at(9));
    assert!(state.overlay.is_none() && !state.take_effects().contains(&Effect::Quit));
    assert_eq!(state.composer.text(), "y");
}

impl State {
    fn turn(&mut self, kind: MouseEventKind) {
        let mouse = ratatui::crossterm::event::MouseEvent {
            kind,
            column: 1,
            row: 1,
            modifiers: KeyModifiers::NONE,
        };
        self.on_terminal_event(Typed::Mouse(mouse), at(3));
    }
}
