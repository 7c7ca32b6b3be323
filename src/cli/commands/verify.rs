//! `chinwag verify`: marks a peer's key as verified.

use std::io::{self, Write};

use tokio_util::sync::CancellationToken;

use super::{print_object, start};
use crate::{
    cli::{
        failure::{Failure, Result},
        keys,
        options::Settings,
        output::print_notice,
        question, values,
    },
    identity::{Contact, ContactBook, ContactsError},
    model::{Endpoint, Fingerprint, Name},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the peer
    #[arg(value_name = "NAME", value_parser = values::peer)]
    peer: Name,
    /// Fingerprint that the peer told you; without it, both keys are shown for you to confirm
    fingerprint: Vec<String>,
}

pub(crate) async fn run(args: Args, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let given = fingerprint(&args.fingerprint)?;
    if given.is_none() && settings.json {
        return Err(no_question("verify", &args.peer));
    }
    let contact = contact(&args.peer, settings, stop).await?;
    let key = match given {
        Some(given) => same(&args.peer, &contact, given)?,
        None => {
            show(&args.peer, &contact, settings)?;
            agreed(&args.peer, stop).await?;
            contact.key
        }
    };
    let name = &args.peer;
    let changed = change_contact(name, settings, |book, hub| book.verify(hub, name, key))?;
    print_notice(&format!("{name} is verified: {key}"));
    print_object(&(name, &changed), settings, stop).await
}

/// The error where both keys would be shown for a person to compare.
pub(super) fn no_question(command: &str, name: &Name) -> Failure {
    Failure::Usage(format!(
        "--json asks no question: give the fingerprint, `chinwag {command} {name} FINGERPRINT`"
    ))
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

/// Changes a contact, and returns it as it is then.
pub(super) fn change_contact(
    peer: &Name,
    settings: &Settings,
    change: impl FnOnce(&mut ContactBook, &Endpoint) -> Result<(), ContactsError>,
) -> Result<Contact> {
    let hub = &settings.hub.hub;
    let changed = settings.contacts().change(|book| {
        change(book, hub)?;
        Ok(book.contact(hub, peer).cloned())
    })?;
    changed.ok_or_else(|| Failure::Other(format!("{peer} is not in your contact book")))
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
