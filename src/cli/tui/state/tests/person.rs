//! The user: activity, leaving, completion, help, read positions.

use super::*;

#[test]
fn an_inactive_user_is_away_until_the_next_key() {
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
fn a_chosen_status_is_not_changed_automatically() {
    let mut state = state(&["lobby"]);
    let effects = state.line("/status busy", at(1));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Run { .. })));
    let statuses = |state: &mut State| {
        let effects = state.take_effects();
        effects.into_iter().filter(|c| matches!(c, Effect::SetStatus(_))).count()
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
fn keep_in_a_room_says_once_what_to_type() {
    let mut state = state(&["lobby"]);
    for typed in ["/keep", "/keep off"] {
        let effects = state.line(typed, at(1));
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Run { .. })), "{effects:?}");
        // With the last line.
        let shown = state.shown_notices();
        assert_eq!(shown.matches("usage: /keep NAME").count(), 1, "{typed}: {shown}");
    }
}

#[test]
fn the_status_says_what_holds_in_each_state() {
    let status = |state: &mut State| {
        state.line("/status", at(2));
        match state.overlay.take() {
            Some(Overlay::Lines { lines, .. }) => lines,
            _ => panic!("no lines"),
        }
    };
    let mut state = state(&["lobby", "ops"]);
    state.came("sova", PeerStatus::Away, at(1));
    let up = status(&mut state);
    assert_eq!(up[0], "sova on 127.0.0.1:50051; others see you as away");
    assert_eq!(up[2..4], ["in lobby, ops", "all your messages have arrived"]);
    let id = MessageId::new();
    state.ensure_direct_chat(&name("buzz")).send(id, text("later"), &name("sova"), at(1));
    state.ensure_direct_chat(&name("buzz")).queue(id);
    state.posts("hello");
    assert_eq!(status(&mut state)[3], "your messages: 1 being sent, 1 queued");

    state.hub_status = HubStatus::Lost { retry_at: at(9).mono };
    let lost = status(&mut state);
    assert_eq!(lost[0], "sova is not connected: 127.0.0.1:50051 is unreachable");
    assert_eq!(lost[2], "to join again: lobby, ops");

    state.on_client_end(&crate::client::Error::Stopped, at(3));
    let ended = status(&mut state);
    assert_eq!(ended[0], "sova is not connected: the client has stopped");
    assert_eq!(ended[1], "your messages: 1 not sent, 1 queued");
}

#[test]
fn a_user_whom_the_operator_renames_goes_on_under_the_new_name() {
    let mut state = state(&["lobby"]);
    let name = |raw| Name::parse(raw).unwrap();
    state.on_event(Event::Renamed { from: name("sova"), to: name("sowa") }, at(1));
    let notice = "you are sowa now, and not sova: the hub's operator has renamed you";
    assert!(state.shown().iter().any(|row| row.contains(notice)), "{:?}", state.shown());
    let id = state.posts("hello");
    assert!(state.shown().iter().any(|row| row.ends_with("sowa  hello …")), "{:?}", state.shown());
    state.on_event(Event::Message(Message { id, ..message("lobby", 1, "sowa", "hello") }), at(2));
    assert!(state.shown().iter().any(|row| row.ends_with("sowa  hello ✓")), "{:?}", state.shown());
}

#[test]
fn leaving_waits_for_messages_that_are_being_sent() {
    let mut state = state(&["lobby"]);
    assert!(state.line("/quit", at(1)).contains(&Effect::Quit));
    let id = state.posts("a last word");
    assert!(!state.line("/quit", at(2)).contains(&Effect::Quit));
    state.comes_back(id, "lobby", 1, "a last word");
    assert!(state.take_effects().contains(&Effect::Quit));
}

#[test]
fn leaving_asks_before_messages_are_lost() {
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
fn an_interrupt_clears_the_input_or_asks() {
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
fn a_question_mark_opens_help_only_in_an_empty_input() {
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
fn names_complete_in_the_order_of_activity() {
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
fn inactivity_is_shown_with_its_duration() {
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
fn a_repeated_line_is_stored_once() {
    let mut state = state(&["lobby"]);
    let remembered = |effects: Vec<Effect>| {
        effects.iter().filter(|c| matches!(c, Effect::StoreInput(_))).count()
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
fn messages_since_the_last_chat_are_unread() {
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
    state.shown();
    assert_eq!(state.read_positions()[&room("ops")], position(3));
}

#[test]
fn messages_to_oneself_are_refused_and_stay_in_the_input() {
    let mut state = state(&["lobby"]);
    for line in ["/msg sova", "/msg Sova note to self", "/queue sova later"] {
        assert!(state.line(line, at(1)).is_empty());
        assert_eq!(state.toast.take().unwrap().text, "that is you");
        assert_eq!(state.composer.text(), line);
        assert!(state.direct_chats.is_empty());
    }
}

#[test]
fn a_truncated_text_is_sent_with_a_notice() {
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
