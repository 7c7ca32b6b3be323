//! The key bindings of the full screen.
//!
//! A key bound to an [`Action`] never reaches the input; every other key goes to the composer. A key
//! that types a character can therefore be bound only while the input is empty.

mod chord;
mod defaults;

use std::collections::BTreeMap;

use ratatui::crossterm::event::{KeyEvent, KeyEventKind};

use self::{
    chord::Chord,
    defaults::{DefaultBinding, EDITING, GROUPS},
};

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Submit,
    NewLine,
    Quit,
    Interrupt,
    Help,
    Complete,
    CompleteBack,
    HistoryUp,
    HistoryDown,
    ScrollUp,
    ScrollDown,
    PageUp,
    PageDown,
    Top,
    Bottom,
    NextPlace,
    PreviousPlace,
    NextUnread,
    FirstUnread,
    Switch,
    /// Counted from 1.
    GoTo(usize),
    ToggleSidebar,
    ToggleRoster,
    Search,
    Retry,
    Copy,
    OpenLink,
    TextOnly,
    Redraw,
    Cancel,
    Suspend,
}

/// Maps keys to actions.
#[derive(Debug, Clone)]
pub(crate) struct Keymap {
    /// Without duplicate chords; the keys of an action are in the order in which the help shows them.
    bound: Vec<(Chord, Action)>,
}

impl Keymap {
    pub(crate) fn defaults() -> Self {
        let bound = defaults::all().flat_map(|binding| {
            let chords = binding.keys.iter().filter_map(|key| Chord::parse(key).ok());
            chords.map(|chord| (chord, binding.action))
        });
        Self { bound: bound.collect() }
    }

    /// Checks the keys of one action. Errors if it or a key is unknown, or a key types a character.
    pub(crate) fn check(action: &str, keys: &[String]) -> Result<(), String> {
        read(action, keys).map(drop)
    }

    /// The defaults, with other keys for the named actions. A key bound here no longer has its
    /// default action; an empty list leaves the action without a key. Errors if there is no such
    /// action or key, if a key is bound to two actions, or if no key is left to send with.
    pub(crate) fn with(bindings: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        let mut custom: Vec<(Chord, Action, &str)> = Vec::new();
        let mut actions = Vec::new();
        for (name, keys) in bindings {
            let (action, chords) = read(name, keys)?;
            actions.push(action);
            for chord in chords {
                match custom.iter().find(|(other, ..)| *other == chord) {
                    Some((_, _, other)) if *other != name => {
                        return Err(format!("keys: {chord} cannot mean both {other} and {name}"));
                    }
                    Some(_) => {}
                    None => custom.push((chord, action, name)),
                }
            }
        }
        let mut bound = Self::defaults().bound;
        bound.retain(|(chord, action)| {
            !actions.contains(action) && custom.iter().all(|(other, ..)| other != chord)
        });
        bound.extend(custom.into_iter().map(|(chord, action, _)| (chord, action)));
        if !bound.iter().any(|(chord, action)| *action == Action::Submit && !chord.edits()) {
            return Err("keys: submit needs a key, or nothing can be sent".into());
        }
        Ok(Self { bound })
    }

    /// The action of a key while there is input.
    pub(crate) fn action(&self, key: &KeyEvent) -> Option<Action> {
        self.find(key, false)
    }

    /// The action of a key while the input is empty, also of one that else edits, such as `?`.
    pub(crate) fn action_on_empty(&self, key: &KeyEvent) -> Option<Action> {
        self.find(key, true)
    }

    fn find(&self, key: &KeyEvent, empty: bool) -> Option<Action> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let chord = Chord::of(key);
        let bound = self.bound.iter().find(|(bound, _)| *bound == chord);
        bound.filter(|_| empty || !chord.edits()).map(|(_, action)| *action)
    }

    /// The first key of an action, as the help shows it.
    pub(crate) fn key_of(&self, action: Action) -> Option<String> {
        let bound = self.bound.iter().find(|(_, bound)| *bound == action);
        bound.map(|(chord, _)| chord.to_string())
    }

    /// All keys with their descriptions, for the help. A line without keys is the heading of a group.
    pub(crate) fn listing(&self) -> Vec<(String, &'static str)> {
        let mut lines = Vec::new();
        for (head, group) in GROUPS {
            lines.push((String::new(), *head));
            let together = self.go_to_row();
            let goes_to = |binding: &DefaultBinding| matches!(binding.action, Action::GoTo(_));
            let alone = |binding: &&DefaultBinding| together.is_none() || !goes_to(binding);
            lines.extend(group.iter().filter(alone).filter_map(|binding| self.line(binding)));
            lines.extend(together.filter(|_| group.iter().any(goes_to)));
        }
        lines.push((String::new(), "Editing"));
        for (keys, about) in EDITING {
            let keys: Vec<String> = keys.iter().filter_map(|key| self.unless_taken(key)).collect();
            if !keys.is_empty() {
                lines.push((keys.join(", "), *about));
            }
        }
        lines
    }

    /// One row for Alt-1 to Alt-9, if all of them have their default keys.
    fn go_to_row(&self) -> Option<(String, &'static str)> {
        let mut numbers = defaults::all().filter(|it| matches!(it.action, Action::GoTo(_)));
        let all_default = numbers.all(|binding| {
            let bound = self.bound.iter().filter(|(_, action)| *action == binding.action);
            let default = binding.keys.iter().filter_map(|key| Chord::parse(key).ok());
            bound.map(|(chord, _)| *chord).eq(default)
        });
        all_default.then(|| ("Alt-1 … Alt-9".into(), "go to the first … ninth of the list"))
    }

    fn line(&self, binding: &DefaultBinding) -> Option<(String, &'static str)> {
        let bound = self.bound.iter().filter(|(_, action)| *action == binding.action);
        let keys: Vec<String> = bound
            .map(|(chord, _)| match chord.edits() {
                true => format!("{chord} in an empty input"),
                false => chord.to_string(),
            })
            .collect();
        (!keys.is_empty()).then(|| (keys.join(", "), binding.about))
    }

    /// An editing key as the help shows it, unless it is bound to an action.
    fn unless_taken(&self, key: &str) -> Option<String> {
        let chord = Chord::parse(key).ok()?;
        let taken = !chord.edits() && self.bound.iter().any(|(bound, _)| *bound == chord);
        (!taken).then(|| chord.to_string())
    }
}

/// Parses the keys of an action. Of the keys that type a character only `?` is accepted: any other
/// would change its meaning as soon as there is input.
fn read(name: &str, keys: &[String]) -> Result<(Action, Vec<Chord>), String> {
    let action = defaults::action(name)
        .ok_or_else(|| format!("keys: no action {name:?}; the actions are {}", names()))?;
    let chord = |key: &String| {
        let chord = Chord::parse(key).map_err(|why| format!("keys.{name}: {why}"))?;
        match chord.character() {
            None | Some('?') => Ok(chord),
            Some(_) => {
                Err(format!("keys.{name}: {key:?} types a character; combine it with ctrl or alt"))
            }
        }
    };
    Ok((action, keys.iter().map(chord).collect::<Result<_, String>>()?))
}

fn names() -> String {
    defaults::all().map(|binding| binding.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
