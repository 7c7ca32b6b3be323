//! What the keys of the full screen mean.
//!
//! A key that means an [`Action`] never reaches the text; every other key is the composer's. So a
//! character may mean something only while nothing is typed, or it could not be typed any more.

mod chord;
mod usual;

use std::collections::BTreeMap;

use ratatui::crossterm::event::{KeyEvent, KeyEventKind};

use self::{
    chord::Chord,
    usual::{EDITING, GROUPS, Usual},
};

/// What a key means; everything else goes into the composer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send what is typed.
    Submit,
    /// Go on in a new line.
    NewLine,
    /// Leave.
    Quit,
    /// Clear the input, or ask to leave where there is none.
    Interrupt,
    /// Show the keys and commands.
    Help,
    /// Complete a word; again: the next one that fits.
    Complete,
    /// Go back to the one before.
    CompleteBack,
    /// The line that was typed before.
    HistoryUp,
    /// The line that was typed after.
    HistoryDown,
    /// A row towards older messages.
    ScrollUp,
    /// A row towards newer messages.
    ScrollDown,
    /// A page towards older messages.
    PageUp,
    /// A page towards newer messages.
    PageDown,
    /// The oldest message that is loaded.
    Top,
    /// The newest message.
    Bottom,
    /// The next room or conversation of the list.
    NextPlace,
    /// The one before.
    PreviousPlace,
    /// The next place with something new.
    NextUnread,
    /// The place of this number, counted from 1.
    GoTo(usize),
    /// Show or hide the list of places.
    ToggleSidebar,
    /// Show or hide who is here.
    ToggleRoster,
    /// Look for words.
    Search,
    /// Send again what failed.
    Retry,
    /// Draw everything anew.
    Redraw,
    /// Close what is open above the messages.
    Cancel,
    /// Go to the background.
    Suspend,
}

/// Which key means what.
#[derive(Debug, Clone)]
pub(crate) struct Keymap {
    /// No chord twice; the keys of one action in the order in which they are shown.
    bound: Vec<(Chord, Action)>,
}

impl Keymap {
    /// The keys that need no configuration.
    pub(crate) fn usual() -> Self {
        let bound = usual::all().flat_map(|usual| {
            let chords = usual.keys.iter().filter_map(|key| Chord::parse(key).ok());
            chords.map(|chord| (chord, usual.action))
        });
        Self { bound: bound.collect() }
    }

    /// Whether an action can have these keys, whatever the others have.
    ///
    /// # Errors
    ///
    /// Says which action or key there is not, or which key is to type with.
    pub(crate) fn check(action: &str, keys: &[String]) -> Result<(), String> {
        read(action, keys).map(drop)
    }

    /// The usual keys, with others for the actions that are named. A key that is given to an action
    /// is taken from the one that has it usually; an action without keys has none.
    ///
    /// # Errors
    ///
    /// Says which action or key there is not, which key is given to two, or that nothing is left to
    /// send with.
    pub(crate) fn with(bindings: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        let mut said: Vec<(Chord, Action, &str)> = Vec::new();
        let mut actions = Vec::new();
        for (name, keys) in bindings {
            let (action, chords) = read(name, keys)?;
            actions.push(action);
            for chord in chords {
                match said.iter().find(|(other, ..)| *other == chord) {
                    Some((_, _, other)) if *other != name => {
                        return Err(format!("keys: {chord} cannot mean both {other} and {name}"));
                    }
                    Some(_) => {}
                    None => said.push((chord, action, name)),
                }
            }
        }
        let mut bound = Self::usual().bound;
        bound.retain(|(chord, action)| {
            !actions.contains(action) && said.iter().all(|(other, ..)| other != chord)
        });
        bound.extend(said.into_iter().map(|(chord, action, _)| (chord, action)));
        if !bound.iter().any(|(chord, action)| *action == Action::Submit && !chord.is_typed()) {
            return Err("keys: no key is left for submit, with which a text is sent".into());
        }
        Ok(Self { bound })
    }

