//! The person: being here or away, leaving, completing words, and what a window shows.

use super::*;

#[test]
fn who_does_nothing_for_long_is_away_until_the_next_key() {
    let mut state = state(&["lobby"]);
    let away = Effect::SetStatus(PeerStatus::Away);
    state.on_tick(at(599));
    assert!(!state.take_effects().contains(&away));
    state.on_tick(at(600));
    assert!(state.take_effects().contains(&away));
    state.on_tick(at(700));
    assert!(!state.take_effects().contains(&away), "once");
    state.press(KeyCode::Char('x'), at(701));
    assert!(state.take_effects().contains(&Effect::SetStatus(PeerStatus::Online)));
}

#[test]
fn who_says_how_they_are_is_believed() {
    let mut state = state(&["lobby"]);
    let ordered = state.line("/status busy", at(1));
    assert!(ordered.iter().any(|effect| matches!(effect, Effect::Run { .. })));
    let statuses = |state: &mut State| {
        let ordered = state.take_effects();
        ordered.into_iter().filter(|c| matches!(c, Effect::SetStatus(_))).count()
    };
    state.on_tick(at(2000));
    state.press(KeyCode::Char('x'), at(2001));
    assert_eq!(statuses(&mut state), 0);
    state.composer.clear();
    state.line("/status online", at(2002));
    state.on_tick(at(4000));
    assert_eq!(statuses(&mut state), 1);
}

#[test]
fn one_who_leaves_waits_for_what_is_under_way() {
    let mut state = state(&["lobby"]);
    assert!(state.line("/quit", at(1)).contains(&Effect::Quit));
    let id = state.posts("a last word");
    assert!(!state.line("/quit", at(2)).contains(&Effect::Quit));
    state.comes_back(id, "lobby", 1, "a last word");
    assert!(state.take_effects().contains(&Effect::Quit));
}

#[test]
fn one_is_asked_before_something_is_lost() {
    let mut state = state(&["lobby"]);
    state.posts("a last word");
    state.line("/quit", at(2));
    state.on_tick(at(3));
    assert!(state.overlay.is_none());
    state.on_tick(at(4));
    assert!(matches!(state.overlay, Some(Overlay::Quit)));
    state.press(KeyCode::Esc, at(5));
    assert!(state.overlay.is_none() && !state.take_effects().contains(&Effect::Quit));

    state.hub_status = HubStatus::Lost { retry_at: at(60).mono };
    state.line("/quit", at(6));
    assert!(matches!(state.overlay, Some(Overlay::Quit)), "at once");
    state.press(KeyCode::Enter, at(7));
    assert!(state.take_effects().contains(&Effect::Quit));
    assert_eq!(state.unsent(), ["not posted in lobby: a last word"]);
}

#[test]
fn an_interrupt_clears_first_and_asks_then() {
    let mut state = state(&["lobby"]);
    state.composer.set("half");
    state.perform(Action::Interrupt, at(1));
    assert!(state.composer.is_empty() && state.overlay.is_none());
    state.perform(Action::Interrupt, at(1));
    assert!(matches!(state.overlay, Some(Overlay::Quit)));
    state.press(KeyCode::Char('y'), at(1));
    assert!(state.take_effects().contains(&Effect::Quit));
}

