//! `chinwag accept`: that somebody has another key now, as a person has found out.

use std::io::{self, Write};

use super::verify::fingerprint;
use crate::{
    cli::{failure::Failure, keys, options::Settings, output::tell, terminal},
    model::{Fingerprint, Name},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Who it is
    #[arg(value_name = "NAME")]
    who: Name,
    /// The fingerprint of the new key, as they have told you; without it both keys are shown and
    /// you are asked
    fingerprint: Vec<String>,
}

pub(crate) fn run(args: &Args, settings: &Settings) -> Result<(), Failure> {
    let (hub, name) = (&settings.hub.hub, &args.who);
    let said = match fingerprint(&args.fingerprint)? {
        Some(said) => Some(said),
        None => ask(name, settings)?,
    };
    // The book says what is wrong where nothing was refused.
    let key = settings.contacts().change(|book| book.accept_refused(hub, name, said))?;
    tell(&format!("{name} is known by {key} from now on; to compare it: `chinwag verify {name}`"));
    Ok(())
}

/// Asks whether the key that was refused is the right one; `None`: there is none.
fn ask(name: &Name, settings: &Settings) -> Result<Option<Fingerprint>, Failure> {
    let book = settings.contacts().read()?;
    let contact = book.contact(&settings.hub.hub, name);
    let Some((known, refused)) = contact.and_then(|c| Some((c.key, c.refused_key?))) else {
        return Ok(None);
    };
    let mut stdout = io::stdout().lock();
    for line in keys::to_accept(name, known, refused) {
        writeln!(stdout, "{line}")?;
    }
    let later = format!(
        "nothing is accepted; once {name} has told you the new fingerprint: \
         `chinwag accept {name} FINGERPRINT`"
    );
    match terminal::confirm(&mut stdout, "Is the new one theirs?")? {
        Some(true) => Ok(Some(refused)),
        Some(false) => Err(Failure::Other(later)),
        None => Err(Failure::Usage(later)),
    }
}
