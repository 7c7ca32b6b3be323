//! Where everything stands, and what stands at a place that the mouse points to.

use ratatui::layout::{Position, Rect};
use unicode_width::UnicodeWidthStr;

use super::prompt_width;
use crate::{
    cli::tui::state::{Now, Place, State},
    model::Name,
};

/// How wide the list of places and the list of peers are.
const SIDEBAR: u16 = 20;
const ROSTER: u16 = 20;

/// From which width on they are shown unless somebody wants them.
const WITH_SIDEBAR: u16 = 60;
const WITH_ROSTER: u16 = 90;

/// From which height on a rule parts the messages from what is typed.
const WITH_RULE: u16 = 10;

/// The least that is left for the messages.
const MIDDLE: u16 = 20;

/// The most rows of what is typed, and of what could be chosen.
const INPUT: u16 = 6;
const MENU: u16 = 8;

/// The parts of the screen; those that find no place are empty.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Parts {
    pub(super) sidebar: Rect,
    pub(super) roster: Rect,
    pub(super) borders: [Rect; 2],
    pub(super) title: Rect,
    pub(super) messages: Rect,
    pub(super) note: Rect,
    pub(super) menu: Rect,
    pub(super) rule: Rect,
    pub(super) input: Rect,
    pub(super) status: Rect,
}

impl Parts {
    /// Divides `area`. What is typed comes first, then what was said, then everything else.
    pub(super) fn of(area: Rect, state: &State, now: Now) -> Self {
        let mut parts = Self::default();
        let mut rest = area;
        if rest.height > 2 {
            parts.status = bottom(&mut rest, 1);
        }
        let folds = state.folds;
        let width = area.width;
        if folds.sidebar.unwrap_or(width >= WITH_SIDEBAR) && width > MIDDLE + 8 {
            let wanted = SIDEBAR.min(width - MIDDLE);
            parts.sidebar = left(&mut rest, wanted - 1);
            parts.borders[0] = left(&mut rest, 1);
        }
        if folds.roster.unwrap_or(width >= WITH_ROSTER) && rest.width > MIDDLE + 8 {
            let wanted = ROSTER.min(rest.width - MIDDLE);
            parts.roster = right(&mut rest, wanted - 1);
            parts.borders[1] = right(&mut rest, 1);
        }
        parts.middle(rest, area.height >= WITH_RULE, state, now);
        parts
    }

    fn middle(&mut self, mut rest: Rect, ruled: bool, state: &State, now: Now) {
        let width = rest.width - prompt_width(state, rest.width);
        let most = INPUT.min(rest.height / 3).max(1);
        self.input = bottom(&mut rest, state.composer.rows(width, most));
        if ruled {
            self.rule = bottom(&mut rest, 1);
        }
        if rest.height > 3 {
            self.title = top(&mut rest, 1);
        }
        let typing = state.current_peer().and_then(|peer| state.talk(peer));
        if rest.height > 3 && typing.is_some_and(|talk| talk.is_typing(now)) {
            self.note = bottom(&mut rest, 1);
        }
        if let Some(menu) = &state.menu {
            let rows = u16::try_from(menu.choices.len()).unwrap_or(MENU).min(MENU);
            let most = rest.height / 2;
            self.menu = bottom(&mut rest, rows.min(most));
        }
        self.messages = rest;
    }
}

fn bottom(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    rest.height -= rows;
    Rect { y: rest.bottom(), height: rows, ..*rest }
}

fn top(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    let cut = Rect { height: rows, ..*rest };
    rest.y += rows;
    rest.height -= rows;
    cut
}

fn left(rest: &mut Rect, columns: u16) -> Rect {
    let columns = columns.min(rest.width);
    let cut = Rect { width: columns, ..*rest };
    rest.x += columns;
    rest.width -= columns;
    cut
}

fn right(rest: &mut Rect, columns: u16) -> Rect {
    let columns = columns.min(rest.width);
    rest.width -= columns;
    Rect { x: rest.right(), width: columns, ..*rest }
}

/// Where the lists were drawn last, and how far they are scrolled.
#[derive(Debug, Default)]
pub(crate) struct Areas {
    pub(crate) sidebar: Rect,
    pub(crate) roster: Rect,
    /// How many cells the last line has for a word; none before it was drawn.
    pub(super) word: Option<usize>,
    /// How many rows of what lies over everything are shown.
    pub(crate) page: usize,
    /// What the rows of the lists are about.
    pub(super) places: Vec<(u16, Place)>,
    pub(super) people: Vec<(u16, Name)>,
    /// The first rows that are shown.
    pub(super) places_top: usize,
    pub(super) people_top: usize,
    /// The place that was chosen when the list was drawn: it is kept in sight when it changes.
    pub(super) shown: Option<Place>,
}

impl Areas {
    pub(super) fn set(&mut self, parts: &Parts) {
        self.sidebar = parts.sidebar;
        self.roster = parts.roster;
        self.places.clear();
        self.people.clear();
    }

    /// Whether the last line has room for a word.
    pub(crate) fn holds(&self, word: &str) -> bool {
        self.word.is_none_or(|cells| word.width() <= cells)
    }

    /// The place that stands there.
    pub(crate) fn place_at(&self, at: Position) -> Option<&Place> {
        let row = self.places.iter().find(|(row, _)| *row == at.y)?;
        self.sidebar.contains(at).then_some(&row.1)
    }

    /// The peer that stands there.
    pub(crate) fn person_at(&self, at: Position) -> Option<&Name> {
        let row = self.people.iter().find(|(row, _)| *row == at.y)?;
        self.roster.contains(at).then_some(&row.1)
    }

    /// Scrolls the list of places; drawing keeps it within its bounds.
    pub(crate) fn scroll_sidebar(&mut self, rows: isize) {
        self.places_top = self.places_top.saturating_add_signed(rows);
    }

    /// Scrolls the list of peers.
    pub(crate) fn scroll_roster(&mut self, rows: isize) {
        self.people_top = self.people_top.saturating_add_signed(rows);
    }
}
