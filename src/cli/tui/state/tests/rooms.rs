//! Rooms: the user's posts, and unread messages.

use super::*;
use crate::{
    client::Error,
    error::{Reason, Refusal},
};

fn fails(state: &mut State, id: MessageId, raw: &str, error: Error) {
    state.on_outcome(Outcome::Posted { id, room: room(raw), result: Err(error) }, at(2));
}

fn name_taken() -> Error {
    Error::Refused(Refusal {
        code: tonic::Code::AlreadyExists,
        reason: Reason::NameTaken,
        message: "the name sova is taken".into(),
        violations: Vec::new(),
        retry_after: None,
    })
}

#[test]
fn a_post_is_shown_at_once_and_moves_to_its_position() {
    let mut state = state(&["lobby"]);
    let first = state.posts("first");
    assert_eq!(state.shown(), ["12:00 sova  first …"]);
    state.said("lobby", 1, "buzz", "in between");
    state.comes_back(first, "lobby", 2, "first");
    assert_eq!(state.shown(), ["12:00 buzz  in between", "12:00 sova  first ✓"]);
    assert_eq!(state.sending(), 0);
    state.acked(first, "lobby", 2);
    assert_eq!(state.shown().len(), 2, "{:?}", state.shown());
}

#[test]
fn several_posts_keep_their_order_while_they_are_stored() {
    let mut state = state(&["lobby"]);
    let ids = ["a", "b", "c"].map(|text| state.posts(text));
    state.acked(ids[0], "lobby", 1);
    assert_eq!(state.shown(), ["12:00 sova  a ✓", "12:00 sova  b …", "12:00 sova  c …"]);
    for (seq, (id, said)) in (1..).zip(ids.into_iter().zip(["a", "b", "c"])) {
        state.comes_back(id, "lobby", seq, said);
        let shown = state.shown();
        let order: String = shown.iter().filter_map(|row| row.chars().nth(12)).collect();
        assert_eq!(order, "abc", "{shown:?}");
    }
}

#[test]
fn a_failed_post_is_retried_with_the_same_id() {
    let mut state = state(&["lobby"]);
    let id = state.posts("hello");
    fails(&mut state, id, "lobby", Error::protocol("no"));
    assert!(state.shown()[0].contains("hello ✗"), "{:?}", state.shown());
    assert_eq!((state.sending(), state.unsent().len()), (0, 1));
    state.perform(Action::Retry, at(3));
    let again = Effect::Post { id, room: room("lobby"), text: text("hello") };
    assert!(state.take_effects().contains(&again));
    assert_eq!(state.shown(), ["12:00 sova  hello …"]);
    state.comes_back(id, "lobby", 4, "hello");
    state.acked(id, "lobby", 4);
    assert_eq!(state.shown(), ["12:00 sova  hello ✓"]);
    assert!(state.unsent().is_empty());
    state.perform(Action::Retry, at(3));
    assert_eq!(state.take_effects(), []);
}

#[test]
fn a_post_that_only_seemed_to_fail_is_shown_once() {
    let mut state = state(&["lobby"]);
    let id = state.posts("hello");
    fails(&mut state, id, "lobby", Error::protocol("no"));
    state.comes_back(id, "lobby", 1, "hello");
    assert_eq!(state.shown(), ["12:00 sova  hello ✓"]);
    assert!(state.unsent().is_empty());
}

#[test]
fn when_the_client_stops_unsent_posts_fail_and_no_more_are_taken() {
    let mut state = state(&["lobby"]);
    state.posts("hello");
    state.on_client_end(&name_taken(), at(2));
    assert_eq!(state.sending(), 0);
    assert!(state.shown()[1].contains("the chat is over: the name sova is taken"));
    assert_eq!(state.unsent(), ["not posted in lobby: hello"]);
    assert_eq!(state.line("more", at(3)), []);
    assert_eq!(state.composer.text(), "more", "it is not lost");
    assert!(matches!(&state.hub_status, HubStatus::Ended(why) if why.contains("--name NAME")));
}

#[test]
fn when_the_client_stops_the_toast_about_waiting_is_closed() {
    let mut state = state(&["lobby"]);
    state.hub_status = HubStatus::Lost { retry_at: at(9).mono };
    state.posts("hello");
    assert!(state.shown_notices().contains("what you say is kept"));
    state.on_client_end(&name_taken(), at(2));
    assert!(!state.shown_notices().contains("what you say is kept"));
}

