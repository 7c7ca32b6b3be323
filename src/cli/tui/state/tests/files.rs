//! Changes by other programs of the same user.

use super::{
    direct::{direct, say, with_buzz},
    *,
};
use crate::model::Receipt;

#[test]
fn changes_of_the_outbox_by_other_programs_are_shown() {
    let mut state = with_buzz();
    let ids = ["one", "two"].map(|said| {
        let id = say(&mut state, said);
        state.on_outcome(Outcome::Queued { id, to: name("buzz"), result: Ok(true) }, at(2));
        id
    });
    state.poll_files();
    assert_eq!(state.take_effects(), [Effect::ReadFiles { queued: ids.to_vec() }]);
    state.poll_files();
    assert_eq!(state.take_effects(), [], "one look at a time");
    let id = ids[0];
    let receipt = Receipt { id, receiver: name("buzz"), accepted_at: at(6).wall, duplicate: false };
    let settled = vec![(id, Some(receipt)), (ids[1], None)];
    state.on_outcome(Outcome::Files { muted: None, blocked: None, settled, problem: None }, at(7));
    let shown = state.shown();
    assert!(shown[0].contains("one ✓") && shown[1].contains("✗ dropped"), "{shown:?}");
    state.poll_files();
    assert_eq!(state.take_effects(), [Effect::ReadFiles { queued: Vec::new() }]);
}

#[test]
fn a_forgotten_peer_is_no_longer_verified() {
    let mut state = with_buzz();
    let known = |trust| Outcome::Contact { name: name("buzz"), trust };
    state.on_outcome(known(Some(TrustLevel::Verified)), at(1));
    state.on_outcome(known(None), at(2));
    assert_eq!(state.direct_chat(&name("buzz")).unwrap().trust, None);
    state.on_event(Event::Direct(direct("buzz", "hello")), at(3));
    state.on_outcome(known(None), at(4));
    assert_eq!(
        state.direct_chat(&name("buzz")).unwrap().trust,
        Some(TrustLevel::Known),
        "by the hub"
    );
}
