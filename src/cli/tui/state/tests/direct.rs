//! Direct conversations: whom a text reaches, and what becomes of it.

use super::*;
use crate::{
    cli::tui::talks::{Told, What},
    client::{ConversationEvent, Direct, Standing},
    error::Error,
    model::{DirectMessage, Endpoint, Fingerprint, Receipt},
};

fn told(state: &mut State, what: What, now: Now) {
    state.told(Told { peer: name("buzz"), what }, now);
}

fn direct(who: &str, said: &str) -> Direct {
    let message =
        DirectMessage { id: MessageId::new(), sender: name(who), sent_at: None, text: text(said) };
    Direct { message, standing: Standing::Known(Fingerprint::from_bytes([7; 32])), from: None }
}

/// In a conversation with buzz, on a live line.
fn with_buzz() -> State {
    let mut state = state(&["lobby"]);
    let ordered = state.line("/msg buzz", at(1));
    assert!(ordered.contains(&Command::Open(name("buzz"))), "{ordered:?}");
    told(&mut state, What::Open(Some("direct 127.0.0.1:54322".into())), at(1));
    assert_eq!(state.current_peer(), Some(&name("buzz")));
    state.take();
    state
}

/// Says something and returns its id, after making sure that it goes to buzz alone.
#[track_caller]
fn say(state: &mut State, said: &str) -> MessageId {
    let ordered = state.line(said, at(1));
    match ordered.as_slice() {
        [Command::Say { id, to, text }] if *to == name("buzz") && text.as_str() == said => *id,
        _ => panic!("{ordered:?}"),
    }
}

#[test]
fn what_is_typed_in_a_conversation_goes_to_the_peer_alone_and_into_no_file() {
    let mut state = with_buzz();
    say(&mut state, "between us");
    say(&mut state, "//even with a slash".trim_start_matches('/'));
    // A paste with a command inside goes nowhere.
    assert_eq!(state.line("hello\n/join ops", at(1)), []);
    assert!(state.toast.as_ref().unwrap().said.contains("nothing was sent"));
    assert_eq!(state.composer.text(), "hello\n/join ops", "and is not lost");
}

#[test]
fn what_is_typed_in_a_room_goes_there_and_private_lines_into_no_file() {
    let mut state = state(&["lobby"]);
    let ordered = state.line("hello", at(1));
    assert_eq!(ordered[0], Command::Remember("hello".into()));
    let ordered = state.line("/msg buzz psst", at(1));
    assert!(!ordered.iter().any(|c| matches!(c, Command::Remember(_) | Command::Post { .. })));
    assert_eq!(state.current_room(), Some(&room("lobby")), "one stays where one is");
    assert_eq!(state.line("/mgs buzz psst", at(1)), []);
    assert_eq!(state.line("hello\n/msg buzz psst", at(1)), []);
}

#[test]
fn a_message_is_sent_held_and_read() {
    let mut state = with_buzz();
    let first = say(&mut state, "one");
    let second = say(&mut state, "two");
    assert_eq!(state.shown(), ["12:00 sova  one …", "12:00 sova  two …"]);
    for id in [first, second] {
        told(&mut state, What::Delivered { id, path: None }, at(2));
    }
    let path = "direct 127.0.0.1:54322";
    let held = [format!("12:00 sova  one ✓ {path}"), format!("12:00 sova  two ✓ {path}")];
    assert_eq!(state.shown(), held);
    told(&mut state, What::Heard(ConversationEvent::Read(second)), at(3));
    assert!(state.shown().iter().all(|row| row.contains("✓✓")), "{:?}", state.shown());
    assert!(state.unsent().is_empty());
}

#[test]
fn who_is_away_gets_it_later_or_again() {
    let mut state = with_buzz();
    let id = say(&mut state, "are you there?");
    let error = Error::PeerUnknown(name("buzz"));
    told(&mut state, What::Failed { id, error: error.clone() }, at(2));
    let shown = state.shown().join(" ");
    assert!(shown.contains("✗ buzz is away: Ctrl-R"), "{shown}");
    state.act(Action::Retry, at(3));
    let again = Command::Say { id, to: name("buzz"), text: text("are you there?") };
    assert_eq!(state.take(), [again]);
    told(&mut state, What::Failed { id, error }, at(4));
    let queue = Command::Queue { id, to: name("buzz"), text: text("are you there?") };
    assert!(state.line("/queue", at(4)).contains(&queue));
    state.done(Outcome::Queued { id, to: name("buzz"), result: Ok(()) }, at(5));
    assert!(state.shown()[0].contains('⧗'), "{:?}", state.shown());
    assert!(state.unsent().is_empty(), "it is kept");
    let receipt = Receipt { id, receiver: name("buzz"), accepted_at: at(6).wall, duplicate: false };
    let endpoint = Some(Endpoint::parse("127.0.0.1:54322").unwrap());
    state.hear(Event::QueuedDelivered { id, receipt, endpoint }, at(6));
    let shown = state.shown();
    assert!(shown[0].contains("✓ direct 127.0.0.1:54322"), "as the attempt went: {shown:?}");
}

