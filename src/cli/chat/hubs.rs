//! Chats at one hub after another: `/hub` leaves one and goes to the next.

use tokio_util::sync::CancellationToken;

use crate::{
    cli::{
        commands::{start, start_unasked},
        config::{ProfileName, hubs::no_profile},
        failure::{Failure, Result},
        options::Settings,
        terminal, view,
    },
    client::{Client, ClientOptions, Events},
};

/// What `/hub` leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HubChoice {
    /// These are the hubs.
    List(Vec<String>),
    /// Says that the chat is at this one already.
    Here(String),
    /// The chat leaves for this one.
    Go(ProfileName),
}

/// Returns what `/hub` leads to, with or without the name of a profile. Errors if there is none of that
/// name now.
pub(crate) fn choose(settings: &Settings, wanted: Option<&str>) -> Result<HubChoice, String> {
    let hubs = settings.read_hubs().map_err(|failure| failure.line().unwrap_or_default())?;
    let Some(wanted) = wanted else { return Ok(HubChoice::List(view::hubs(&hubs))) };
    match hubs.into_iter().find(|entry| entry.profile.as_str() == wanted) {
        Some(entry) if entry.is_current => {
            Ok(HubChoice::Here(format!("you are at {}", entry.profile)))
        }
        Some(entry) => Ok(HubChoice::Go(entry.profile)),
        None => Err(format!("{}: /hub lists them", no_profile(wanted))),
    }
}

/// A chat that begins at a hub.
pub(crate) struct Visit {
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) events: Events,
    /// Why the chat is here again, and not at the hub that the user wanted to go to.
    pub(crate) problem: Option<String>,
}

impl Visit {
    /// Starts a client. Errors as the client does, and if the options are invalid. `is_first` says
    /// that nothing reads the terminal yet, so that the user can be asked.
    async fn start(
        settings: Settings,
        options: &impl Fn(&Settings) -> Result<ClientOptions>,
        is_first: bool,
        stop: &CancellationToken,
    ) -> Result<Self> {
        let options = options(&settings)?;
        let started = match is_first {
            true => start(options, stop).await,
            false => start_unasked(options, stop).await,
        };
        let (client, events) = started.map_err(|failure| settings.explain(failure))?;
        Ok(Self { settings, client, events, problem: None })
    }
}

/// Runs `chat` at the hub of the settings, and at each that it returns. If a client does not start at
/// one, a user at a terminal comes back to the hub before; the lines of a script must not end up there,
/// and the error is returned.
pub(crate) async fn visit_each(
    settings: &Settings,
    options: impl Fn(&Settings) -> Result<ClientOptions>,
    stop: &CancellationToken,
    mut chat: impl AsyncFnMut(Visit) -> Result<Option<ProfileName>>,
) -> Result<()> {
    let mut visit = Visit::start(settings.clone(), &options, true, stop).await?;
    loop {
        let here = visit.settings.clone();
        let Some(profile) = chat(visit).await? else { return Ok(()) };
        let next = match here.at(&profile) {
            Ok(there) => Visit::start(there, &options, false, stop).await,
            Err(failure) => Err(failure),
        };
        visit = match next {
            Err(failure) if terminal::can_edit() && !matches!(failure, Failure::Interrupted) => {
                let why = failure.line().unwrap_or_default();
                let back = Visit::start(here, &options, false, stop).await?;
                Visit { problem: Some(format!("cannot go to {profile}: {why}")), ..back }
            }
            next => next?,
        };
    }
}
