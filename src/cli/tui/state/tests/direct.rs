//! Direct chats: who receives a text, and its delivery.

use super::*;
use crate::{
    client::{
        ConversationChange, ConversationEvent, ConversationUpdate, Direct, Error, Verification,
    },
    model::{DirectMessage, Endpoint, Fingerprint, Receipt},
};

pub(super) fn update(state: &mut State, change: ConversationChange, now: Moment) {
    state.on_conversation(ConversationUpdate { peer: name("buzz"), change }, now);
}

pub(super) fn direct(who: &str, said: &str) -> Direct {
    let message =
        DirectMessage { id: MessageId::new(), sender: name(who), sent_at: None, text: text(said) };
    Direct {
        message,
        verification: Verification::Known(Fingerprint::from_bytes([7; 32])),
        from: None,
    }
}

/// A state in a direct chat with buzz, with a live conversation.
pub(super) fn with_buzz() -> State {
    let mut state = state(&["lobby"]);
    let effects = state.line("/msg buzz", at(1));
    assert!(effects.contains(&Effect::Open(name("buzz"))), "{effects:?}");
    update(
        &mut state,
        ConversationChange::Open(Some(Endpoint::parse("127.0.0.1:54322").unwrap())),
        at(1),
    );
    assert_eq!(state.current_peer(), Some(&name("buzz")));
    state.take_effects();
    state
}

/// Sends a message and returns its id. Asserts that it goes only to buzz.
#[track_caller]
pub(super) fn say(state: &mut State, said: &str) -> MessageId {
    let effects = state.line(said, at(1));
    match effects.as_slice() {
        [Effect::Send { id, to, text }] if *to == name("buzz") && text.as_str() == said => *id,
        _ => panic!("{effects:?}"),
    }
}

#[test]
fn direct_messages_go_to_the_peer_and_are_not_stored() {
    let mut state = with_buzz();
    say(&mut state, "between us");
    say(&mut state, "//even with a slash".trim_start_matches('/'));
    // A paste with a command inside is not sent.
    assert_eq!(state.line("hello\n/join ops", at(1)), []);
    assert!(state.toast.as_ref().unwrap().text.contains("not sent"));
    assert_eq!(state.composer.text(), "hello\n/join ops", "and is not lost");
}

#[test]
fn an_unseen_or_wide_first_character_makes_no_post_of_a_command() {
    for command in ["\u{feff}/msg buzz psst", "\u{200d}/msg buzz psst", "／msg buzz psst"] {
        let effects = state(&["lobby"]).line(command, at(1));
        let sent = |effect: &Effect| match effect {
            Effect::Send { text, .. } => Some(text.as_str().to_owned()),
            Effect::Post { text, .. } => Some(format!("a post: {}", text.as_str())),
            _ => None,
        };
        let sent: Vec<String> = effects.iter().filter_map(sent).collect();
        assert_eq!(sent, ["psst"], "{command:?}");
    }
    for refused in ["∕msg buzz psst", "hello\n\u{200d}/msg buzz psst", "hello\n／msg buzz psst"]
    {
        assert_eq!(state(&["lobby"]).line(refused, at(1)), [], "{refused:?}");
    }
}

#[test]
fn posts_are_stored_in_the_history_and_private_lines_are_not() {
    let mut state = state(&["lobby"]);
    let effects = state.line("hello", at(1));
    assert_eq!(effects[0], Effect::StoreInput("hello".into()));
    let effects = state.line("/msg buzz psst", at(1));
    assert!(!effects.iter().any(|c| matches!(c, Effect::StoreInput(_) | Effect::Post { .. })));
    assert_eq!(state.current_room(), Some(&room("lobby")), "one stays where one is");
    let stored = |effects: Vec<Effect>| effects.iter().any(|c| matches!(c, Effect::StoreInput(_)));
    assert!(stored(state.line("/search psst", at(1))));
    state.line("/msg buzz", at(1));
    assert!(!stored(state.line("/search secret", at(1))), "words of direct messages");
    state.line("/join lobby", at(1));
    assert_eq!(state.line("/mgs buzz psst", at(1)), []);
    assert_eq!(state.line("hello\n/msg buzz psst", at(1)), []);
}

