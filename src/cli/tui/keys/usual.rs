//! The usual keys: the names that the configuration knows the actions by, what they do, and what
//! the composer does with keys that mean no action.

use super::Action;

/// An action as it comes.
pub(super) struct Usual {
    pub(super) action: Action,
    /// Its name in the configuration.
    pub(super) name: &'static str,
    pub(super) keys: &'static [&'static str],
    pub(super) does: &'static str,
}

/// All actions, as the help groups them.
pub(super) const GROUPS: &[(&str, &[Usual])] =
    &[("Writing", WRITING), ("Messages", MESSAGES), ("Places", PLACES), ("The screen", SCREEN)];

const WRITING: &[Usual] = &[
    usual(Action::Submit, "submit", &["enter"], "sends what is typed"),
    // Terminals disagree on which of these they can tell from Enter.
    usual(
        Action::NewLine,
        "new-line",
        &["alt-enter", "ctrl-j", "shift-enter", "ctrl-enter"],
        "goes on in a new line",
    ),
    usual(Action::Complete, "complete", &["tab"], "completes a name, room or command"),
    usual(Action::CompleteBack, "complete-back", &["shift-tab"], "goes back to the one before"),
    usual(Action::HistoryUp, "history-up", &["up"], "what was typed before, from the first row"),
    usual(
        Action::HistoryDown,
        "history-down",
        &["down"],
        "what was typed after, from the last row",
    ),
    usual(
        Action::Interrupt,
        "interrupt",
        &["ctrl-c"],
        "clears the input; without one, asks to leave",
    ),
];

const MESSAGES: &[Usual] = &[
    usual(Action::PageUp, "page-up", &["pageup"], "a page of older messages"),
    usual(Action::PageDown, "page-down", &["pagedown"], "a page of newer messages"),
    usual(Action::ScrollUp, "scroll-up", &["ctrl-up", "shift-up"], "a row of older messages"),
    usual(
        Action::ScrollDown,
        "scroll-down",
        &["ctrl-down", "shift-down"],
        "a row of newer messages",
    ),
    usual(Action::Top, "top", &["ctrl-home"], "the oldest message that is loaded"),
    usual(Action::Bottom, "bottom", &["ctrl-end"], "the newest message"),
    usual(Action::Search, "search", &["ctrl-f", "ctrl-s"], "finds messages"),
    usual(Action::Retry, "retry", &["ctrl-r"], "sends again what failed"),
];

const PLACES: &[Usual] = &[
    usual(Action::NextPlace, "next-place", &["ctrl-n", "alt-down"], "the next room or person"),
    usual(
        Action::PreviousPlace,
        "previous-place",
        &["ctrl-p", "alt-up"],
        "the room or person before",
    ),
    usual(Action::NextUnread, "next-unread", &["alt-a"], "the next one with something new"),
    usual(Action::GoTo(1), "go-to-1", &["alt-1"], "the first one of the list"),
    usual(Action::GoTo(2), "go-to-2", &["alt-2"], "the second"),
    usual(Action::GoTo(3), "go-to-3", &["alt-3"], "the third"),
    usual(Action::GoTo(4), "go-to-4", &["alt-4"], "the fourth"),
    usual(Action::GoTo(5), "go-to-5", &["alt-5"], "the fifth"),
    usual(Action::GoTo(6), "go-to-6", &["alt-6"], "the sixth"),
    usual(Action::GoTo(7), "go-to-7", &["alt-7"], "the seventh"),
    usual(Action::GoTo(8), "go-to-8", &["alt-8"], "the eighth"),
    usual(Action::GoTo(9), "go-to-9", &["alt-9"], "the ninth"),
];

const SCREEN: &[Usual] = &[
    usual(Action::Help, "help", &["f1", "?"], "shows this"),
    usual(Action::ToggleSidebar, "toggle-sidebar", &["f2"], "shows or hides the list of places"),
    usual(Action::ToggleRoster, "toggle-roster", &["f3"], "shows or hides who is here"),
    usual(Action::Cancel, "cancel", &["esc"], "closes what is open"),
    usual(Action::Redraw, "redraw", &["ctrl-l"], "draws the screen anew"),
    usual(Action::Suspend, "suspend", &["ctrl-z"], "goes to the background, until `fg`"),
    usual(Action::Quit, "quit", &["ctrl-q", "ctrl-d"], "leaves"),
];

/// What the composer does with keys that mean no action.
pub(super) const EDITING: &[(&[&str], &str)] = &[
    (&["left", "ctrl-b"], "a character back"),
    (&["right"], "a character on"),
    (&["ctrl-left", "alt-b"], "a word back"),
    (&["ctrl-right", "alt-f"], "a word on"),
    (&["home", "ctrl-a"], "the beginning of the line"),
    (&["end", "ctrl-e"], "the end of the line"),
    (&["backspace", "ctrl-h"], "deletes the character before"),
    (&["delete", "ctrl-d"], "deletes the character under the cursor"),
    (&["ctrl-w"], "cuts what stands before, up to a blank"),
    (&["alt-backspace"], "cuts the word before"),
    (&["alt-d", "alt-delete"], "cuts the word after"),
    (&["ctrl-u"], "cuts to the beginning of the line"),
    (&["ctrl-k"], "cuts to the end of the line"),
    (&["ctrl-y"], "puts in what was cut last"),
    (&["ctrl-t"], "swaps two characters"),
    (&["ctrl-_"], "takes the last change back"),
];

/// Every action.
pub(super) fn all() -> impl Iterator<Item = &'static Usual> {
    GROUPS.iter().flat_map(|(_, group)| group.iter())
}

/// The action that the configuration knows by this name.
pub(super) fn named(name: &str) -> Option<Action> {
    all().find(|usual| usual.name == name).map(|usual| usual.action)
}

const fn usual(
    action: Action,
    name: &'static str,
    keys: &'static [&'static str],
    does: &'static str,
) -> Usual {
    Usual { action, name, keys, does }
}
