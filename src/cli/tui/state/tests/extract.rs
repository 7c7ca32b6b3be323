//! Copying, links, the view of the text alone, and pasted lines that begin like commands.

use super::*;

fn copied(effects: &[Effect]) -> Option<&str> {
    effects.iter().find_map(|effect| match effect {
        Effect::Copy(text) => Some(text.as_str()),
        _ => None,
    })
}

#[test]
fn messages_are_copied_with_their_lines_and_without_control_characters() {
    let mut state = state(&["lobby"]);
    state.line("/copy", at(1));
    assert!(state.toast.as_ref().unwrap().is_error, "there is none yet");
    state.said("lobby", 1, "buzz", "one");
    state.said("lobby", 2, "buzz", "if a:\n\tb \x1b[31m");
    state.announce("a notice", false, at(2));
    let text = "if a:\n\tb ␛[31m";
    assert_eq!(copied(&state.line("/copy", at(3))), Some(text));
    state.perform(Action::Copy, at(3));
    assert_eq!(copied(&state.take_effects()), Some(text));
    let both = format!("buzz: one\nbuzz: {text}");
    assert_eq!(copied(&state.line("/copy 9", at(3))), Some(both.as_str()));
    assert_eq!(copied(&state.line("/copy none", at(3))), None);
}

#[test]
fn a_text_that_is_too_long_for_a_clipboard_is_not_copied_in_part() {
    let mut state = state(&["lobby"]);
    for seq in 1..=4 {
        state.said("lobby", seq, "buzz", &"x".repeat(16 * 1024));
    }
    assert_eq!(copied(&state.line("/copy 4", at(3))), None);
    assert!(state.toast.as_ref().is_some_and(|toast| toast.text.contains("48 KiB")));
    assert!(copied(&state.line("/copy 2", at(3))).is_some());
}

#[test]
fn a_link_is_listed_whole_before_it_is_opened() {
    let mut state = state(&["lobby"]);
    state.line("/open", at(1));
    assert!(state.overlay.is_none(), "there is none yet");
    state.said("lobby", 1, "buzz", "first https://a.example/1, file:///etc/passwd");
    state.said("lobby", 2, "buzz", "https://b.example/2 and HTTP://c.example chinwag://h:1");
    let opened = |state: &mut State| {
        let effects = state.take_effects();
        effects.into_iter().find_map(|effect| match effect {
            Effect::OpenLink(link) => Some(link),
            _ => None,
        })
    };
    let effects = state.line("/open", at(1));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::OpenLink(_))), "only listed");
    assert!(state.shown_notices().contains("HTTP://c.example"));
    state.press(KeyCode::Down, at(2));
    state.press(KeyCode::Enter, at(2));
    assert_eq!(opened(&mut state).as_deref(), Some("https://b.example/2"));
    state.line("/open 3", at(3));
    state.perform(Action::Copy, at(3));
    assert_eq!(copied(&state.take_effects()).map(str::len), Some(54), "the message, not the link");
    state.line("/open 3", at(3));
    let alt_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::ALT);
    state.on_terminal_event(Typed::Key(alt_c), at(3));
    assert_eq!(copied(&state.take_effects()), Some("https://a.example/1"));
    state.line("/open 4", at(4));
    assert!(state.overlay.is_none() && state.toast.is_some());
    state.line("/join den", at(5));
    state.on_event(Event::Joined { room: room("den"), head: position(0) }, at(5));
    state.go_to(ChatId::Room(room("den")), at(5));
    state.said("den", 1, "buzz", "https://a.example/1");
    state.line("/open 2", at(6));
    assert_eq!(state.toast.as_ref().unwrap().text, "this chat has only one link");
}

#[test]
fn the_text_alone_is_shown_until_the_next_key() {
    let mut state = state(&["lobby"]);
    let link = format!("https://a.example/{}", "x".repeat(200));
    state.said("lobby", 1, "buzz", &format!("see {link}"));
    state.said("lobby", 2, "kim", "fn main() {\n    \x1b[2J\n}");
    state.announce("a notice", false, at(2));
    state.shown();
    state.perform(Action::TextOnly, at(3));
    let lines = state.take_effects().into_iter().find_map(|effect| match effect {
        Effect::ShowTextOnly(lines) => Some(lines),
        _ => None,
    });
    let lines = lines.unwrap();
    let text = [&format!("buzz: see {link}"), "kim:", "fn main() {", "    ␛[2J", "}"];
    assert_eq!(lines[..5], text, "a long link is one line");
    assert!(lines[5].contains("any key goes back") && state.is_text_only);
    state.press(KeyCode::Char('x'), at(4));
    assert!(!state.is_text_only && state.composer.is_empty(), "the key only goes back");
    assert!(state.take_effects().contains(&Effect::Redraw));
}

