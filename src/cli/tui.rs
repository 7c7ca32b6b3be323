//! The full screen: what `chat` shows if the terminal can.
//!
//! [`app`] connects the client, the terminal and the [`state`], which is pure: events go in, and
//! [`effect`]s come out. [`layout`] lays out the state for a size, [`view`] draws it, [`term`] holds the
//! terminal, [`tasks`] makes calls that take time. The [`composer`] is the input, and the
//! [`transcript`] the list of messages.

mod app;
mod areas;
mod chat_id;
mod complete;
mod composer;
mod effect;
mod escape;
mod found;
mod headless;
mod late_answer;
mod layout;
mod lookups;
mod moment;
mod opener;
mod outcome;
mod read_positions;
mod signals;
mod state;
mod tasks;
mod term;
mod terminal_events;
mod transcript;
mod view;

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
};

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

#[doc(hidden)]
pub use self::headless::HeadlessScreen;
use self::{
    app::{App, TerminalEvents},
    moment::Moment,
    state::{Drafts, Preferences, State},
    term::Screen,
};
use super::{
    chat::{
        self, actions, history_file,
        hubs::{Visit, visit_each},
        joined_rooms::JoinedRooms,
        link,
    },
    config::ProfileName,
    failure::{Failure, Result},
    keymap::Keymap,
    options::Settings,
    output::{print_notice, print_warning},
    terminal::{self, query_background},
    theme::{ThemeName, detect::TerminalColours},
};
use crate::{
    client::{Event, Events},
    model::Start,
};

/// The messages of a room that are loaded on joining. Older ones are loaded on demand.
const HISTORY_ON_JOIN: u32 = 100;

/// Returns true if `chat` can use the full screen.
pub(super) fn is_possible(args: &chat::Args) -> bool {
    !args.plain && terminal::can_edit()
}

/// Chats in the full screen until the user leaves or a signal arrives.
pub(super) async fn run(settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let background = query_background();
    let colours =
        TerminalColours { background: background.colour, ..TerminalColours::from_environment() };
    let options = |settings: &Settings| {
        let mut options = settings.visible()?;
        let rooms = JoinedRooms::load(settings).at_start(settings);
        options.rooms =
            rooms.into_iter().map(|room| (room, Start::Last(HISTORY_ON_JOIN))).collect();
        print_notice(&format!("{} goes to the hub at {} …", options.name, options.hub));
        Ok(options)
    };
    // One thread reads the terminal, at whatever hub.
    let mut reading = None;
    // The drafts of each hub that the user has left.
    let mut drafts = BTreeMap::new();
    visit_each(settings, options, stop, async |visit| {
        let events = reading
            .take()
            .unwrap_or_else(|| terminal_events::events(&background.typed, background.is_open));
        let (events, left) = at_hub(visit, colours, events, &mut drafts, stop).await?;
        reading = Some(events);
        Ok(left)
    })
    .await
}

/// Chats at one hub, until the user leaves it. Returns the hub to go to, if there is one.
async fn at_hub(
    visit: Visit,
    colours: TerminalColours,
    terminal_events: TerminalEvents,
    drafts: &mut BTreeMap<String, Drafts>,
    stop: &CancellationToken,
) -> Result<(TerminalEvents, Option<ProfileName>)> {
    let Visit { settings, client, mut events, problem } = visit;
    let preferences = preferences(&settings, colours)?;
    let joined = JoinedRooms::load(&settings);
    let rooms = joined.at_start(&settings);
    let unseen = events.keep_until_seen();

    let hint = settings.unreachable_hint().map(|hint| format!("; {hint}")).unwrap_or_default();
    let hub = (client.hub().to_string(), link::reached_at(&client) + &hint);
    let now = Moment::now();
    let mut state = State::new(client.name(), hub, &rooms, preferences, now);
    state.set_blocked(actions::blocked(&client).await.unwrap_or_default());
    let (file, hub) = (settings.home.seen(), client.hub().to_string());
    state.set_read_positions(read_positions::load(&file, &hub));
    state.set_join_lines(link::lines(&client));
    state.set_drafts(drafts.remove(&hub).unwrap_or_default());
    state.greet(now);
    problem.iter().for_each(|problem| state.announce(problem, true, now));
    let screen = Screen::open(settings.mouse).map_err(|error| no_screen(&error))?;
    let mut app = App::new(
        state,
        client.clone(),
        unseen.clone(),
        screen,
        terminal_events,
        settings.clone(),
        joined,
    );
    let result = app.run(&mut events, stop).await;
    let (mut state, terminal_events) = app.close().await;
    client.stop().await;
    if settings.home.can_write(&file)
        && let Err(error) = read_positions::save(&file, &hub, &state.read_positions())
    {
        print_warning(&format!("cannot store up to where you have read: {error}"));
    }
    receive_rest(&mut state, events).await;
    state.drop_redelivered(|direct| unseen.holds(&direct.message));
    for line in state.exit_report(io::stderr().is_terminal()) {
        print_warning(&line);
    }
    let next = state.take_next_hub();
    if next.is_some() {
        drafts.insert(hub, state.take_drafts());
    }
    match (result?, next, state.unsent().len()) {
        (Some(error), ..) => Err(error.into()),
        (None, None, 1..) => Err(Failure::Other("not everything you said has arrived".into())),
        (None, next, _) => Ok((terminal_events, next)),
    }
}

/// Receives the direct messages that arrived while the screen was being closed: they have receipts.
async fn receive_rest(state: &mut State, mut events: Events) {
    state.focus = Some(false);
    while let Some(event) = events.next().await {
        if matches!(event, Event::Direct(_)) {
            state.on_event(event, Moment::now());
        }
    }
}

fn preferences(settings: &Settings, colours: TerminalColours) -> Result<Preferences> {
    Ok(Preferences {
        theme: theme(settings),
        colours,
        zone: TimeZone::system(),
        keymap: Keymap::with(&settings.keys).map_err(Failure::Usage)?,
        quiet: settings.quiet,
        notify: settings.notify.clone(),
        keywords: settings.keywords.clone(),
        history: history_file::load(&settings.home.input_history()).unwrap_or_default(),
    })
}

/// The theme: without colours if `NO_COLOR` is set (<https://no-color.org>).
fn theme(settings: &Settings) -> ThemeName {
    match std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        true => ThemeName::Plain,
        false => settings.theme.unwrap_or_default(),
    }
}

fn no_screen(error: &io::Error) -> Failure {
    Failure::Other(format!("no full screen here ({error}): try `chinwag chat --plain`"))
}
