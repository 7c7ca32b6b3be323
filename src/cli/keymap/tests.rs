//! The default bindings, and what a configuration can change.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::crossterm::event::{KeyCode, KeyModifiers};

use super::*;

const NONE: KeyModifiers = KeyModifiers::NONE;
const CTRL: KeyModifiers = KeyModifiers::CONTROL;
const ALT: KeyModifiers = KeyModifiers::ALT;
const SHIFT: KeyModifiers = KeyModifiers::SHIFT;

fn key(code: KeyCode, held: KeyModifiers) -> KeyEvent {
    KeyEvent::new(code, held)
}

fn char(c: char, held: KeyModifiers) -> KeyEvent {
    key(KeyCode::Char(c), held)
}

fn with(bindings: &[(&str, &[&str])]) -> Result<Keymap, String> {
    let owned = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect();
    let bindings = bindings.iter().map(|(name, keys)| ((*name).to_owned(), owned(keys)));
    Keymap::with(&bindings.collect())
}

#[track_caller]
fn refused(bindings: &[(&str, &[&str])], said: &str) {
    let problem = with(bindings).unwrap_err();
    assert!(problem.contains(said), "{problem}");
}

#[test]
fn default_keys_as_terminals_report_them() {
    let keymap = Keymap::defaults();
    for (event, action) in [
        (key(KeyCode::Enter, NONE), Action::Submit),
        (key(KeyCode::Enter, ALT), Action::NewLine),
        (key(KeyCode::Enter, SHIFT), Action::NewLine),
        (key(KeyCode::Enter, CTRL), Action::NewLine),
        (char('j', CTRL), Action::NewLine),
        (key(KeyCode::Tab, NONE), Action::Complete),
        (key(KeyCode::BackTab, SHIFT), Action::CompleteBack),
        (key(KeyCode::BackTab, NONE), Action::CompleteBack),
        (key(KeyCode::Tab, SHIFT), Action::CompleteBack),
        (key(KeyCode::Up, NONE), Action::HistoryUp),
        (key(KeyCode::Down, NONE), Action::HistoryDown),
        (char('c', CTRL), Action::Interrupt),
        (key(KeyCode::PageUp, NONE), Action::PageUp),
        (key(KeyCode::PageDown, NONE), Action::PageDown),
        (key(KeyCode::Up, CTRL), Action::ScrollUp),
        (key(KeyCode::Down, CTRL), Action::ScrollDown),
        (key(KeyCode::Up, SHIFT), Action::ScrollUp),
        (key(KeyCode::Down, SHIFT), Action::ScrollDown),
        (key(KeyCode::Home, CTRL), Action::Top),
        (key(KeyCode::End, CTRL), Action::Bottom),
        (char('f', CTRL), Action::Search),
        (char('s', CTRL), Action::Search),
        (char('r', CTRL), Action::Retry),
        (char('n', CTRL), Action::NextPlace),
        (key(KeyCode::Down, ALT), Action::NextPlace),
        (char('p', CTRL), Action::PreviousPlace),
        (key(KeyCode::Up, ALT), Action::PreviousPlace),
        (char('a', ALT), Action::NextUnread),
        (char('A', ALT | SHIFT), Action::NextUnread),
        (char('1', ALT), Action::GoTo(1)),
        (char('9', ALT), Action::GoTo(9)),
        (key(KeyCode::F(1), NONE), Action::Help),
        (key(KeyCode::F(2), NONE), Action::ToggleSidebar),
        (key(KeyCode::F(3), NONE), Action::ToggleRoster),
        (key(KeyCode::Esc, NONE), Action::Cancel),
        (char('l', CTRL), Action::Redraw),
        (char('z', CTRL), Action::Suspend),
        (char('q', CTRL), Action::Quit),
    ] {
        assert_eq!(keymap.action(&event), Some(action), "{event:?}");
        assert_eq!(keymap.action_on_empty(&event), Some(action), "{event:?}");
        let released = KeyEvent { kind: KeyEventKind::Release, ..event };
        assert_eq!(keymap.action(&released), None, "{event:?}");
    }
    assert_eq!(keymap.action(&char('a', NONE)), None);
    assert_eq!(keymap.action(&char('7', CTRL)), None, "Ctrl-_ edits");
}

#[test]
fn keys_that_edit_are_bound_only_in_an_empty_input() {
    let keymap = Keymap::defaults();
    for (event, action) in [(char('?', SHIFT), Action::Help), (char('d', CTRL), Action::Quit)] {
        assert_eq!(keymap.action(&event), None);
        assert_eq!(keymap.action_on_empty(&event), Some(action));
    }
    let keymap = with(&[("next-unread", &["?", "ctrl-d"])]).unwrap();
    assert_eq!(keymap.action(&char('?', NONE)), None);
    assert_eq!(keymap.action_on_empty(&char('?', NONE)), Some(Action::NextUnread));
}

#[test]
fn default_keys_are_unique_and_parse() {
    let mut keys = Vec::new();
    for binding in defaults::all() {
        for key in binding.keys {
            keys.push(Chord::parse(key).unwrap_or_else(|why| panic!("{}: {why}", binding.name)));
        }
    }
    assert_eq!(keys.len(), Keymap::defaults().bound.len());
    for (at, chord) in keys.iter().enumerate() {
        assert!(!keys[..at].contains(chord), "{chord} twice");
        let shown = chord.to_string();
        assert_eq!(Chord::parse(&shown), Ok(*chord), "{shown}");
    }
    let names: BTreeSet<&str> = defaults::all().map(|binding| binding.name).collect();
    assert_eq!(names.len(), defaults::all().count());
    for key in EDITING.iter().flat_map(|(keys, _)| *keys) {
        Chord::parse(key).unwrap();
    }
}