#[test]
fn a_second_enter_sends_what_was_pasted_as_text() {
    let mut state = state(&["lobby", "ops"]);
    let post = |state: &mut State| {
        state.take_effects();
        state.perform(Action::Submit, at(2));
        state.take_effects().into_iter().find_map(|effect| match effect {
            Effect::Post { text, .. } => Some(text.as_str().to_owned()),
            _ => None,
        })
    };
    let pasted = "/usr/bin/env\n/msg kim psst";
    let paste = |state: &mut State, text: &str| {
        state.composer.clear();
        state.on_terminal_event(Typed::Paste(text.into()), at(1));
    };
    paste(&mut state, pasted);
    assert_eq!(post(&mut state), None);
    assert!(state.toast.as_ref().is_some_and(|toast| toast.text.contains("to lobby as text")));
    assert_eq!(post(&mut state).as_deref(), Some(pasted));

    paste(&mut state, pasted);
    assert_eq!(post(&mut state), None);
    state.press(KeyCode::Char('!'), at(2));
    assert_eq!(post(&mut state), None, "it is another text now");
    let draft = state.composer.text();
    state.go_to(ChatId::Room(room("ops")), at(2));
    state.on_terminal_event(Typed::Paste(draft), at(2));
    assert_eq!(post(&mut state), None, "it is another room now");

    for _ in 0..3 {
        state.composer.set("/mgs kim psst");
        assert_eq!(post(&mut state), None, "what was typed may be a mistyped command");
        state.composer.set("/mgs kim ");
        state.on_terminal_event(Typed::Paste("psst".into()), at(2));
        assert_eq!(post(&mut state), None, "and so may its end");
    }
}

#[test]
fn a_mistyped_private_command_is_never_sent_as_text() {
    let mut state = state(&["lobby"]);
    let paste =
        |state: &mut State, text: &str| state.on_terminal_event(Typed::Paste(text.into()), at(1));
    let type_in = |state: &mut State, keys: &str| {
        keys.chars().for_each(|c| state.press(KeyCode::Char(c), at(1)));
    };
    let control = |state: &mut State, c| {
        let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        state.on_terminal_event(Typed::Key(key), at(1));
    };
    let is_kept_back = |state: &mut State, how: &str| {
        (0..3).for_each(|_| state.press(KeyCode::Enter, at(1)));
        let posted = |effect: &Effect| matches!(effect, Effect::Post { .. });
        assert!(!state.take_effects().iter().any(posted), "{how}");
        state.composer.clear();
    };

    for pasted in ["zz", "zz\nyy", "/usr/bin/env\n"] {
        paste(&mut state, pasted);
        (0..20).for_each(|_| state.press(KeyCode::Backspace, at(1)));
        type_in(&mut state, "/msgg dora secret");
        is_kept_back(&mut state, "after a paste that was deleted by Backspace");

        paste(&mut state, pasted);
        (0..3).for_each(|_| control(&mut state, 'u'));
        type_in(&mut state, "/msgg dora secret");
        is_kept_back(&mut state, "after a paste that was deleted by Ctrl-U");

        paste(&mut state, pasted);
        (0..3).for_each(|_| state.press(KeyCode::Up, at(1)));
        state.press(KeyCode::Home, at(1));
        type_in(&mut state, "/msgg dora secret ");
        is_kept_back(&mut state, "before a paste");

        paste(&mut state, pasted);
        state.perform(Action::NewLine, at(1));
        type_in(&mut state, "/msgg dora secret");
        is_kept_back(&mut state, "after a paste");
    }
    for pasted in ["/msgg dora secret", "/msgg dora secret\n", "\n/msgg dora secret\r\n"] {
        paste(&mut state, pasted);
        is_kept_back(&mut state, "as a single pasted line");
    }
}
