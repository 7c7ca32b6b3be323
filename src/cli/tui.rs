//! The full screen: what `chat` shows where the terminal is one.
//!
//! `app` stands between the client, the terminal and the [`state`], which is pure: what happens goes
//! in, and what is to be done comes out. [`view`] draws the state, `term` holds the terminal,
//! `tasks` and [`talks`] are what takes time. What a person types is the `composer`'s, what their
//! keys mean `keys`'; the `transcript` lays out what was said.

mod app;
mod bench;
pub(crate) mod complete;
pub(crate) mod composer;
mod glyphs;
pub(crate) mod keys;
mod seen;
mod signals;
mod state;
mod talks;
mod tasks;
mod term;
mod theme;
mod transcript;
mod view;

use std::io::{self, IsTerminal};

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

#[doc(hidden)]
pub use self::bench::{FrameTimes, ScreenFigures, bench_screen};
use self::{
    app::App,
    keys::Keymap,
    state::{Now, Preferences, State},
    term::Screen,
    theme::Theme,
};
use super::{
    chat::{self, actions, typed},
    commands::start,
    failure::Failure,
    options::Settings,
    output::{complain, tell},
    terminal,
};
use crate::{
    client::{Client, Event, Events},
    model::Start,
};

/// How much of what was said before is there at once in a room that one enters; the rest is loaded
/// when it is wanted.
const SAID_BEFORE: u32 = 100;

/// Whether `chat` takes the whole screen here.
pub(super) fn is_possible(args: &chat::Args) -> bool {
    !args.plain && terminal::can_edit()
}

/// Chats on the whole screen until the person leaves or a signal comes.
pub(super) async fn run(settings: &Settings, stop: &CancellationToken) -> Result<(), Failure> {
    let taste = taste(settings)?;
    let mut options = settings.visible()?;
    let entering = |room: &crate::model::RoomName| (room.clone(), Start::Last(SAID_BEFORE));
    options.rooms = settings.rooms.iter().map(entering).collect();
    tell(&format!("{} goes to the hub at {} …", options.name, options.hub));
    let (client, mut events) = start(options, stop).await?;
    let unseen = events.keep_until_seen();

    let at = (client.hub().to_string(), reached_at(&client, settings));
    let now = Now::here();
    let mut state = State::new(client.name().clone(), at, &settings.rooms, taste, now);
    state.block(actions::blocked(&client).await.unwrap_or_default());
    let (file, hub) = (settings.home.seen(), client.hub().to_string());
    state.has_seen(seen::load(&file, &hub));
    state.greet(now);
    let screen = Screen::open().map_err(|error| no_screen(&error))?;
    let app = App::new(
        state,
        client.clone(),
        unseen.clone(),
        screen,
        term::keys(),
        settings.home.typed_lines(),
    );
    let (ended, mut state, events) = talk(app, events, stop).await;
    client.stop().await;
    if let Err(error) = seen::save(&file, &hub, &state.seen()) {
        complain(&format!("what you have seen is not remembered: {error}"));
    }
    hear_rest(&mut state, events).await;
    state.leave_unseen(|direct| unseen.holds(&direct.message));
    for line in state.left_over(io::stderr().is_terminal()) {
        complain(&line);
    }
    match (ended?, state.unsent().len()) {
        (Some(error), _) => Err(error.into()),
        (None, 0) => Ok(()),
        (None, _) => Err(Failure::Other("not everything you said has arrived".into())),
    }
}

type Ended = Result<Option<crate::error::Error>, Failure>;

async fn talk(
    mut app: App,
    mut events: Events,
    stop: &CancellationToken,
) -> (Ended, State, Events) {
    let ended = app.run(&mut events, stop).await;
    (ended, app.close().await, events)
}

/// Takes what came while the screen was being given back: whoever sent a private message that was
/// accepted holds a receipt for it.
async fn hear_rest(state: &mut State, mut events: Events) {
    state.look_away();
    while let Some(event) = events.next().await {
        if matches!(event, Event::Direct(_)) {
            state.hear(event, Now::here());
        }
    }
}

/// What the person wants it to be like.
fn taste(settings: &Settings) -> Result<Preferences, Failure> {
    let typed = typed::load(&settings.home.typed_lines()).unwrap_or_default();
    Ok(Preferences {
        theme: theme(settings)?,
        zone: TimeZone::system(),
        keymap: Keymap::with(&settings.keys).map_err(Failure::Usage)?,
        quiet: settings.quiet,
        typed,
    })
}

/// The colours: none where nobody wants any (<https://no-color.org>).
fn theme(settings: &Settings) -> Result<Theme, Failure> {
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return Ok(Theme::plain());
    }
    match &settings.theme {
        None => Ok(Theme::dark()),
        Some(name) => {
            Theme::named(name).ok_or_else(|| Failure::Usage(format!("theme: {}", no_theme(name))))
        }
    }
}

/// Reads the name of colours that there are.
pub(super) fn theme_name(name: &str) -> Result<String, String> {
    Theme::named(name).map(|_| name.to_owned()).ok_or_else(|| no_theme(name))
}

fn no_theme(name: &str) -> String {
    format!("there is no {name:?}: it is dark, light or plain")
}

/// Where direct messages come in, in words.
fn reached_at(client: &Client, settings: &Settings) -> String {
    if client.direct_address().is_none() {
        return "no direct messages come in".into();
    }
    let at: Vec<String> = client.advertised().iter().map(ToString::to_string).collect();
    let hint = settings.out_of_reach().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("direct messages come in at {}{hint}", at.join(", "))
}

fn no_screen(error: &io::Error) -> Failure {
    Failure::Other(format!("no full screen here ({error}): try `chinwag chat --plain`"))
}