#[test]
fn messages_of_other_rooms_are_counted_as_unread() {
    let mut state = state(&["lobby", "ops"]);
    state.said("ops", 1, "buzz", "one");
    state.said("ops", 2, "buzz", "two, SOVA!");
    state.said("lobby", 3, "buzz", "here");
    let ops = state.room(&room("ops")).unwrap();
    assert_eq!((ops.unread, ops.mentioned), (2, true));
    assert_eq!(state.room(&room("lobby")).unwrap().unread, 0);
    // They would be unread again in the next chat.
    assert_eq!(state.read_positions().get(&room("ops")), Some(&position(0)));
    state.perform(Action::NextUnread, at(2));
    assert_eq!(state.current_room(), Some(&room("ops")));
    state.shown();
    let ops = state.room(&room("ops")).unwrap();
    assert_eq!((ops.unread, ops.mentioned), (0, false));
}

#[test]
fn the_new_line_is_above_messages_that_came_without_the_focus() {
    let mut state = state(&["lobby"]);
    state.said("lobby", 1, "buzz", "old");
    state.on_terminal_event(Typed::FocusLost, at(1));
    state.said("lobby", 2, "buzz", "new one");
    state.said("lobby", 3, "buzz", "another");
    state.on_terminal_event(Typed::FocusGained, at(2));
    let shown = state.shown();
    assert!(shown[1].contains("new"), "{shown:?}");
    assert_eq!((shown.len(), state.room(&room("lobby")).unwrap().unread), (4, 0));
    let id = state.posts("I have read it");
    state.comes_back(id, "lobby", 4, "I have read it");
    assert!(!state.shown()[1].contains(" new messages "), "{:?}", state.shown());
}

#[test]
fn the_bell_rings_for_mentions_without_the_focus() {
    let mut state = state(&["lobby", "ops"]);
    let rings = |state: &mut State| state.take_effects().contains(&Effect::Bell);
    state.said("lobby", 1, "buzz", "sova?");
    assert!(!rings(&mut state), "one looks");
    state.on_terminal_event(Typed::FocusLost, at(1));
    state.said("lobby", 2, "buzz", "nothing of you");
    assert!(!rings(&mut state));
    state.said("lobby", 3, "buzz", "sova?");
    assert!(rings(&mut state));
    state.said("lobby", 4, "buzz", "sova!");
    assert!(!rings(&mut state), "in the same second");
    let muted = Some(vec![room("ops")]);
    state.on_outcome(
        Outcome::Files { muted, blocked: None, settled: Vec::new(), problem: None },
        at(2),
    );
    state.on_event(Event::Message(message("ops", 5, "buzz", "sova!")), at(9));
    assert!(!rings(&mut state), "muted");
    state.on_event(Event::Message(message("lobby", 6, "buzz", "sova!")), at(10));
    assert!(rings(&mut state));
    state.quiet = true;
    state.on_event(Event::Message(message("lobby", 7, "buzz", "sova!")), at(20));
    assert!(!rings(&mut state), "quiet");
}

#[test]
fn history_is_not_unread() {
    let mut state = state(&[]);
    state.on_event(Event::Joined { room: room("ops"), head: position(2) }, at(0));
    state.ensure_room(&room("lobby"));
    state.go_to(ChatId::Room(room("lobby")), at(0));
    state.said("ops", 1, "buzz", "sova, old");
    state.said("ops", 2, "buzz", "old");
    assert_eq!(state.room(&room("ops")).unwrap().unread, 0);
    state.said("ops", 3, "buzz", "new");
    assert_eq!(state.room(&room("ops")).unwrap().unread, 1);
}

#[test]
fn leaving_a_room_keeps_the_input() {
    let mut state = state(&["lobby", "ops"]);
    state.composer.set("for the lobby");
    state.on_event(Event::Left { room: room("lobby") }, at(1));
    assert_eq!((state.current.as_ref(), state.composer.text().as_str()), (None, "for the lobby"));
    state.perform(Action::Submit, at(1));
    assert!(!state.take_effects().iter().any(|effect| matches!(effect, Effect::Post { .. })));
    state.go_to(ChatId::Room(room("ops")), at(1));
    assert_eq!(state.composer.text(), "for the lobby", "now the person has chosen");
    state.composer.clear();
    state.on_event(Event::Left { room: room("ops") }, at(1));
    assert_eq!(state.chats(), []);
}

#[test]
fn the_reason_why_a_room_is_refused_names_no_field() {
    let mut state = state(&["lobby", "ops"]);
    let error = Error::invalid("room", "it is closed");
    state.on_event(Event::JoinRefused { room: room("ops"), error }, at(1));
    let shown = state.shown_notices();
    assert!(shown.contains("not in ops: it is closed"), "{shown}");
}