#[test]
fn help_opens_with_a_question_mark_only_where_nothing_is_typed() {
    let mut state = state(&["lobby"]);
    state.press(KeyCode::Char('?'), at(1));
    let Some(Overlay::Lines { lines, .. }) = &state.overlay else { panic!("no help") };
    assert!(lines.iter().any(|line| line.contains("/msg")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("Ctrl-R")), "{lines:?}");
    assert_eq!(lines[0], "Writing");
    assert_eq!(lines.iter().filter(|line| line.contains("Alt-1")).count(), 1, "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("⧗")), "{lines:?}");
    state.line("/help", at(1));
    let Some(Overlay::Lines { lines, .. }) = &state.overlay else { panic!("no help") };
    assert_eq!(lines[0], "Commands");
    assert!(lines.iter().any(|line| line.contains("Ctrl-R")), "{lines:?}");
    state.press(KeyCode::Esc, at(1));
    state.press(KeyCode::Char('a'), at(1));
    state.press(KeyCode::Char('?'), at(1));
    assert_eq!((state.composer.text().as_str(), state.overlay.is_none()), ("a?", true));
}

#[test]
fn names_complete_in_the_order_of_who_was_heard_last() {
    let mut state = state(&["lobby"]);
    for who in ["sova", "buzz", "bert"] {
        state.came(who, PeerStatus::Online, at(1));
    }
    state.on_event(Event::Message(message("lobby", 1, "buzz", "hi")), at(2));
    state.composer.set("/msg b");
    state.perform(Action::Complete, at(2));
    assert_eq!(state.composer.text().trim_end(), "/msg buzz");
    assert_eq!(state.menu.as_ref().map(|menu| menu.completions.len()), Some(2));
    state.perform(Action::Cancel, at(2));
    assert_eq!(state.composer.text(), "/msg b");
}

#[test]
fn silence_and_absence_are_told_by_their_length() {
    let mut state = state(&["lobby"]);
    state.came("buzz", PeerStatus::Online, at(0));
    let idle =
        |state: &State, now| state.peers.iter().next().unwrap().1.idle(now).map(short_duration);
    assert_eq!(idle(&state, at(59)), None);
    assert_eq!(idle(&state, at(60)).as_deref(), Some("1m"));
    state.on_event(Event::Message(message("lobby", 1, "buzz", "hi")), at(100));
    assert_eq!(idle(&state, at(130)), None);
    state.came("buzz", PeerStatus::Away, at(200));
    assert_eq!(idle(&state, at(200 + 7200)).as_deref(), Some("2h"));
    state.on_peer_change(PeerChange::Left(name("buzz")), at(300));
    assert!(!state.peers.contains(&name("buzz")));
}

#[test]
fn a_line_that_is_typed_again_is_remembered_once() {
    let mut state = state(&["lobby"]);
    let remembered = |ordered: Vec<Effect>| {
        ordered.iter().filter(|c| matches!(c, Effect::StoreInput(_))).count()
    };
    assert_eq!(remembered(state.line("/peers", at(1))), 1);
    assert_eq!(remembered(state.line("/peers", at(1))), 0);
    assert_eq!(remembered(state.line("hello", at(1))), 1);
    assert_eq!(remembered(state.line("/peers", at(1))), 1);
    for line in ["/peers", "hello", "/peers"] {
        assert!(state.composer.history_up());
        assert_eq!(state.composer.text(), line);
    }
}

#[test]
fn what_was_said_since_the_last_chat_is_new() {
    let mut state = state(&[]);
    for raw in ["lobby", "ops"] {
        state.ensure_room(&room(raw));
    }
    state.go_to(ChatId::Room(room("lobby")), at(0));
    let seen = [(room("lobby"), position(1)), (room("ops"), position(2))];
    state.set_read_positions(seen.clone().into());
    assert_eq!(state.read_positions(), seen.into());
    for raw in ["lobby", "ops"] {
        state.on_event(Event::Joined { room: room(raw), head: position(3) }, at(0));
        for seq in 1..=3 {
            state.said(raw, seq, "kim", if seq == 1 { "old" } else { "fresh" });
        }
    }
    let shown = state.shown();
    assert!(shown[1].contains(" new messages ") && shown[0].ends_with("old"), "{shown:?}");
    let ops = state.room(&room("ops")).unwrap();
    assert_eq!((ops.unread, ops.read), (1, Some(position(2))));
    assert_eq!(state.read_positions()[&room("lobby")], position(3));
    state.perform(Action::NextUnread, at(2));
    assert_eq!(state.current_room(), Some(&room("ops")));
    assert_eq!(state.read_positions()[&room("ops")], position(3));
}

#[test]
fn nobody_talks_with_themselves_and_what_was_typed_stays() {
    let mut state = state(&["lobby"]);
    for line in ["/msg sova", "/msg Sova note to self", "/queue sova later"] {
        assert!(state.line(line, at(1)).is_empty());
        assert_eq!(state.toast.take().unwrap().text, "that is you");
        assert_eq!(state.composer.text(), line);
        assert!(state.direct_chats.is_empty());
    }
}

#[test]
fn a_text_that_was_cut_as_it_was_typed_is_sent_with_a_word_on_that() {
    let mut state = state(&["lobby"]);
    state.composer.set(&"x".repeat(crate::model::MAX_TEXT_BYTES - 1));
    let mut say = |keys: &str, end| {
        keys.chars().for_each(|c| state.press(KeyCode::Char(c), at(1)));
        state.press(end, at(1));
        state.shown_notices().matches("the rest was not inserted").count()
    };
    assert_eq!(say("yz", KeyCode::Enter), 1);
    assert_eq!(say("short", KeyCode::Enter), 1, "said once");
}
