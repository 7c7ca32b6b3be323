//! Going to the first unread message.

use super::*;
use crate::client::Page;

fn number(state: &mut State, line: &str) -> Option<usize> {
    state.shown().iter().position(|row| row.contains(line))
}

/// `ops` with this last message before joining, read up to a position in an earlier chat.
fn joined_ops(head: u64, read: Option<u64>) -> State {
    let mut state = state(&["lobby"]);
    if let Some(read) = read {
        state.set_read_positions([(room("ops"), position(read))].into());
    }
    state.on_event(Event::Joined { room: room("ops"), head: position(head) }, at(0));
    state
}

fn page(seqs: std::ops::RangeInclusive<u64>, more: bool) -> Page<Message> {
    let items = seqs.map(|seq| message("ops", seq, "buzz", &format!("number {seq};"))).collect();
    Page { items, next: more.then(|| "more".into()) }
}

#[test]
fn a_room_that_was_never_read_opens_at_its_first_message_of_many() {
    let mut state = joined_ops(0, None);
    for seq in 1..=150 {
        state.said("ops", seq, "buzz", &format!("number {seq};"));
    }
    assert_eq!(state.room(&room("ops")).unwrap().unread, 150);
    state.go_to(ChatId::Room(room("ops")), at(1));
    assert_eq!(number(&mut state, " new messages "), Some(0), "{:?}", state.shown());
    assert_eq!(number(&mut state, "number 1;"), Some(1));
    assert_eq!(state.room(&room("ops")).unwrap().unread, 150, "not read to the end");
    state.perform(Action::Bottom, at(2));
    state.shown();
    assert_eq!(state.room(&room("ops")).unwrap().unread, 0);
    state.perform(Action::FirstUnread, at(3));
    assert_eq!(number(&mut state, "number 1;"), Some(1), "the line stays");
}

#[test]
fn a_few_unread_messages_are_seen_at_once() {
    let mut state = joined_ops(0, None);
    state.said("ops", 1, "buzz", "number 1;");
    state.go_to(ChatId::Room(room("ops")), at(1));
    assert_eq!(state.shown().len(), 2);
    assert_eq!(state.room(&room("ops")).unwrap().unread, 0);
    state.go_to(ChatId::Room(room("lobby")), at(1));
    state.perform(Action::FirstUnread, at(3));
    assert!(state.toast.as_ref().is_some_and(|toast| toast.text.contains("no unread")));
}

#[test]
fn unread_messages_that_are_not_loaded_are_loaded_when_their_room_is_opened() {
    let mut state = joined_ops(500, Some(200));
    for seq in 401..=500 {
        state.said("ops", seq, "buzz", &format!("number {seq};"));
    }
    let ops = state.room(&room("ops")).unwrap();
    assert!(ops.unread == 100 && ops.has_more_unread);
    state.take_effects();
    state.go_to(ChatId::Room(room("ops")), at(1));
    let load = Effect::LoadUnread { room: room("ops"), after: position(200) };
    assert!(state.take_effects().contains(&load));
    let result = Ok(page(201..=300, true));
    state.on_outcome(Outcome::Unread { room: room("ops"), result }, at(2));
    assert_eq!(number(&mut state, " new messages "), Some(0));
    assert_eq!(number(&mut state, "number 201;"), Some(1));
    // The rest follows page by page, until the latest messages are reached.
    for seqs in [301..=400, 401..=500] {
        let more = *seqs.end() < 500;
        state.perform(Action::PageDown, at(3));
        state.transcript_mut().unwrap().to_end();
        state.shown();
        state.take_effects();
        state.request_history(at(3));
        let wanted = |e: &Effect| {
            matches!(e, Effect::LoadPage { direction: PageDirection::Newer, from, .. }
                if from.seq + 1 == *seqs.start())
        };
        assert!(state.take_effects().iter().any(wanted), "{seqs:?}");
        let result = Ok(page(seqs, more));
        let direction = PageDirection::Newer;
        state.on_outcome(Outcome::Page { room: room("ops"), direction, result }, at(3));
    }
    state.perform(Action::Bottom, at(4));
    state.shown();
    let ops = state.room(&room("ops")).unwrap();
    assert_eq!((ops.unread, ops.has_more_unread, ops.read), (0, false, Some(position(500))));
}

#[test]
fn the_first_room_of_a_chat_opens_at_what_came_since_the_last_one() {
    let mut state = state(&[]);
    state.ensure_room(&room("lobby"));
    state.set_read_positions([(room("lobby"), position(1))].into());
    state.go_to(ChatId::Room(room("lobby")), at(0));
    state.on_event(Event::Joined { room: room("lobby"), head: position(90) }, at(0));
    for seq in 1..=90 {
        state.said("lobby", seq, "buzz", &format!("number {seq};"));
    }
    assert_eq!(number(&mut state, "number 1;"), Some(0));
    assert_eq!(number(&mut state, " new messages "), Some(1));
    assert_eq!(state.room(&room("lobby")).unwrap().unread, 89);
    assert_eq!(state.read_positions()[&room("lobby")], position(1), "not read yet");
}

#[test]
fn a_room_that_was_left_is_not_unread_when_it_is_joined_again() {
    let mut state = joined_ops(2, Some(1));
    for seq in 1..=2 {
        state.said("ops", seq, "buzz", "hello");
    }
    state.go_to(ChatId::Room(room("ops")), at(1));
    state.shown();
    state.on_event(Event::Left { room: room("ops") }, at(2));
    state.on_event(Event::Joined { room: room("ops"), head: position(2) }, at(3));
    for seq in 1..=2 {
        state.said("ops", seq, "buzz", "hello");
    }
    assert_eq!(state.room(&room("ops")).unwrap().unread, 0);
}