    /// What a key means while something is typed.
    pub(crate) fn action(&self, key: &KeyEvent) -> Option<Action> {
        self.find(key, false)
    }

    /// What a key means while nothing is typed: also what it could not mean otherwise, as `?` and
    /// Ctrl-D.
    pub(crate) fn action_on_empty(&self, key: &KeyEvent) -> Option<Action> {
        self.find(key, true)
    }

    fn find(&self, key: &KeyEvent, empty: bool) -> Option<Action> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let chord = Chord::of(key);
        let bound = self.bound.iter().find(|(bound, _)| *bound == chord);
        bound.filter(|_| empty || !chord.is_typed()).map(|(_, action)| *action)
    }

    /// Every key and what it does, as the help shows it. A line without keys is the head of the
    /// group that follows.
    pub(crate) fn listing(&self) -> Vec<(String, &'static str)> {
        let mut lines = Vec::new();
        for (head, group) in GROUPS {
            lines.push((String::new(), *head));
            let together = self.go_to_row();
            let alone =
                |usual: &&Usual| together.is_none() || !matches!(usual.action, Action::GoTo(_));
            lines.extend(group.iter().filter(alone).filter_map(|usual| self.line(usual)));
            let goes_to = |usual: &Usual| matches!(usual.action, Action::GoTo(_));
            lines.extend(together.filter(|_| group.iter().any(goes_to)));
        }
        lines.push((String::new(), "Editing"));
        for (keys, does) in EDITING {
            let keys: Vec<String> = keys.iter().filter_map(|key| self.unless_taken(key)).collect();
            if !keys.is_empty() {
                lines.push((keys.join(", "), *does));
            }
        }
        lines
    }

    /// One row for the keys of the places by number, where they are as usual.
    fn go_to_row(&self) -> Option<(String, &'static str)> {
        let numbers = usual::all().filter(|usual| matches!(usual.action, Action::GoTo(_)));
        let mut rows = numbers.map(|usual| {
            let bound = self.bound.iter().filter(|(_, action)| *action == usual.action);
            let usual = usual.keys.iter().filter_map(|key| Chord::parse(key).ok());
            bound.map(|(chord, _)| *chord).eq(usual)
        });
        rows.all(|as_usual| as_usual)
            .then(|| ("Alt-1 … Alt-9".into(), "the first to the ninth of the list"))
    }

    fn line(&self, usual: &Usual) -> Option<(String, &'static str)> {
        let bound = self.bound.iter().filter(|(_, action)| *action == usual.action);
        let keys: Vec<String> = bound
            .map(|(chord, _)| match chord.is_typed() {
                true => format!("{chord} in an empty input"),
                false => chord.to_string(),
            })
            .collect();
        (!keys.is_empty()).then(|| (keys.join(", "), usual.does))
    }

    /// A key that edits, as it is shown, unless it always means something else.
    fn unless_taken(&self, key: &str) -> Option<String> {
        let chord = Chord::parse(key).ok()?;
        let taken = !chord.is_typed() && self.bound.iter().any(|(bound, _)| *bound == chord);
        (!taken).then(|| chord.to_string())
    }
}

/// Reads the keys of an action. What types a character is no key for anything but help: it would
/// mean something else as soon as something is typed.
fn read(name: &str, keys: &[String]) -> Result<(Action, Vec<Chord>), String> {
    let action = usual::named(name)
        .ok_or_else(|| format!("keys: there is no action {name:?}; {}", names()))?;
    let chord = |key: &String| {
        let chord = Chord::parse(key).map_err(|why| format!("keys.{name}: {why}"))?;
        match chord.types() {
            None | Some('?') => Ok(chord),
            Some(_) => Err(format!(
                "keys.{name}: {key:?} types a character; hold ctrl or alt with it, or take another"
            )),
        }
    };
    Ok((action, keys.iter().map(chord).collect::<Result<_, String>>()?))
}

fn names() -> String {
    let names: Vec<&str> = usual::all().map(|usual| usual.name).collect();
    format!("there are {}", names.join(", "))
}

#[cfg(test)]
mod tests;
