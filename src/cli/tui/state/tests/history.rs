//! Loading history, and going to search hits.

use super::*;
use crate::{
    cli::search_terms::SearchTerms,
    client::{Error, Page},
    error::Refusal,
    model::SearchHit,
};

fn page(seqs: std::ops::Range<u64>, more: bool) -> Page<Message> {
    let items = seqs.map(|seq| message("lobby", seq, "buzz", &format!("number {seq}"))).collect();
    Page { items, next: more.then(|| "more".into()) }
}

/// The lobby with the messages from 50 to 59, all of them received.
fn lobby() -> State {
    let mut state = state(&[]);
    state.on_event(Event::Joined { room: room("lobby"), head: position(59) }, at(0));
    state.go_to(ChatId::Room(room("lobby")), at(0));
    for seq in 50..60 {
        state.said("lobby", seq, "buzz", &format!("number {seq}"));
    }
    state.take_effects();
    state
}

fn orders(state: &mut State, now: Moment) -> Vec<Effect> {
    state.shown();
    state.request_history(now);
    state.take_effects()
}

fn numbers(state: &mut State) -> Vec<u64> {
    let rows = state.shown();
    rows.iter().filter_map(|row| row.split_once("number ")?.1.trim().parse().ok()).collect()
}

#[test]
fn older_messages_are_loaded_page_by_page_without_gaps_or_duplicates() {
    let mut state = lobby();
    let from = position(50);
    let wanted = Effect::LoadPage { room: room("lobby"), direction: PageDirection::Older, from };
    assert_eq!(orders(&mut state, at(3)), [wanted]);
    assert_eq!(orders(&mut state, at(3)), [], "one at a time");
    state.said("lobby", 60, "buzz", "number 60");
    let result = Ok(page(44..52, true));
    state.on_outcome(
        Outcome::Page { room: room("lobby"), direction: PageDirection::Older, result },
        at(2),
    );
    assert_eq!(numbers(&mut state), (44..=60).collect::<Vec<_>>());
    let next = orders(&mut state, at(3));
    let from = position(44);
    assert_eq!(
        next,
        [Effect::LoadPage { room: room("lobby"), direction: PageDirection::Older, from }]
    );
    let result = Ok(page(41..44, false));
    state.on_outcome(
        Outcome::Page { room: room("lobby"), direction: PageDirection::Older, result },
        at(2),
    );
    assert_eq!(numbers(&mut state), (41..=60).collect::<Vec<_>>());
    assert!(state.shown()[0].contains("the room begins here"), "{:?}", state.shown());
    assert_eq!(orders(&mut state, at(3)), [], "there is no more");
}

#[test]
fn no_page_is_loaded_before_the_history_of_joining_is_complete() {
    let mut state = state(&[]);
    state.on_event(Event::Joined { room: room("lobby"), head: position(59) }, at(0));
    state.go_to(ChatId::Room(room("lobby")), at(0));
    state.take_effects();
    state.said("lobby", 58, "buzz", "number 58");
    assert_eq!(orders(&mut state, at(3)), []);
    state.said("lobby", 59, "buzz", "number 59");
    assert_eq!(orders(&mut state, at(3)).len(), 1);
}

#[test]
fn loading_is_retried_unless_the_hub_refuses() {
    let mut state = lobby();
    assert_eq!(orders(&mut state, at(3)).len(), 1);
    let direction = PageDirection::Older;
    let result = Err(Error::HubUnreachable {
        hub: crate::model::Endpoint::parse("127.0.0.1:1").unwrap(),
        cause: "refused".into(),
    });
    state.on_outcome(Outcome::Page { room: room("lobby"), direction, result }, at(2));
    assert_eq!(orders(&mut state, at(3)), [], "not at once");
    assert_eq!(orders(&mut state, at(9)).len(), 1);
    let mut refused = |code, now| {
        let result = Err(Error::Refused(Refusal {
            code,
            reason: "".into(),
            message: "no".into(),
            violations: Vec::new(),
            retry_after: None,
        }));
        state.on_outcome(Outcome::Page { room: room("lobby"), direction, result }, at(now));
        orders(&mut state, at(now + 50)).len()
    };
    assert_eq!(refused(tonic::Code::Unavailable, 10), 1, "it may be able to later");
    assert_eq!(refused(tonic::Code::OutOfRange, 70), 0);
}

