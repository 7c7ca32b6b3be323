//! Notices outside of the screen.

use super::*;
use crate::{
    client::{Direct, Verification},
    model::DirectMessage,
};

fn notices(state: &mut State) -> usize {
    let effects = state.take_effects();
    effects.iter().filter(|effect| matches!(effect, Effect::ShowNotice { .. })).count()
}

fn direct(state: &mut State, now: Moment) {
    let (id, sender, text) = (MessageId::new(), name("buzz"), text("psst"));
    let message = DirectMessage { id, sender, sent_at: None, text };
    let direct = Direct { message, verification: Verification::Unverified(None), from: None };
    state.on_event(Event::Direct(direct), now);
}

#[test]
fn a_notice_is_for_names_keywords_and_direct_messages_without_the_focus() {
    let mut state = state(&["lobby", "ops"]);
    state.on_terminal_event(Typed::FocusGained, at(0));
    state.said("lobby", 1, "buzz", "sova?");
    assert_eq!(notices(&mut state), 0, "one looks");
    state.on_terminal_event(Typed::FocusLost, at(1));
    for (seq, text, count) in
        [(2, "sova?", 1), (3, "DEPLOY failed", 1), (4, "deployed", 0), (5, "nothing", 0)]
    {
        state.said("lobby", seq, "buzz", text);
        assert_eq!(notices(&mut state), count, "{text}");
    }
    direct(&mut state, at(2));
    assert_eq!(notices(&mut state), 1);
    let muted = Some(vec![room("ops")]);
    let files = Outcome::Files { muted, blocked: None, settled: Vec::new(), problem: None };
    state.on_outcome(files, at(2));
    state.said("ops", 6, "buzz", "sova?");
    assert_eq!(notices(&mut state), 0, "muted");
    state.quiet = true;
    state.said("lobby", 7, "buzz", "sova?");
    direct(&mut state, at(2));
    assert_eq!(notices(&mut state), 0, "quiet");
}

#[test]
fn a_terminal_with_the_focus_points_out_each_other_conversation_once() {
    let mut state = state(&["lobby", "ops"]);
    state.on_terminal_event(Typed::FocusGained, at(0));
    for (second, count) in [(1, 1), (2, 0)] {
        direct(&mut state, at(second));
        assert_eq!(notices(&mut state), count, "direct, second {second}");
    }
    for (seq, count) in [(1, 1), (2, 0)] {
        state.said("ops", seq, "buzz", "sova?");
        assert_eq!(notices(&mut state), count, "mention {seq}");
    }
    state.go_to(ChatId::Peer(name("buzz")), at(3));
    state.shown();
    direct(&mut state, at(4));
    assert_eq!(notices(&mut state), 0, "it is on the screen");
    state.go_to(ChatId::Room(room("lobby")), at(5));
    direct(&mut state, at(6));
    assert_eq!(notices(&mut state), 1, "the others were read");
}

#[test]
fn a_terminal_that_reports_no_focus_points_out_what_is_elsewhere() {
    let mut state = state(&["lobby", "ops"]);
    state.press(KeyCode::Char('a'), at(0));
    for second in [1, 2] {
        direct(&mut state, at(second));
        assert_eq!(notices(&mut state), 1, "second {second}");
    }
    state.said("ops", 1, "buzz", "sova?");
    assert_eq!(notices(&mut state), 1);
    let says = |state: &mut State, seq, second| {
        state.on_event(Event::Message(message("lobby", seq, "buzz", "sova?")), at(second));
        notices(state)
    };
    assert_eq!(says(&mut state, 1, 59), 0, "one may look");
    assert_eq!(says(&mut state, 2, 60), 1, "no key for a minute");
    assert_eq!(state.room(&room("lobby")).unwrap().unread, 0, "it is on the screen");
    state.press(KeyCode::Char('b'), at(61));
    assert_eq!(says(&mut state, 3, 62), 0);
}

#[test]
fn a_minute_has_ten_notices_at_most() {
    let mut state = state(&["lobby"]);
    state.on_terminal_event(Typed::FocusLost, at(1));
    for second in 1..=30 {
        direct(&mut state, at(second));
    }
    assert_eq!(notices(&mut state), 10);
    direct(&mut state, at(60));
    assert_eq!(notices(&mut state), 0);
    direct(&mut state, at(61));
    assert_eq!(notices(&mut state), 1);
}
