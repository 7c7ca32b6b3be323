//! `chinwag verify`: marks a peer's key as verified.

use std::io::{self, Write};

use tokio_util::sync::CancellationToken;

use super::start;
use crate::{
    cli::{
        failure::{Failure, Result},
        keys,
        options::Settings,
        output::print_notice,
        question,
    },
    identity::Contact,
    model::{Fingerprint, Name},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the peer
    #[arg(value_name = "NAME")]
    peer: Name,
    /// Fingerprint that the peer told you; without it, both keys are shown for you to confirm
    fingerprint: Vec<String>,
}

pub(crate) async fn run(args: Args, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let given = fingerprint(&args.fingerprint)?;
    let contact = contact(&args.peer, settings, stop).await?;
    let key = match given {
        Some(given) => same(&args.peer, &contact, given)?,
        None => {
            show(&args.peer, &contact, settings)?;
            agreed(&args.peer, stop).await?;
            contact.key
        }
    };
    let (hub, name) = (&settings.hub.hub, &args.peer);
    settings.contacts().change(|book| book.verify(hub, name, key))?;
    print_notice(&format!("{name} is verified: {key}"));
    Ok(())
}

/// Parses the fingerprint on the command line, if there is one. It may have spaces between its groups.
pub(super) fn fingerprint(parts: &[String]) -> Result<Option<Fingerprint>> {
    match parts {
        [] => Ok(None),
        parts => Fingerprint::parse(&parts.join(" "))
            .map(Some)
            .map_err(|problem| Failure::Usage(problem.to_string())),
    }
}

/// Returns the contact, from the contact book or else from the hub.
pub(super) async fn contact(
    name: &Name,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<Contact> {
    if let Some(known) = settings.contacts().read()?.contact(&settings.hub.hub, name) {
        return Ok(known.clone());
    }
    let (client, _events) = start(settings.invisible()?, stop).await?;
    let found = stop.run_until_cancelled(client.contact(name)).await;
    client.stop().await;
    Ok(found.ok_or(Failure::Interrupted)??)
}

fn same(name: &Name, contact: &Contact, given: Fingerprint) -> Result<Fingerprint> {
    if given == contact.key {
        return Ok(given);
    }
    let known = contact.key;
    Err(Failure::Other(match contact.refused_key {
        Some(refused) if refused == given => format!(
            "{given} is the new key of {name}, which you have not accepted yet; the accepted key is \
             {known}; if the new key is right: `chinwag accept {name} {refused}`, then verify again"
        ),
        _ => format!(
            "{name} is not verified: your contact book has {known}, not {given}; either a fingerprint \
             was misread, or somebody intercepts your connections"
        ),
    }))
}

fn show(name: &Name, contact: &Contact, settings: &Settings) -> Result<()> {
    let own = settings.identity()?.fingerprint();
    let mut stdout = io::stdout().lock();
    for line in keys::to_compare(name, contact, own) {
        writeln!(stdout, "{line}")?;
    }
    Ok(stdout.flush()?)
}

/// Asks whether the fingerprints match.
async fn agreed(name: &Name, stop: &CancellationToken) -> Result<()> {
    match question::confirm("Do the fingerprints match?", stop).await? {
        Some(true) => Ok(()),
        _ => Err(Failure::Other(format!(
            "{name} is not verified; once you have compared fingerprints: `chinwag verify {name} \
             FINGERPRINT`"
        ))),
    }
}
