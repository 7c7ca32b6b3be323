//! First start: a chat on a terminal asks for missing settings and saves them.
//!
//! Answers are saved only once the hub was reached and has granted the name, so that no wrong answer
//! is saved and no question is asked twice. An invisible session tries that out before anything is
//! drawn.

use tokio_util::sync::CancellationToken;

use super::{
    addresses,
    commands::start,
    config::{Config, Home, remember},
    failure::{Failure, Result},
    options::{self, DEFAULT_HUB, Flags, Settings},
    output::{print_notice, print_warning},
    question, values,
};
use crate::{
    client::Error,
    error::Reason,
    identity::files,
    model::{JoinLink, Name},
    text,
};

/// How the question for a name begins.
const ABOUT_NAME: &str = "Choose a name: one word of letters, digits, '.', '_' and '-'.";

/// How the question for a hub begins.
const ABOUT_HUB: &str = "Choose a hub: HOST:PORT or a join link; `chinwagd` starts a hub here.";

/// Returns the settings of a chat on a terminal. `link` is the hub on its command line. Errors with
/// [`Failure::Interrupted`] if the user leaves. Settings from the command line, the environment or
/// the file are not asked for again: if they are wrong, that is the error.
pub(super) async fn load_or_ask(
    mut flags: Flags,
    link: Option<&JoinLink>,
    stop: &CancellationToken,
) -> Result<Settings> {
    let file = Home::find(flags.home.clone())?.config_file();
    let config = Config::read(&file)?;
    let (_, chosen) = options::ranked(&flags, &config)?;
    let missing = MissingSettings { name: chosen.name.is_none(), hub: chosen.hub.is_none() };
    let saves_link = link.is_some() && config.default_profile.hub.is_none();
    if let (Some(link), Some(default)) = (link, &config.default_profile.hub)
        && link.hub != default.hub
        && !(flags.quiet || config.quiet)
    {
        print_notice(&format!(
            "your default hub is still {}; to keep this one too: `chinwag hubs add NAME {}`",
            default.hub, link.hub
        ));
    }
    let keeps = files::is_writable(files::directory_of(&file));
    if missing.any() {
        say(&match keeps {
            true => format!("Your answers are saved in {}.", file.display()),
            false => format!("Your answers cannot be saved in {}.", file.display()),
        })?;
    } else if !saves_link {
        return Settings::load(flags);
    }
    let mut open = missing;
    loop {
        if open.name {
            flags.name = Some(ask_name(stop).await?);
        }
        if open.hub {
            flags.hub = Some(ask_hub(stop).await?);
        }
        let problem = match Settings::load(flags.clone()) {
            Ok(settings) => match try_settings(&settings, stop).await {
                Ok(()) => {
                    let hub = (missing.hub || saves_link).then_some(&settings.hub.hub);
                    let name = (missing.name || saves_link).then_some(&settings.name);
                    // The chat works without, but asks again at the next start.
                    if keeps
                        && let Some(why) = remember(&file, hub, name).err().and_then(|f| f.line())
                    {
                        print_warning(&why);
                    }
                    return Ok(settings);
                }
                // The chat reports it, or starts without a hub.
                Err(Failure::Chat(Error::HubUnreachable { .. })) if !missing.any() => {
                    return Ok(settings);
                }
                Err(problem) => {
                    open = missing.and(cause_of(&problem));
                    settings.explain(problem)
                }
            },
            Err(problem) => {
                open = missing.and(cause_of(&problem));
                problem
            }
        };
        match problem.line() {
            Some(line) if open.any() => say(&format!("That did not work: {line}"))?,
            _ => return Err(problem),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MissingSettings {
    name: bool,
    hub: bool,
}

impl MissingSettings {
    fn any(self) -> bool {
        self.name || self.hub
    }

    fn and(self, other: Self) -> Self {
        Self { name: self.name && other.name, hub: self.hub && other.hub }
    }
}

/// Returns which answer a problem is about.
fn cause_of(problem: &Failure) -> MissingSettings {
    let Failure::Chat(error) = problem else {
        // A join link that cannot be used with --plaintext.
        return MissingSettings { name: false, hub: matches!(problem, Failure::Usage(_)) };
    };
    match error {
        Error::HubUnreachable { .. }
        | Error::HubKeyChanged { .. }
        | Error::HubUntrusted { .. }
        | Error::Protocol(_) => MissingSettings { name: false, hub: true },
        Error::Refused(refusal) => {
            let name = matches!(refusal.reason, Reason::NameTaken | Reason::NameConfusable);
            MissingSettings { name, hub: !name }
        }
        _ => MissingSettings { name: false, hub: false },
    }
}

/// Errors if the hub cannot be reached or does not grant the name.
async fn try_settings(settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let (client, _events) = start(settings.invisible()?, stop).await?;
    client.stop().await;
    Ok(())
}

async fn ask_name(stop: &CancellationToken) -> Result<Name> {
    let login = options::login_name().and_then(|login| Name::parse(&login).ok());
    say(ABOUT_NAME)?;
    ask("Your name", login.as_ref().map(Name::as_str), stop, values::peer).await
}

async fn ask_hub(stop: &CancellationToken) -> Result<JoinLink> {
    say(ABOUT_HUB)?;
    ask("Hub", Some(DEFAULT_HUB), stop, |answer| {
        // Hubs print a whole command, which people copy as it is.
        addresses::hub(answer).or_else(|problem| {
            let last = answer.split_whitespace().last().unwrap_or_default();
            addresses::hub(last).map_err(|_| problem)
        })
    })
    .await
}

/// Asks until the answer can be parsed. An empty answer takes the proposal.
async fn ask<T, E: std::fmt::Display>(
    question: &str,
    proposal: Option<&str>,
    stop: &CancellationToken,
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<T> {
    let proposed = proposal.map(|proposal| format!(" [{proposal}]")).unwrap_or_default();
    loop {
        let question = format!("{question}{proposed}: ");
        let answer = stop.run_until_cancelled(question::ask(&question)).await;
        let Some(answer) = answer.unwrap_or(Ok(None))? else {
            // So that the prompt of the shell begins a new line.
            say("")?;
            return Err(Failure::Interrupted);
        };
        let answer = match (answer.trim(), proposal) {
            ("", Some(proposal)) => proposal,
            (answer, _) => answer,
        };
        match read(answer) {
            Ok(answer) => return Ok(answer),
            Err(problem) => say(&text::one_line(&format!("Invalid: {problem}.")))?,
        }
    }
}

fn say(line: &str) -> Result<()> {
    question::show(&format!("{line}\n"))
}
