//! The offer to queue a message to a peer who cannot be reached, and what the last line says about sending.

use super::*;
use crate::client::{ConversationChange, ConversationUpdate, Error};

/// A direct chat with dora and one with carl, who are both away, and the ids of failed messages: two to
/// dora, the second of which is offered.
fn with_an_offer() -> (State, [MessageId; 2]) {
    let mut state = state(&["lobby"]);
    let ids = ["old", "new"].map(|said| fails(&mut state, "dora", said));
    (state, ids)
}

fn fails(state: &mut State, to: &str, said: &str) -> MessageId {
    let effects = state.line(&format!("/msg {to} {said}"), at(1));
    let sent = effects.iter().find_map(|effect| match effect {
        Effect::Send { id, .. } => Some(*id),
        _ => None,
    });
    let id = sent.unwrap_or_else(|| panic!("not sent: {effects:?}"));
    let peer = name(to);
    let error = Error::PeerUnreachable { peer: to.into(), cause: "nobody listens".into() };
    let event = ConversationUpdate { peer, change: ConversationChange::Failed { id, error } };
    state.on_conversation(event, at(2));
    id
}

/// The ids of the messages that these effects queue.
fn queued(effects: Vec<Effect>) -> Vec<MessageId> {
    let queued = effects.into_iter().filter_map(|effect| match effect {
        Effect::Queue { id, .. } => Some(id),
        _ => None,
    });
    queued.collect()
}

#[test]
fn enter_and_queue_keep_the_offered_message() {
    let (mut state, [_, new]) = with_an_offer();
    state.press(KeyCode::Enter, at(3));
    assert_eq!(queued(state.take_effects()), [new], "and not the older one");
    state.press(KeyCode::Enter, at(3));
    assert_eq!(queued(state.take_effects()), [], "once");

    let (mut state, [old, new]) = with_an_offer();
    "/queue".chars().for_each(|c| state.press(KeyCode::Char(c), at(3)));
    state.press(KeyCode::Enter, at(3));
    assert_eq!(queued(state.take_effects()), [new]);

    // A message to another peer than that of the current chat.
    state.go_to(ChatId::Peer(name("dora")), at(4));
    for line in ["", "/queue"] {
        let id = fails(&mut state, "carl", "x");
        assert_eq!(queued(state.line(line, at(5))), [id], "{line:?}");
    }
    assert_eq!(queued(state.line("/queue", at(6))), [old], "without an offer, the oldest one here");
}

#[test]
fn an_offer_ends_when_the_user_does_something_else() {
    type Act = fn(&mut State);
    let others: &[(&str, Act)] = &[
        ("another chat", |state| {
            state.go_to(ChatId::Peer(name("dora")), at(3));
            state.go_to(ChatId::Room(room("lobby")), at(3));
        }),
        ("typing", |state| {
            state.press(KeyCode::Char('/'), at(3));
            state.press(KeyCode::Backspace, at(3));
        }),
        ("a cleared input", |state| {
            state.composer.set("/search x");
            state.perform(Action::Interrupt, at(3));
        }),
        ("a post", |state| _ = state.line("to the room", at(3))),
        ("a command", |state| _ = state.line("/theme", at(3))),
        ("a refused command", |state| {
            state.line("/msgg", at(3));
            state.composer.set("");
        }),
    ];
    for (other, act) in others {
        let (mut state, _) = with_an_offer();
        act(&mut state);
        state.take_effects();
        state.press(KeyCode::Enter, at(4));
        assert_eq!(queued(state.take_effects()), [], "after {other}");
    }
}

#[test]
fn enter_keeps_the_offered_message_though_a_long_one_is_in_view() {
    let (mut state, [_, new]) = with_an_offer();
    state.said("lobby", 1, "kim", &"row\n".repeat(50));
    let folded = state.shown();
    state.press(KeyCode::Enter, at(3));
    assert_eq!(queued(state.take_effects()), [new]);
    assert_eq!(state.shown(), folded);
    state.press(KeyCode::Enter, at(3));
    assert_ne!(state.shown(), folded, "the next one shows it");
}

#[test]
fn the_last_line_says_that_a_direct_message_is_sent_only_once_it_is() {
    let said = |state: &State| state.toast.as_ref().map(|toast| toast.text.clone());
    let is = |text: &str| Some(text.to_owned());
    let mut state = state(&["lobby"]);
    state.line("/msg ann psst", at(1));
    assert_eq!(said(&state), is("sending to ann only: see the list on the left"));
    let id = state.direct_chats[0].unsent.ids().next().unwrap();
    let change = ConversationChange::Delivered { id, endpoint: None };
    state.on_conversation(ConversationUpdate { peer: name("ann"), change }, at(2));
    assert_eq!(said(&state), is("sent to ann only: see the list on the left"));

    fails(&mut state, "ann", "again");
    let shown = state.shown_notices();
    assert!(shown.contains("not sent to ann: ann is unreachable"), "{shown}");
    assert!(said(&state).is_none_or(|text| text.starts_with("not sent")), "{:?}", said(&state));
    assert!(!shown.contains("sending to ann only"), "{shown}");
}