#[test]
fn what_was_read_before_its_receipt_came_is_read() {
    let mut state = with_buzz();
    let id = say(&mut state, "quick");
    // Over another line than the receipt's.
    told(&mut state, What::Heard(ConversationEvent::Read(id)), at(2));
    assert!(state.shown().iter().any(|row| row.ends_with("quick …")), "{:?}", state.shown());
    let path = Some("direct 127.0.0.1:54322".into());
    told(&mut state, What::Delivered { id, path }, at(2));
    let read = "quick ✓✓ direct 127.0.0.1:54322";
    assert!(state.shown().iter().any(|row| row.ends_with(read)), "{:?}", state.shown());
}

#[test]
fn what_comes_is_marked_as_read_when_it_is_seen() {
    let mut state = with_buzz();
    let seen = direct("buzz", "hi");
    state.hear(Event::Direct(seen.clone()), at(2));
    let read = Command::MarkRead { to: name("buzz"), id: seen.message.id };
    assert_eq!(state.take(), [read]);
    state.terminal(Typed::FocusLost, at(3));
    let unseen = direct("buzz", "again");
    state.hear(Event::Direct(unseen.clone()), at(3));
    assert_eq!(state.take(), [Command::Bell]);
    assert_eq!(state.talk(&name("buzz")).unwrap().unread, 1);
    state.terminal(Typed::FocusGained, at(4));
    let read = Command::MarkRead { to: name("buzz"), id: unseen.message.id };
    assert_eq!(state.take(), [read]);
    assert!(state.unseen().is_empty());
    state.act(Action::GoTo(1), at(4));
    state.hear(Event::Direct(direct("buzz", "elsewhere")), at(5));
    assert!(state.unseen()[0].ends_with("[direct] buzz (known): elsewhere"));
    assert!(!state.take().iter().any(|command| matches!(command, Command::MarkRead { .. })));
    assert_eq!(state.talk(&name("buzz")).unwrap().unread, 1);
}

#[test]
fn typing_is_told_now_and_then_and_fades() {
    let mut state = with_buzz();
    let typing = |active| Command::Typing { to: name("buzz"), active };
    for (second, expected) in [(10, vec![typing(true)]), (11, vec![]), (13, vec![typing(true)])] {
        state.press(KeyCode::Char('x'), at(second));
        assert_eq!(state.take(), expected, "after {second} s");
    }
    state.act(Action::Interrupt, at(13));
    assert_eq!(state.take(), [typing(false)]);
    state.composer.set("/join op");
    state.press(KeyCode::Char('s'), at(14));
    assert_eq!(state.take(), [], "a command is nobody's business");

    told(&mut state, What::Heard(ConversationEvent::Typing(true)), at(20));
    assert!(state.talk(&name("buzz")).unwrap().is_typing(at(25)));
    assert!(!state.tick(at(25)) || state.talk(&name("buzz")).unwrap().is_typing(at(25)));
    assert!(state.tick(at(26)));
    assert!(!state.talk(&name("buzz")).unwrap().is_typing(at(26)));
}

#[test]
fn another_key_is_told_with_what_to_do() {
    let mut state = with_buzz();
    let [known, offered] = [1, 2].map(|byte| Fingerprint::from_bytes([byte; 32]));
    let id = say(&mut state, "secret");
    let error = Error::KeyChanged { name: name("buzz"), known, offered };
    told(&mut state, What::Failed { id, error }, at(2));
    let said = state.toast.as_ref().unwrap().said.clone();
    assert!(said.contains(&format!("/accept buzz {offered}")), "{said}");
    assert_eq!(state.unsent(), ["not sent to buzz: secret"]);
}

#[test]
fn names_that_others_make_up_do_not_fill_the_memory() {
    let mut state = with_buzz();
    for stranger in 0..1000 {
        state.hear(Event::Direct(direct(&format!("s{stranger}"), "hi")), at(2));
    }
    assert_eq!(state.talks.len(), 256);
    assert!(state.talk(&name("buzz")).is_some(), "the one in sight stays");
    assert!(state.talk(&name("s999")).is_some());
}