fn found(seq: u64) -> Outcome {
    let hit =
        SearchHit { message: message("lobby", seq, "buzz", "number"), ranges: vec![0..3, 4..6] };
    let result = Ok(Page { items: vec![hit], next: None });
    let terms = SearchTerms::parse("number").unwrap();
    Outcome::Hits { terms, token: String::new(), result }
}

#[test]
fn a_search_hit_is_shown_in_its_room() {
    let mut state = lobby();
    state.perform(Action::Search, at(1));
    assert_eq!(state.composer.text(), "/search ");
    let effects = state.line("/search number", at(1));
    let search =
        Effect::Search { terms: SearchTerms::parse("number").unwrap(), token: String::new() };
    assert!(effects.contains(&search), "{effects:?}");
    state.on_outcome(found(55), at(2));
    state.press(KeyCode::Enter, at(2));
    assert!(state.overlay.is_none());
    assert!(!state.take_effects().iter().any(|effect| matches!(effect, Effect::LoadContext(_))));
    assert!(!state.room(&room("lobby")).unwrap().is_at_end());
}

#[test]
fn a_distant_search_hit_is_loaded_with_its_context() {
    let mut state = lobby();
    state.on_outcome(found(20), at(2));
    state.press(KeyCode::Enter, at(2));
    let effects = state.take_effects();
    let around = effects.into_iter().find_map(|effect| match effect {
        Effect::LoadContext(message) => Some(message),
        _ => None,
    });
    let message = around.expect("it is loaded");
    let result = Ok((page(10..20, true), page(21..30, true)));
    state.on_outcome(Outcome::Context { message, result }, at(2));
    assert!(state.room(&room("lobby")).unwrap().past.is_some());
    // New messages are counted as unread in the meantime.
    state.said("lobby", 60, "buzz", "number 60");
    assert_eq!(state.room(&room("lobby")).unwrap().unread, 1);
    let id = {
        let lobby = state.room_mut(&room("lobby")).unwrap();
        lobby.transcript_mut().to_end();
        lobby.timeline_mut().loading = Some(PageDirection::Newer);
        MessageId::new()
    };
    let result = Ok(page(30..61, false));
    state.on_outcome(
        Outcome::Page { room: room("lobby"), direction: PageDirection::Newer, result },
        at(2),
    );
    let lobby = state.room(&room("lobby")).unwrap();
    assert!(lobby.past.is_none(), "the past has come to the present");
    state.comes_back(id, "lobby", 61, "number 61");
    let shown = numbers(&mut state);
    assert_eq!(shown.last(), Some(&60), "{shown:?}");
    assert!(shown.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{shown:?}");
}

#[test]
fn escape_returns_to_the_latest_messages() {
    let mut state = lobby();
    state.on_outcome(found(20), at(2));
    state.press(KeyCode::Enter, at(2));
    let message = Box::new(message("lobby", 20, "buzz", "number 20"));
    let result = Ok((page(10..20, true), page(21..30, true)));
    state.on_outcome(Outcome::Context { message, result }, at(2));
    state.press(KeyCode::Esc, at(3));
    assert!(state.room(&room("lobby")).unwrap().past.is_none());
    assert_eq!(numbers(&mut state).last(), Some(&59));
}

#[test]
fn escape_returns_from_a_hit_to_where_the_user_was() {
    let with_hit = || {
        let mut state = lobby();
        state.on_event(Event::Joined { room: room("ops"), head: position(0) }, at(0));
        state.go_to(ChatId::Room(room("ops")), at(1));
        state.on_outcome(found(20), at(2));
        state.press(KeyCode::Enter, at(2));
        let message = Box::new(message("lobby", 20, "buzz", "number 20"));
        let result = Ok((page(10..20, true), page(21..30, true)));
        state.on_outcome(Outcome::Context { message, result }, at(2));
        assert_eq!(state.current_room(), Some(&room("lobby")));
        assert!(state.shown_notices().contains("Esc: back to ops"));
        state
    };
    let mut state = with_hit();
    state.press(KeyCode::Esc, at(3));
    assert_eq!(state.current_room(), Some(&room("ops")));
    assert!(state.room(&room("lobby")).unwrap().past.is_none(), "it shows the latest again");
    state.press(KeyCode::Esc, at(3));
    assert_eq!(state.current_room(), Some(&room("ops")), "once");

    // Whoever posts in the room of the hit, or goes to its end, is there.
    let mut state = with_hit();
    state.posts("so it was");
    state.press(KeyCode::Esc, at(3));
    assert_eq!(state.current_room(), Some(&room("lobby")));
    let mut state = with_hit();
    state.perform(Action::Bottom, at(3));
    state.press(KeyCode::Esc, at(3));
    assert_eq!(state.current_room(), Some(&room("lobby")));

    let mut state = with_hit();
    state.on_event(Event::Left { room: room("ops") }, at(3));
    state.toast = None;
    state.press(KeyCode::Esc, at(3));
    assert_eq!(state.current_room(), Some(&room("lobby")), "that room was left");
}

#[test]
fn a_gap_is_announced_in_its_room() {
    let mut state = lobby();
    state.on_event(Event::RoomReset { room: room("lobby"), cause: "gone".into() }, at(2));
    let shown = state.shown();
    assert!(shown.last().unwrap().contains("messages may be missing here: gone"), "{shown:?}");
}

#[test]
fn messages_of_blocked_peers_are_neither_shown_nor_counted() {
    let mut state = state(&["lobby", "ops"]);
    state.said("lobby", 1, "buzz", "before");
    state.said("lobby", 2, "buzz", "once more");
    state.said("lobby", 3, "kim", "morning");
    let blocks = |blocked: bool| crate::cli::chat::actions::ActionOutcome::Blocked {
        name: name("buzz"),
        blocked,
        notice: "done".into(),
    };
    state.on_outcome(Outcome::Ran { title: "", done: blocks(true) }, at(2));
    state.on_terminal_event(Typed::FocusLost, at(2));
    state.take_effects();
    for (seq, raw) in [(4, "lobby"), (5, "lobby"), (1, "ops")] {
        state.said(raw, seq, "buzz", "sova: hear me");
    }
    assert_eq!(state.take_effects(), []);
    assert!(state.rooms.iter().all(|room| room.unread == 0 && !room.mentioned));
    let hidden = "* buzz is blocked: hidden";
    let shown = state.shown_notices();
    assert!(shown.contains("morning") && !shown.contains("hear me"), "{shown}");
    assert!(!shown.contains("before") && !shown.contains("new messages"), "{shown}");
    assert_eq!(shown.matches(hidden).count(), 2, "{shown}");
    state.on_outcome(Outcome::Ran { title: "", done: blocks(false) }, at(3));
    let shown = state.shown_notices();
    assert_eq!(shown.matches("hear me").count(), 2, "{shown}");
    assert!(shown.contains("once more") && !shown.contains(hidden), "{shown}");
}

#[test]
fn hidden_messages_of_a_loaded_page_join_those_that_are_there() {
    let mut state = state(&[]);
    state.ensure_room(&room("lobby"));
    state.go_to(ChatId::Room(room("lobby")), at(0));
    state.set_blocked([name("buzz")].into());
    state.on_event(Event::Joined { room: room("lobby"), head: position(0) }, at(0));
    for seq in [7, 8] {
        state.said("lobby", seq, "buzz", "late");
    }
    state.said("lobby", 9, "kim", "hi");
    state.take_effects();
    state.shown_notices();
    state.request_history(at(1));
    let asked = state.take_effects();
    let from = position(7);
    assert_eq!(
        asked,
        [Effect::LoadPage { room: room("lobby"), direction: PageDirection::Older, from }]
    );
    let items = vec![message("lobby", 5, "kim", "early"), message("lobby", 6, "buzz", "older")];
    let result = Ok(crate::client::Page { items, next: None });
    state.on_outcome(
        Outcome::Page { room: room("lobby"), direction: PageDirection::Older, result },
        at(2),
    );
    let shown = state.shown_notices();
    assert_eq!(shown.matches("buzz is blocked: hidden").count(), 1, "{shown}");
    assert!(shown.contains("early"), "{shown}");
    state.set_blocked(Default::default());
    let shown = state.shown_notices();
    let at = ["early", "older", "late", "hi"].map(|said| shown.find(said).unwrap());
    assert!(at.is_sorted(), "{shown}");
}

#[test]
fn notices_at_the_start_are_below_the_history() {
    let mut state = state(&[]);
    state.ensure_room(&room("lobby"));
    state.go_to(ChatId::Room(room("lobby")), at(0));
    state.greet(at(9));
    state.on_event(Event::Joined { room: room("lobby"), head: position(2) }, at(9));
    state.said("lobby", 1, "kim", "early");
    state.announce("buzz is here", false, at(10));
    state.said("lobby", 2, "kim", "earlier");
    state.said("lobby", 3, "kim", "now");
    let shown = state.shown_notices();
    let order = ["early", "earlier", "sova on", "buzz is here", "now"];
    let found = order.map(|said| shown.find(said).unwrap());
    assert!(found.is_sorted(), "{shown}");
}

#[test]
fn the_next_page_of_hits_is_loaded_when_the_end_comes_near() {
    let mut state = lobby();
    let terms = SearchTerms::parse("number").unwrap();
    let arrive = |state: &mut State,
                  token: &str,
                  seqs: std::ops::Range<u64>,
                  next: Option<&str>| {
        let hit =
            |seq| SearchHit { message: message("lobby", seq, "buzz", "number"), ranges: vec![] };
        let result = Ok(Page { items: seqs.map(hit).collect(), next: next.map(str::to_owned) });
        let (terms, token) = (terms.clone(), token.to_owned());
        state.on_outcome(Outcome::Hits { terms, token, result }, at(2));
    };
    let count = |state: &State| match &state.overlay {
        Some(Overlay::Hits(found)) => found.hits.len(),
        _ => 0,
    };
    let wanted = |token: &str| Effect::Search { terms: terms.clone(), token: token.to_owned() };
    arrive(&mut state, "", 1..51, Some("two"));
    assert_eq!(state.take_effects(), [], "the end is far");
    assert!(state.shown_notices().contains("50 or more found: number"));
    for _ in 0..45 {
        state.press(KeyCode::Down, at(3));
    }
    assert_eq!(state.take_effects(), [wanted("two")], "once");
    arrive(&mut state, "two", 51..61, Some("three"));
    assert_eq!(count(&state), 60);
    state.press(KeyCode::End, at(3));
    assert_eq!(state.take_effects(), [wanted("three")]);
    state.overlay = None;
    arrive(&mut state, "three", 61..71, None);
    assert!(state.overlay.is_none(), "a late page opens nothing");
}

#[test]
fn a_hit_in_a_room_that_is_not_joined_is_shown_after_joining() {
    let mut state = lobby();
    let hit = SearchHit {
        message: message("ops", 7, "buzz", "the disk"),
        ranges: std::iter::once(4..8).collect(),
    };
    let (message, terms) = (hit.message.clone(), SearchTerms::parse("disk").unwrap());
    let result = Ok(Page { items: vec![hit], next: None });
    state.on_outcome(Outcome::Hits { terms, token: String::new(), result }, at(2));
    let shown = state.shown_notices();
    assert!(shown.contains("ops buzz: the disk"), "{shown}");
    state.take_effects();
    state.press(KeyCode::Enter, at(3));
    let joins = |effect: &Effect| {
        use crate::cli::chat::input::Request::Join;
        matches!(effect, Effect::Run { request: Join(name), .. } if *name == room("ops"))
    };
    assert!(state.take_effects().iter().any(joins));
    state.on_event(Event::Joined { room: room("ops"), head: position(90) }, at(4));
    let done = crate::cli::chat::actions::ActionOutcome::Joined(room("ops"));
    state.on_outcome(Outcome::Ran { title: "", done }, at(4));
    assert_eq!(state.current_room(), Some(&room("ops")));
    assert!(state.take_effects().contains(&Effect::LoadContext(Box::new(message.clone()))));
    let result =
        Ok((Page { items: Vec::new(), next: None }, Page { items: Vec::new(), next: None }));
    state.on_outcome(Outcome::Context { message: Box::new(message), result }, at(5));
    assert!(state.shown().iter().any(|row| row.contains("the disk")), "{:?}", state.shown());
}
