//! The first minute: a chat on a terminal asks for what nobody has said yet, and remembers it.
//!
//! An answer is remembered once it is known to be good: the hub was reached and has granted the
//! name. So nothing wrong is ever remembered, and nothing is asked twice. A session that nobody sees
//! finds that out, before there is anything on the screen.

use tokio_util::sync::CancellationToken;

use super::{
    commands::start,
    config::{Config, Home, remember},
    failure::Failure,
    options::{self, DEFAULT_HUB, Flags, Settings},
    output::{complain, tell},
    question, values,
};
use crate::{
    client::Error,
    error::Reason,
    model::{JoinLink, Name},
    text,
};

/// What there is to be said of a name.
const ABOUT_NAME: &str = "What are you called? One word of letters, digits, '.', '_' and '-'.";

/// What there is to be said of a hub.
const ABOUT_HUB: &str =
    "Where is the hub? HOST:PORT, or its join link; `chinwagd` starts one here.";

/// The settings of a chat on a terminal; `link` is the hub that its command line names.
///
/// # Errors
///
/// [`Failure::Interrupted`] where the person leaves; what is wrong with what they cannot be asked
/// for, because it is said on the command line, in the environment or in the file.
pub(super) async fn settle(
    mut flags: Flags,
    link: Option<&JoinLink>,
    stop: &CancellationToken,
) -> Result<Settings, Failure> {
    let file = Home::find(flags.home.clone())?.config_file();
    let config = Config::read(&file)?;
    let lacks = Lacks {
        name: flags.name.is_none() && config.name.is_none(),
        hub: flags.hub.is_none() && config.hub.is_none(),
    };
    let is_first_link = link.is_some() && config.hub.is_none();
    if let (Some(link), Some(usual)) = (link, &config.hub)
        && link.hub != usual.hub
        && !(flags.quiet || config.quiet)
    {
        tell(&format!(
            "your usual hub stays {}; other commands reach this one with --hub {}, or change hub in \
             {}",
            usual.hub,
            link.hub,
            file.display()
        ));
    }
    if lacks.any() {
        say(&format!("What you answer is remembered in {}.", file.display()))?;
    } else if !is_first_link {
        return Settings::load(flags);
    }
    let mut open = lacks;
    loop {
        if open.name {
            flags.name = Some(ask_name(stop).await?);
        }
        if open.hub {
            flags.hub = Some(ask_hub(stop).await?);
        }
        let problem = match Settings::load(flags.clone()) {
            Ok(settings) => match try_out(&settings, stop).await {
                Ok(()) => {
                    let hub = (lacks.hub || is_first_link).then_some(&settings.hub.hub);
                    let name = (lacks.name || is_first_link).then_some(&settings.name);
                    // It works all the same, but is asked again.
                    if let Some(why) = remember(&file, hub, name).err().and_then(|f| f.line()) {
                        complain(&why);
                    }
                    return Ok(settings);
                }
                // The chat itself says so, or does without.
                Err(Failure::Chat(Error::HubUnreachable { .. })) if !lacks.any() => {
                    return Ok(settings);
                }
                Err(problem) => {
                    open = lacks.and(about(&problem));
                    settings.explain(problem)
                }
            },
            Err(problem) => {
                open = lacks.and(about(&problem));
                problem
            }
        };
        match problem.line() {
            Some(line) if open.any() => say(&format!("That did not work: {line}"))?,
            _ => return Err(problem),
        }
    }
}

/// What nobody has said, or what was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lacks {
    name: bool,
    hub: bool,
}

impl Lacks {
    fn any(self) -> bool {
        self.name || self.hub
    }

    fn and(self, other: Self) -> Self {
        Self { name: self.name && other.name, hub: self.hub && other.hub }
    }
}

/// Which answer a problem is about.
fn about(problem: &Failure) -> Lacks {
    let Failure::Chat(error) = problem else {
        // A link that does not go with --plaintext.
        return Lacks { name: false, hub: matches!(problem, Failure::Usage(_)) };
    };
    match error {
        Error::HubUnreachable { .. }
        | Error::HubKeyChanged { .. }
        | Error::HubUntrusted { .. }
        | Error::Protocol(_) => Lacks { name: false, hub: true },
        Error::Refused(refusal) => {
            let name = matches!(refusal.reason, Reason::NameTaken | Reason::NameConfusable);
            Lacks { name, hub: !name }
        }
        _ => Lacks { name: false, hub: false },
    }
}

/// Whether the hub is there and grants the name.
async fn try_out(settings: &Settings, stop: &CancellationToken) -> Result<(), Failure> {
    let (client, _events) = start(settings.invisible()?, stop).await?;
    client.stop().await;
    Ok(())
}

async fn ask_name(stop: &CancellationToken) -> Result<Name, Failure> {
    let login = options::login_name().and_then(|login| Name::parse(&login).ok());
    say(ABOUT_NAME)?;
    ask("Your name", login.as_ref().map(Name::as_str), stop, Name::parse).await
}

async fn ask_hub(stop: &CancellationToken) -> Result<JoinLink, Failure> {
    say(ABOUT_HUB)?;
    ask("Hub", Some(DEFAULT_HUB), stop, |answer| {
        // Hubs print a whole command, which is easily copied as it stands.
        let last = answer.split_whitespace().last().unwrap_or_default();
        values::hub(last.trim_matches(['\'', '"', '`']))
    })
    .await
}

/// Asks until the answer can be read. No answer is the proposal.
async fn ask<T, E: std::fmt::Display>(
    question: &str,
    proposal: Option<&str>,
    stop: &CancellationToken,
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<T, Failure> {
    let proposed = proposal.map(|proposal| format!(" [{proposal}]")).unwrap_or_default();
    loop {
        let question = format!("{question}{proposed}: ");
        let answer = stop.run_until_cancelled(question::ask(&question)).await;
        let Some(answer) = answer.unwrap_or(Ok(None))? else {
            // What the shell says next begins a line of its own.
            say("")?;
            return Err(Failure::Interrupted);
        };
        let answer = match (answer.trim(), proposal) {
            ("", Some(proposal)) => proposal,
            (answer, _) => answer,
        };
        match read(answer) {
            Ok(answer) => return Ok(answer),
            Err(problem) => say(&text::one_line(&format!("That cannot be: {problem}.")))?,
        }
    }
}

fn say(line: &str) -> Result<(), Failure> {
    question::show(&format!("{line}\n"))
}
