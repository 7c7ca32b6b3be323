//! The default key bindings, their names in the configuration, and the editing keys of the composer.

use super::Action;

/// An action with its default keys.
pub(super) struct DefaultBinding {
    pub(super) action: Action,
    pub(super) name: &'static str,
    pub(super) keys: &'static [&'static str],
    /// The description in the help.
    pub(super) about: &'static str,
}

/// All actions, grouped as in the help.
pub(super) const GROUPS: &[(&str, &[DefaultBinding])] = &[
    ("Writing", WRITING),
    ("Messages", MESSAGES),
    ("Rooms and direct chats", NAVIGATION),
    ("Screen", SCREEN),
];

const WRITING: &[DefaultBinding] = &[
    bind(Action::Submit, "submit", &["enter"], "send the input; if empty, show long messages"),
    // Terminals differ in which of these they can tell from Enter.
    bind(
        Action::NewLine,
        "new-line",
        &["alt-enter", "ctrl-j", "shift-enter", "ctrl-enter"],
        "insert a line break",
    ),
    bind(Action::Complete, "complete", &["tab"], "complete a name, room or command"),
    bind(Action::CompleteBack, "complete-back", &["shift-tab"], "previous completion"),
    bind(Action::HistoryUp, "history-up", &["up"], "previous input, from the first row"),
    bind(Action::HistoryDown, "history-down", &["down"], "next input, from the last row"),
    bind(Action::Interrupt, "interrupt", &["ctrl-c"], "clear the input; if empty, ask to leave"),
];

const MESSAGES: &[DefaultBinding] = &[
    bind(Action::PageUp, "page-up", &["pageup"], "scroll up a page"),
    bind(Action::PageDown, "page-down", &["pagedown"], "scroll down a page"),
    bind(Action::ScrollUp, "scroll-up", &["ctrl-up", "shift-up"], "scroll up a row"),
    bind(Action::ScrollDown, "scroll-down", &["ctrl-down", "shift-down"], "scroll down a row"),
    bind(Action::Top, "top", &["ctrl-home"], "go to the oldest loaded message"),
    bind(Action::Bottom, "bottom", &["ctrl-end"], "go to the newest message"),
    bind(Action::Search, "search", &["ctrl-f", "ctrl-s"], "search messages"),
    bind(Action::Retry, "retry", &["ctrl-r"], "send a failed message again"),
    bind(
        Action::Copy,
        "copy",
        &["alt-c"],
        "copy the latest or found message, or the selected link",
    ),
    bind(Action::OpenLink, "open-link", &["alt-o"], "list the links, to open or copy one"),
    bind(
        Action::TextOnly,
        "text-only",
        &["alt-l"],
        "show only the text, to select in it with the mouse",
    ),
];

const NAVIGATION: &[DefaultBinding] = &[
    bind(Action::NextPlace, "next-place", &["ctrl-n", "alt-down"], "next room or person"),
    bind(Action::PreviousPlace, "previous-place", &["ctrl-p", "alt-up"], "previous room or person"),
    bind(Action::NextUnread, "next-unread", &["alt-a"], "next room or person with unread messages"),
    bind(Action::FirstUnread, "first-unread", &["alt-u"], "go to the first unread message here"),
    bind(Action::Switch, "switch", &["alt-g", "ctrl-g"], "find a room, person or command"),
    bind(Action::GoTo(1), "go-to-1", &["alt-1"], "go to the first of the list"),
    bind(Action::GoTo(2), "go-to-2", &["alt-2"], "go to the second"),
    bind(Action::GoTo(3), "go-to-3", &["alt-3"], "go to the third"),
    bind(Action::GoTo(4), "go-to-4", &["alt-4"], "go to the fourth"),
    bind(Action::GoTo(5), "go-to-5", &["alt-5"], "go to the fifth"),
    bind(Action::GoTo(6), "go-to-6", &["alt-6"], "go to the sixth"),
    bind(Action::GoTo(7), "go-to-7", &["alt-7"], "go to the seventh"),
    bind(Action::GoTo(8), "go-to-8", &["alt-8"], "go to the eighth"),
    bind(Action::GoTo(9), "go-to-9", &["alt-9"], "go to the ninth"),
];

const SCREEN: &[DefaultBinding] = &[
    bind(Action::Help, "help", &["f1", "?"], "show this help"),
    bind(Action::ToggleSidebar, "toggle-sidebar", &["f2"], "show or hide the list on the left"),
    bind(Action::ToggleRoster, "toggle-roster", &["f3"], "show or hide the peers on the hub"),
    bind(Action::Cancel, "cancel", &["esc"], "close what is open"),
    bind(Action::Redraw, "redraw", &["ctrl-l"], "redraw the screen"),
    bind(Action::Suspend, "suspend", &["ctrl-z"], "suspend, until `fg`"),
    bind(Action::Quit, "quit", &["ctrl-q", "ctrl-d"], "leave the chat"),
];

/// The editing keys of the composer.
pub(super) const EDITING: &[(&[&str], &str)] = &[
    (&["left", "ctrl-b"], "back a character"),
    (&["right"], "forward a character"),
    (&["ctrl-left", "alt-b"], "back a word"),
    (&["ctrl-right", "alt-f"], "forward a word"),
    (&["home", "ctrl-a"], "start of the line"),
    (&["end", "ctrl-e"], "end of the line"),
    (&["backspace", "ctrl-h"], "delete the character before the cursor"),
    (&["delete", "ctrl-d"], "delete the character at the cursor"),
    (&["ctrl-w"], "cut back to the previous blank"),
    (&["alt-backspace"], "cut the word before the cursor"),
    (&["alt-d", "alt-delete"], "cut the word after the cursor"),
    (&["ctrl-u"], "cut to the start of the line"),
    (&["ctrl-k"], "cut to the end of the line"),
    (&["ctrl-y"], "paste what was cut"),
    (&["ctrl-t"], "swap two characters"),
    (&["ctrl-_"], "undo"),
];

/// All actions.
pub(super) fn all() -> impl Iterator<Item = &'static DefaultBinding> {
    GROUPS.iter().flat_map(|(_, group)| group.iter())
}

pub(super) fn action(name: &str) -> Option<Action> {
    all().find(|binding| binding.name == name).map(|binding| binding.action)
}

const fn bind(
    action: Action,
    name: &'static str,
    keys: &'static [&'static str],
    about: &'static str,
) -> DefaultBinding {
    DefaultBinding { action, name, keys, about }
}