#[test]
fn direct_messages_are_recalled_only_in_their_chat() {
    let mut state = state(&["lobby"]);
    state.line("hello all", at(1));
    state.line("/msg eve", at(1));
    state.line("for eve alone", at(1));
    state.line("/msg buzz", at(1));
    say(&mut state, "between us");
    say(&mut state, "and this");
    state.perform(Action::HistoryUp, at(2));
    assert_eq!(state.composer.text(), "and this");
    state.perform(Action::HistoryUp, at(2));
    assert_eq!(state.composer.text(), "between us");
    state.perform(Action::HistoryUp, at(2));
    assert_eq!(state.composer.text(), "/msg buzz", "it says itself to whom");
    state.perform(Action::HistoryDown, at(2));
    assert_eq!(state.composer.text(), "between us");
    state.composer.set("");
    state.perform(Action::GoTo(1), at(3));
    let mut found = Vec::new();
    for _ in 0..9 {
        state.perform(Action::HistoryUp, at(3));
        found.push(state.composer.text());
    }
    found.dedup();
    assert_eq!(found, ["/msg buzz", "/msg eve", "hello all"]);
    for expected in ["/msg eve", "/msg buzz", ""] {
        state.perform(Action::HistoryDown, at(3));
        assert_eq!(state.composer.text(), expected);
    }
}

#[test]
fn a_message_is_sent_delivered_and_read() {
    let mut state = with_buzz();
    let first = say(&mut state, "one");
    let second = say(&mut state, "two");
    assert_eq!(state.shown(), ["12:00 sova  one …", "12:00 sova  two …"]);
    for id in [first, second] {
        update(&mut state, ConversationChange::Delivered { id, endpoint: None }, at(2));
    }
    let path = "direct 127.0.0.1:54322";
    let held = [format!("12:00 sova  one ✓ {path}"), "12:00 sova  two ✓".into()];
    assert_eq!(state.shown(), held, "how it went is said once");
    update(&mut state, ConversationChange::Event(ConversationEvent::Read(second)), at(3));
    assert!(state.shown().iter().all(|row| row.contains("✓✓")), "{:?}", state.shown());
    assert!(state.unsent().is_empty());
}

#[test]
fn a_failed_message_can_be_retried_or_queued() {
    let mut state = with_buzz();
    let id = say(&mut state, "are you there?");
    let error = Error::PeerUnknown(name("buzz"));
    update(&mut state, ConversationChange::Failed { id, error: error.clone() }, at(2));
    let shown = state.shown().join(" ");
    assert!(shown.contains("✗ buzz is unreachable: Enter or /queue"), "{shown}");
    state.perform(Action::Retry, at(3));
    let again = Effect::Send { id, to: name("buzz"), text: text("are you there?") };
    assert_eq!(state.take_effects(), [again]);
    update(&mut state, ConversationChange::Failed { id, error }, at(4));
    let queue = Effect::Queue { id, to: name("buzz"), text: text("are you there?") };
    assert!(state.line("/queue", at(4)).contains(&queue));
    update(
        &mut state,
        ConversationChange::Failed { id, error: Error::PeerUnknown(name("buzz")) },
        at(4),
    );
    state.perform(Action::Submit, at(4));
    assert!(state.take_effects().contains(&queue), "Enter does the same");
    state.on_outcome(Outcome::Queued { id, to: name("buzz"), result: Ok(true) }, at(5));
    assert!(state.shown()[0].contains('⧗'), "{:?}", state.shown());
    assert!(state.unsent().is_empty(), "it is kept");
    let receipt = Receipt { id, receiver: name("buzz"), accepted_at: at(6).wall, duplicate: false };
    let endpoint = Some(Endpoint::parse("127.0.0.1:54322").unwrap());
    state.on_event(Event::QueuedDelivered { id, receipt, endpoint }, at(6));
    let shown = state.shown();
    assert!(shown[0].contains("✓ direct 127.0.0.1:54322"), "as the attempt went: {shown:?}");
}

#[test]
fn a_read_mark_before_the_receipt_counts() {
    let mut state = with_buzz();
    let id = say(&mut state, "quick");
    // Over another connection than the receipt.
    update(&mut state, ConversationChange::Event(ConversationEvent::Read(id)), at(2));
    assert!(state.shown().iter().any(|row| row.ends_with("quick …")), "{:?}", state.shown());
    let endpoint = Some(Endpoint::parse("127.0.0.1:54322").unwrap());
    update(&mut state, ConversationChange::Delivered { id, endpoint }, at(2));
    let read = "quick ✓✓ direct 127.0.0.1:54322";
    assert!(state.shown().iter().any(|row| row.ends_with(read)), "{:?}", state.shown());
}

