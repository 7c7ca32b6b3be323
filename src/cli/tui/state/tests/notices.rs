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
    state.said("lobby", 1, "buzz", "sova?");
    direct(&mut state, at(1));
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
