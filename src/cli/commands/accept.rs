//! `chinwag accept`: accepts the new key of a peer.

use tokio_util::sync::CancellationToken;

use super::{
    print_object,
    verify::{fingerprint, no_question},
};
use crate::{
    cli::{
        failure::{Failure, Result},
        keys,
        options::Settings,
        output::print_notice,
        question, values,
    },
    model::{Fingerprint, Name},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the peer
    #[arg(value_name = "NAME", value_parser = values::peer)]
    peer: Name,
    /// Fingerprint of the new key, as the peer told you; without it, both keys are shown for you to
    /// confirm
    fingerprint: Vec<String>,
}

pub(crate) async fn run(args: &Args, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let (hub, name) = (&settings.hub.hub, &args.peer);
    let given = match fingerprint(&args.fingerprint)? {
        Some(given) => Some(given),
        None if settings.json => return Err(no_question("accept", name)),
        None => ask(name, settings, stop).await?,
    };
    // Errors if no key was refused.
    let (key, changed) = settings.contacts_of_hub()?.change(|book| {
        let key = book.accept_refused(hub, name, given)?;
        Ok((key, book.contact(hub, name).cloned()))
    })?;
    print_notice(&format!(
        "accepted the key {key} of {name}; to verify it: `chinwag verify {name}`"
    ));
    match &changed {
        Some(changed) => print_object(&(name, changed), settings, stop).await,
        None => Ok(()),
    }
}

/// Asks whether to accept the key that was refused. Returns `None` if there is none.
async fn ask(
    name: &Name,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<Option<Fingerprint>> {
    let book = settings.contacts().read()?;
    let contact = book.contact(&settings.hub.hub, name);
    let Some((known, refused)) = contact.and_then(|c| Some((c.key, c.refused_key?))) else {
        return Ok(None);
    };
    for line in keys::to_accept(name, known, refused) {
        question::show(&format!("{line}\n"))?;
    }
    let later = format!(
        "not accepted; once {name} has told you the new fingerprint: `chinwag accept {name} \
         FINGERPRINT`"
    );
    match question::confirm("Accept the new key?", stop).await? {
        Some(true) => Ok(Some(refused)),
        Some(false) => Err(Failure::Other(later)),
        None => Err(Failure::Usage(later)),
    }
}