#[test]
fn a_retried_message_is_not_covered_by_earlier_read_marks() {
    let mut state = with_buzz();
    let [one, two, three] = ["one", "two", "three"].map(|said| say(&mut state, said));
    for id in [one, two] {
        let error = Error::PeerUnknown(name("buzz"));
        update(&mut state, ConversationChange::Failed { id, error }, at(2));
    }
    update(&mut state, ConversationChange::Delivered { id: three, endpoint: None }, at(3));
    update(&mut state, ConversationChange::Event(ConversationEvent::Read(three)), at(3));
    state.take_effects();
    for id in [one, two] {
        state.perform(Action::Retry, at(4));
        assert!(
            matches!(state.take_effects()[..], [Effect::Send { id: again, .. }] if again == id)
        );
        update(&mut state, ConversationChange::Delivered { id, endpoint: None }, at(4));
    }
    let marks = |state: &mut State| state.shown().iter().map(|row| row.contains("✓✓")).collect();
    let read: Vec<bool> = marks(&mut state);
    assert_eq!(read[..3], [false, false, true], "{:?}", state.shown());
    update(&mut state, ConversationChange::Event(ConversationEvent::Read(one)), at(5));
    let read: Vec<bool> = marks(&mut state);
    assert_eq!(read[..3], [true, false, true], "{:?}", state.shown());
}

#[test]
fn a_message_with_a_known_id_replaces_nothing() {
    let mut state = with_buzz();
    let id = say(&mut state, "I never agreed to that");
    update(&mut state, ConversationChange::Delivered { id, endpoint: None }, at(2));
    let mut forged = direct("buzz", "I agree");
    forged.message.id = id;
    state.on_event(Event::Direct(forged.clone()), at(2));
    forged.message.text = text("I said no such thing");
    state.on_event(Event::Direct(forged), at(3));
    let said =
        ["12:00 sova  I never agreed to that ✓ direct 127.0.0.1:54322", "12:00 buzz  I agree"];
    assert_eq!(state.shown(), said);
    update(&mut state, ConversationChange::Event(ConversationEvent::Read(id)), at(3));
    assert!(state.shown()[0].contains("✓✓"), "{:?}", state.shown());
}

#[test]
fn messages_are_marked_as_read_when_they_are_seen() {
    let mut state = with_buzz();
    let seen = direct("buzz", "hi");
    state.on_event(Event::Direct(seen.clone()), at(2));
    let id = seen.message.id;
    let looked = Effect::MarkSeen { from: name("buzz"), ids: vec![id] };
    assert_eq!(state.take_effects(), [looked, Effect::MarkRead { to: name("buzz"), id }]);
    state.on_terminal_event(Typed::FocusLost, at(3));
    let unseen = direct("buzz", "again");
    state.on_event(Event::Direct(unseen.clone()), at(3));
    let notice = Effect::ShowNotice { title: "buzz".into(), text: "again".into() };
    assert_eq!(state.take_effects(), [notice, Effect::Bell]);
    assert_eq!(state.direct_chat(&name("buzz")).unwrap().unread, 1);
    state.on_terminal_event(Typed::FocusGained, at(4));
    let id = unseen.message.id;
    let looked = Effect::MarkSeen { from: name("buzz"), ids: vec![id] };
    assert_eq!(state.take_effects(), [looked, Effect::MarkRead { to: name("buzz"), id }]);
    assert!(state.unread_messages().is_empty());
    state.perform(Action::GoTo(1), at(4));
    state.on_event(Event::Direct(direct("buzz", "elsewhere")), at(5));
    assert!(state.unread_messages()[0].ends_with("[direct] buzz (known): elsewhere"));
    assert!(!state.take_effects().iter().any(|effect| matches!(effect, Effect::MarkRead { .. })));
    assert_eq!(state.direct_chat(&name("buzz")).unwrap().unread, 1);
}

