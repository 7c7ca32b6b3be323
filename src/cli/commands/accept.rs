//! `chinwag accept`: that somebody has another key now.

use crate::{
    cli::{failure::Failure, options::Settings, output::tell},
    model::Name,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Who it is
    #[arg(value_name = "NAME")]
    who: Name,
}

pub(crate) fn run(args: &Args, settings: &Settings) -> Result<(), Failure> {
    let (hub, name) = (&settings.hub.hub, &args.who);
    let key = settings.contacts().change(|book| book.accept_refused(hub, name))?;
    tell(&format!("{name} is known by {key} from now on; to compare it: `chinwag verify {name}`"));
    Ok(())
}