#[test]
fn without_a_room_no_conversation_is_open_and_the_screen_says_how_to_join() {
    let mut state = state(&["lobby"]);
    state.line("/msg buzz", at(1));
    state.line("/msg kim", at(1));
    state.go_to(ChatId::Room(room("lobby")), at(1));
    state.on_event(Event::Left { room: room("lobby") }, at(2));
    assert_eq!(state.current, None, "nobody has chosen to write to buzz");
    let shown = state.shown_notices();
    assert!(shown.contains("/join ROOM joins a room") && shown.contains("left lobby"), "{shown}");
    state.go_to(ChatId::Peer(name("buzz")), at(3));
    assert!(!state.shown_notices().contains("/join ROOM joins"));
    state.line("/leave", at(3));
    assert_eq!((state.current.as_ref(), state.chats().len()), (None, 1), "nor to kim");
}

#[test]
fn commands_for_rooms_say_so_in_a_direct_conversation() {
    let mut state = state(&["lobby"]);
    state.line("/msg buzz", at(1));
    for (command, about) in [
        ("/history 5", "earlier messages with buzz are above"),
        ("/mute", "only rooms can be muted"),
        ("/unmute", "only rooms can be muted"),
    ] {
        let effects = state.line(command, at(2));
        assert!(!effects.iter().any(|it| matches!(it, Effect::Run { .. })), "{effects:?}");
        let shown = state.shown_notices();
        assert!(shown.contains(about), "{command}: {shown}");
    }
    let effects = state.line("/mute lobby", at(2));
    assert!(effects.iter().any(|it| matches!(it, Effect::Run { .. })), "{effects:?}");
}

#[test]
fn each_chat_has_its_own_draft() {
    let mut state = state(&["lobby", "ops"]);
    state.composer.set("half a tho");
    state.perform(Action::NextPlace, at(1));
    assert_eq!(state.composer.text(), "");
    state.composer.set("other");
    state.perform(Action::GoTo(1), at(1));
    assert_eq!(state.composer.text(), "half a tho");
    state.perform(Action::PreviousPlace, at(1));
    assert_eq!(state.composer.text(), "other");
}

#[test]
fn drafts_are_kept_while_the_user_is_at_another_hub() {
    let mut before = state(&["lobby", "ops", "den"]);
    before.composer.set("for the lobby");
    before.perform(Action::NextPlace, at(1));
    before.composer.set("for ops");
    before.perform(Action::NextPlace, at(1));
    before.composer.set("for the den");
    before.ensure_direct_chat(&name("buzz")).draft = "for buzz".into();
    let drafts = before.take_drafts();
    let mut after = state(&["lobby", "ops"]);
    after.set_drafts(drafts);
    assert_eq!(after.composer.text(), "for the lobby");
    after.perform(Action::NextPlace, at(2));
    assert_eq!(after.composer.text(), "for ops");
    assert_eq!(after.direct_chat(&name("buzz")).unwrap().draft, "for buzz");
    assert_eq!(after.unsent(), ["not posted in den: for the den"]);
    assert!(state(&["lobby"]).take_drafts().is_empty());
}

fn joined(state: &mut State, raw: &str) {
    state.on_event(Event::Joined { room: room(raw), head: position(0) }, at(9));
    let done = crate::cli::chat::actions::ActionOutcome::Joined(room(raw));
    state.on_outcome(Outcome::Ran { title: "", done }, at(9));
}

#[test]
fn a_joined_room_becomes_current() {
    let mut state = state(&["lobby"]);
    state.line("/join ops", at(1));
    joined(&mut state, "ops");
    assert_eq!(state.current_room(), Some(&room("ops")));
}

#[test]
fn a_room_that_is_joined_late_does_not_become_current() {
    let stays = |state: &mut State, typed: &str| {
        joined(state, "ops");
        assert_eq!(state.current_room(), Some(&room("lobby")), "{typed:?}");
        assert_eq!(state.composer.text(), typed);
        assert!(state.chats().contains(&ChatId::Room(room("ops"))));
        assert!(state.shown_notices().contains("joined ops; /join ops to talk there"));
    };
    let lost = || Event::Disconnected { cause: "gone".into(), retry_in: Duration::from_secs(1) };
    // Requested while the hub is away.
    let mut away = state(&["lobby"]);
    away.on_event(lost(), at(1));
    away.hub_status = HubStatus::Lost { retry_at: at(2).mono };
    away.line("/join ops", at(1));
    away.press(KeyCode::Char('x'), at(2));
    away.on_event(Event::Connected, at(3));
    away.hub_status = HubStatus::Up;
    stays(&mut away, "x");
    // The hub is lost while it is asked.
    let mut goes = state(&["lobby"]);
    goes.line("/join ops", at(1));
    goes.on_event(lost(), at(1));
    goes.on_event(Event::Connected, at(3));
    stays(&mut goes, "");
    // The user has typed, and deleted it again.
    let mut typing = state(&["lobby"]);
    typing.line("/join ops", at(1));
    typing.press(KeyCode::Char('x'), at(2));
    typing.press(KeyCode::Backspace, at(2));
    stays(&mut typing, "");
    // The user has gone to another room.
    let mut gone = state(&["lobby", "den"]);
    gone.line("/join ops", at(1));
    gone.perform(Action::GoTo(2), at(2));
    joined(&mut gone, "ops");
    assert_eq!(gone.current_room(), Some(&room("den")));
}