#[test]
fn the_exit_report_contains_no_texts_in_a_file() {
    let mut state = with_buzz();
    say(&mut state, "my secret");
    say(&mut state, "another");
    state.perform(Action::GoTo(1), at(2));
    state.on_event(Event::Direct(direct("buzz", "your secret")), at(2));
    let left = state.exit_report(true);
    assert!(left[0].starts_with("not read: ") && left[0].ends_with("buzz (known): your secret"));
    assert_eq!(left[1..], ["not sent to buzz: my secret", "not sent to buzz: another"]);
    assert_eq!(state.exit_report(false), ["not read: 1 from buzz", "not sent to buzz: 2"]);
    for _ in 0..150 {
        state.on_event(Event::Direct(direct("buzz", "more")), at(3));
    }
    let left = state.exit_report(true);
    assert!(left.contains(&"not read: 51 more from buzz".to_owned()), "{left:?}");
    assert_eq!(state.exit_report(false)[0], "not read: 151 from buzz");
}

#[test]
fn typing_is_notified_at_intervals_and_expires() {
    let mut state = with_buzz();
    let typing = |active| Effect::Typing { to: name("buzz"), active };
    for (second, expected) in [(10, vec![typing(true)]), (11, vec![]), (13, vec![typing(true)])] {
        state.press(KeyCode::Char('x'), at(second));
        assert_eq!(state.take_effects(), expected, "after {second} s");
    }
    state.perform(Action::Interrupt, at(13));
    assert_eq!(state.take_effects(), [typing(false)]);
    state.composer.set("/join op");
    state.press(KeyCode::Char('s'), at(14));
    assert_eq!(state.take_effects(), [Effect::ListRooms], "a command is nobody's business");
    for command in ["／msg colt a", " /msg colt a", "P2P ::1 1 a"] {
        state.composer.set(command);
        state.press(KeyCode::Char('b'), at(18));
        assert_eq!(state.take_effects(), [], "{command}");
    }

    update(&mut state, ConversationChange::Event(ConversationEvent::Typing(true)), at(20));
    assert!(state.direct_chat(&name("buzz")).unwrap().is_typing(at(25)));
    assert!(!state.on_tick(at(25)) || state.direct_chat(&name("buzz")).unwrap().is_typing(at(25)));
    assert!(state.on_tick(at(26)));
    assert!(!state.direct_chat(&name("buzz")).unwrap().is_typing(at(26)));
}

#[test]
fn a_changed_key_is_reported_with_what_to_do() {
    let mut state = with_buzz();
    let [known, offered] = [1, 2].map(|byte| Fingerprint::from_bytes([byte; 32]));
    let id = say(&mut state, "secret");
    let error = Error::KeyChanged { name: name("buzz"), known, offered };
    update(&mut state, ConversationChange::Failed { id, error }, at(2));
    let said = state.toast.as_ref().unwrap().text.clone();
    assert!(said.contains(&format!("/accept buzz {offered}")), "{said}");
    assert_eq!(state.unsent(), ["not sent to buzz: secret"]);
}

#[test]
fn the_trust_level_is_shown_when_it_changes_or_as_a_warning() {
    let mut state = with_buzz();
    let with = |said: &str, verification| Direct { verification, ..direct("buzz", said) };
    let key = Fingerprint::from_bytes([7; 32]);
    let said = [
        ("one", Verification::Known(key)),
        ("two", Verification::Verified(key)),
        ("three", Verification::Verified(key)),
        ("four", Verification::Unverified(None)),
        ("five", Verification::Unverified(None)),
    ];
    for (said, standing) in said {
        state.on_event(Event::Direct(with(said, standing)), at(2));
    }
    let shown: Vec<String> = state.shown().iter().map(|row| row[12..].to_owned()).collect();
    let expected = ["one", "two (verified)", "three", "four (unverified)", "five (unverified)"];
    assert_eq!(shown, expected);
}

#[test]
fn a_late_message_shows_when_it_was_written() {
    let mut state = with_buzz();
    let noon = at(0).wall;
    for (said, before) in [("late", 120), ("older", 86_400 * 2), ("fresh", 30)] {
        let mut late = direct("buzz", said);
        late.message.sent_at = Some(noon - Duration::from_secs(before));
        state.on_event(Event::Direct(late), at(0));
    }
    let shown = state.shown();
    assert!(shown[0].ends_with("late (from 11:58)"), "{shown:?}");
    assert!(shown[1].ends_with("older (from 2026-11-20 12:00)"), "{shown:?}");
    assert!(shown[2].ends_with("fresh"), "{shown:?}");
}