#[test]
fn a_configuration_binds_and_unbinds_keys() {
    let keymap = with(&[
        ("next-place", &["alt-n", "Ctrl+N"]),
        ("help", &["F12"]),
        ("suspend", &[]),
        ("retry", &["ctrl-z", "ctrl-z"]),
    ])
    .unwrap();
    assert_eq!(keymap.action(&char('n', ALT)), Some(Action::NextPlace));
    assert_eq!(keymap.action(&char('n', CTRL)), Some(Action::NextPlace));
    assert_eq!(keymap.action(&key(KeyCode::Down, ALT)), None);
    assert_eq!(keymap.action(&key(KeyCode::F(1), NONE)), None);
    assert_eq!(keymap.action_on_empty(&char('?', NONE)), None);
    assert_eq!(keymap.action(&key(KeyCode::F(12), NONE)), Some(Action::Help));
    assert_eq!(keymap.action(&char('z', CTRL)), Some(Action::Retry));
    assert_eq!(keymap.action(&char('p', CTRL)), Some(Action::PreviousPlace));
    // A default key gives way to a configured one.
    let keymap = with(&[("next-unread", &["ctrl-n"])]).unwrap();
    assert_eq!(keymap.action(&char('n', CTRL)), Some(Action::NextUnread));
    assert_eq!(keymap.action(&key(KeyCode::Down, ALT)), Some(Action::NextPlace));
    assert_eq!(Keymap::with(&BTreeMap::new()).unwrap().bound, Keymap::defaults().bound);
}

#[test]
fn mistakes_in_a_configuration_are_explained() {
    refused(&[("dance", &["ctrl-n"])], "no action \"dance\"; the actions are submit, new-line");
    for key in ["", "ctrl-", "hyper-x", "f25", "f0", "nokey", "ctrl-ctrl"] {
        refused(&[("retry", &[key])], &format!("keys.retry: no key {key:?}"));
    }
    refused(&[("retry", &["ctrl-i"])], "terminals send ctrl-i as tab: write tab");
    refused(&[("retry", &["ctrl-M"])], "write enter");
    refused(&[("retry", &["shift-a"])], "write the character that shift-a types");
    refused(
        &[("retry", &["ctrl-n"]), ("search", &["CTRL-N"])],
        "Ctrl-N cannot mean both retry and search",
    );
    refused(&[("retry", &["backtab"])], "no key");
    refused(&[("submit", &[])], "submit needs a key");
    refused(&[("retry", &["enter"])], "submit needs a key");
    refused(&[("submit", &["?"])], "submit needs a key");
    for key in ["x", "A", "é", "1", "space"] {
        refused(&[("next-unread", &[key])], "types a character; combine it with ctrl or alt");
    }
    assert!(with(&[("submit", &["ctrl-g"]), ("new-line", &["enter"])]).is_ok());
}

#[test]
fn the_help_lists_every_action_and_every_editing_key() {
    let listing = Keymap::defaults().listing();
    let heads: Vec<_> = listing.iter().filter(|(keys, _)| keys.is_empty()).collect();
    assert_eq!(heads.len(), GROUPS.len() + 1);
    let lines = listing.len() - heads.len();
    let row = ("Alt-1 … Alt-9".to_owned(), "go to the first … ninth of the list");
    assert_eq!(listing.iter().filter(|line| **line == row).count(), 1);
    assert_eq!(lines, defaults::all().count() - 8 + EDITING.len());
    let line = |about: &str| &listing.iter().find(|(_, listed)| *listed == about).unwrap().0;
    assert_eq!(line("show this help"), "F1, ? in an empty input");
    assert_eq!(line("insert a line break"), "Alt-Enter, Ctrl-J, Shift-Enter, Ctrl-Enter");
    assert_eq!(line("delete the character at the cursor"), "Delete, Ctrl-D");
    assert_eq!(line("undo"), "Ctrl-_");

    // Numbers with keys of their own have rows of their own.
    let listing = with(&[("go-to-3", &["f5"])]).unwrap().listing();
    assert!(listing.contains(&("F5".into(), "go to the third")) && !listing.contains(&row));

    // Keys that are bound to something else are not listed.
    let listing = with(&[("retry", &["ctrl-_", "home"]), ("suspend", &[])]).unwrap().listing();
    assert!(!listing.iter().any(|(_, about)| *about == "undo"));
    assert!(!listing.iter().any(|(_, about)| about.contains("suspend")));
    assert!(listing.contains(&("Ctrl-A".into(), "start of the line")));
    assert!(listing.contains(&("Ctrl-_, Home".into(), "send a failed message again")));
}

#[test]
fn the_documentation_names_every_action() {
    const CHAT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/chat.md"));
    let between = ["go-to-2", "go-to-3", "go-to-4", "go-to-5", "go-to-6", "go-to-7", "go-to-8"];
    for binding in defaults::all().filter(|binding| !between.contains(&binding.name)) {
        assert!(CHAT.contains(&format!("`{}`", binding.name)), "{}", binding.name);
    }
}