#[test]
fn input_of_a_lost_room_is_not_sent_elsewhere() {
    let mut state = state(&["lobby", "ops"]);
    state.press(KeyCode::Char('x'), at(1));
    state.perform(Action::GoTo(2), at(1));
    state.composer.set("for ops alone");
    state.on_event(Event::Left { room: room("ops") }, at(2));
    state.on_event(Event::Joined { room: room("den"), head: position(0) }, at(2));
    assert_eq!((state.current.clone(), state.composer.text()), (None, "for ops alone".into()));
    state.perform(Action::Submit, at(2));
    assert!(!state.take_effects().iter().any(|effect| matches!(effect, Effect::Post { .. })));
    assert_eq!(state.composer.text(), "for ops alone");
    // The user chooses a room. Its draft is not lost either.
    state.perform(Action::GoTo(1), at(3));
    assert_eq!(state.composer.text(), "x\nfor ops alone");
}

#[test]
fn a_new_speaker_is_counted_as_member_at_once() {
    let mut state = state(&["lobby"]);
    let members = Effect::ListMembers(room("lobby"));
    let are = |state: &mut State, names: &[&str]| {
        let names = names.iter().map(|raw| name(raw)).collect();
        state.on_outcome(Outcome::Members { room: room("lobby"), names: Some(names) }, at(1));
        state.take_effects();
        state.shown_notices()
    };
    assert!(are(&mut state, &["sova", "kim"]).contains("lobby · 2 here"));
    let says = |state: &mut State, seq, who, second| {
        state.on_event(Event::Message(message("lobby", seq, who, "hi")), at(second));
        state.take_effects().contains(&members)
    };
    assert!(!says(&mut state, 1, "kim", 10), "kim was here");
    assert!(says(&mut state, 2, "buzz", 10));
    assert!(!says(&mut state, 3, "buzz", 11), "not all the time");
    assert!(are(&mut state, &["sova", "kim", "buzz"]).contains("lobby · 3 here"));
    assert!(!says(&mut state, 4, "buzz", 20));
    state.on_peer_change(PeerChange::Left(name("buzz")), at(21));
    assert!(state.shown_notices().contains("lobby · 2 here"));
}

#[test]
fn no_draft_is_lost_when_a_room_is_left() {
    let mut state = state(&["lobby", "ops", "dev"]);
    state.perform(Action::GoTo(2), at(1));
    state.composer.set("for ops");
    state.perform(Action::GoTo(3), at(1));
    state.composer.set("for dev");
    state.perform(Action::GoTo(1), at(1));
    state.composer.set("for the lobby");
    state.on_event(Event::Left { room: room("lobby") }, at(2));
    assert_eq!(state.current, None);
    state.go_to(ChatId::Room(room("ops")), at(2));
    assert_eq!(state.composer.text(), "for ops\nfor the lobby");
    state.on_event(Event::Left { room: room("dev") }, at(4));
    assert_eq!(state.unsent(), ["not posted in dev: for dev"]);
    // A post to a room that was left may have arrived.
    let effects = state.line("bye", at(5));
    let id = effects.iter().find_map(|effect| match effect {
        Effect::Post { id, .. } => Some(*id),
        _ => None,
    });
    let id = id.unwrap();
    state.on_event(Event::Left { room: room("ops") }, at(6));
    assert_eq!(state.unsent().len(), 2);
    state.acked(id, "ops", 9);
    assert_eq!(state.unsent(), ["not posted in dev: for dev"]);
}

#[test]
fn a_mention_in_a_muted_room_is_ignored() {
    let mut state = state(&["lobby", "loud", "ops"]);
    state.room_mut(&room("loud")).unwrap().muted = true;
    state.said("loud", 1, "buzz", "sova!");
    state.said("ops", 1, "buzz", "anybody?");
    assert!(!state.room(&room("loud")).unwrap().mentioned);
    state.perform(Action::NextUnread, at(2));
    assert_eq!(state.current_room(), Some(&room("ops")));
    state.perform(Action::NextUnread, at(2));
    assert_eq!(state.current_room(), Some(&room("ops")), "nothing else is unread");
}
