//! Unknown peers: texts to them, and messages from made-up names.

use super::{
    direct::{direct, update, with_buzz},
    *,
};
use crate::client::{ConversationChange, ConversationUpdate, Direct, Error, Verification};

#[test]
fn made_up_names_do_not_fill_the_memory() {
    let mut state = with_buzz();
    for stranger in 0..1000 {
        state.on_event(Event::Direct(from_stranger(stranger)), at(2));
    }
    assert_eq!(state.direct_chats.len(), 256);
    assert!(state.direct_chat(&name("buzz")).is_some(), "the one in sight stays");
    assert!(state.direct_chat(&name("s999")).is_some());
}

#[test]
fn a_text_to_an_unknown_peer_returns_to_the_input() {
    let mut state = state(&["lobby"]);
    let effects = state.line("/msg dvae hi there", at(1));
    let id = match effects.last() {
        Some(Effect::Send { id, .. }) => *id,
        _ => panic!("{effects:?}"),
    };
    state.on_outcome(Outcome::Contact { name: name("dvae"), trust: None }, at(1));
    let error = Error::PeerUnknown(name("dvae"));
    state.on_conversation(
        ConversationUpdate { peer: name("dvae"), change: ConversationChange::Failed { id, error } },
        at(2),
    );
    assert!(state.direct_chats.is_empty() && state.unsent().is_empty());
    assert_eq!(state.composer.text(), "/msg dvae hi there");
    let said = &state.toast.as_ref().unwrap().text;
    assert_eq!(said, "not sent: nobody called dvae is on the hub or in your contact book");
}

#[test]
fn a_chat_with_an_unknown_peer_is_closed_unless_there_is_input() {
    for typed in ["", "hal"] {
        let mut state = state(&["lobby", "ops"]);
        state.perform(Action::GoTo(2), at(1));
        state.line("/msg dvae", at(1));
        state.composer.set(typed);
        state.on_outcome(Outcome::Contact { name: name("dvae"), trust: None }, at(1));
        let error = Error::PeerUnknown(name("dvae"));
        state.on_conversation(
            ConversationUpdate { peer: name("dvae"), change: ConversationChange::NotOpen(error) },
            at(2),
        );
        let stays = !typed.is_empty();
        assert_eq!(state.current_peer().is_some(), stays, "{typed:?}");
        assert_eq!(state.current_room().is_some_and(|at| *at == room("ops")), !stays);
        assert_eq!(state.composer.text(), typed);
    }
}

#[test]
fn without_a_room_a_chat_with_an_unknown_peer_leads_to_no_other_person() {
    let mut state = state(&[]);
    state.on_event(Event::Direct(direct("buzz", "hi")), at(1));
    state.line("/msg dvae", at(1));
    state.on_outcome(Outcome::Contact { name: name("dvae"), trust: None }, at(1));
    let error = Error::PeerUnknown(name("dvae"));
    state.on_conversation(
        ConversationUpdate { peer: name("dvae"), change: ConversationChange::NotOpen(error) },
        at(2),
    );
    assert_eq!((state.current.as_ref(), state.chats().len()), (None, 1));
}

#[test]
fn a_peer_in_the_contact_book_is_not_unknown() {
    let mut state = state(&["lobby"]);
    let effects = state.line("/msg buzz hi", at(1));
    let Some(Effect::Send { id, .. }) = effects.last() else { panic!("{effects:?}") };
    state
        .on_outcome(Outcome::Contact { name: name("buzz"), trust: Some(TrustLevel::Known) }, at(1));
    update(
        &mut state,
        ConversationChange::Failed { id: *id, error: Error::PeerUnknown(name("buzz")) },
        at(2),
    );
    assert_eq!((state.direct_chats.len(), state.unsent().len()), (1, 1));
}

fn from_stranger(number: usize) -> Direct {
    let verification = Verification::Unverified(None);
    Direct { verification, ..direct(&format!("s{number}"), "hi") }
}

#[test]
fn made_up_names_close_no_chat_that_matters() {
    let mut state = state(&["lobby"]);
    state.on_event(Event::Direct(direct("ann", "lunch?")), at(1));
    let impostor = Direct { verification: Verification::Unverified(None), ..direct("ann", "hi") };
    state.on_event(Event::Direct(impostor), at(1));
    state.line("/msg bob are you there?", at(1));
    state.line("/msg cleo", at(1));
    state.composer.set("half a tho");
    state.perform(Action::GoTo(1), at(1));
    let kept = ["ann", "bob", "cleo"].map(name);
    for stranger in 0..300 {
        state.on_event(Event::Direct(from_stranger(stranger)), at(2));
    }
    assert!(kept.iter().all(|name| state.direct_chat(name).is_some()));
    assert_eq!(state.direct_chat(&name("cleo")).unwrap().draft, "half a tho");
    assert_eq!(state.direct_chats.len(), 256);

    // If all chats matter, a stranger's message is only announced, but the user can open more chats.
    let strangers: Vec<_> = state.direct_chats.iter().map(|chat| chat.name.clone()).collect();
    for stranger in strangers {
        state.line(&format!("/msg {stranger} who are you?"), at(3));
    }
    state.on_event(Event::Direct(from_stranger(400)), at(4));
    assert!(state.direct_chat(&name("s400")).is_none());
    let shown = state.shown().join(" ");
    assert!(shown.contains("s400 (unverified): hi"), "{shown}");
    state.line("/msg dora hello", at(5));
    assert!(state.direct_chat(&name("dora")).is_some());
    assert!(kept.iter().all(|name| state.direct_chat(name).is_some()));
}
