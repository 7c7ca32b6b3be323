//! `chinwag block`, `unblock`, `note` and `forget`, `mute` and `unmute`: what one wants of others.
//!
//! All of it stands in the contact book, where every running client of the same person sees it at
//! once. The hub is asked only for somebody whom one has not met.

use tokio_util::sync::CancellationToken;

use super::{join_words, verify::contact};
use crate::{
    cli::{
        failure::Failure,
        options::Settings,
        output::{Output, tell},
    },
    model::{Name, RoomName},
    text,
};

/// Somebody.
#[derive(Debug, clap::Args)]
pub(crate) struct Person {
    /// Name of the peer
    #[arg(value_name = "NAME")]
    who: Name,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Note {
    /// Name of the peer
    #[arg(value_name = "NAME")]
    who: Name,
    /// Text of the note; without it, the note is printed
    text: Vec<String>,
    /// Remove the note
    #[arg(long, conflicts_with = "text")]
    remove: bool,
    /// Print the contact with its note as a JSON object
    #[arg(long, conflicts_with_all = ["text", "remove"])]
    json: bool,
}

/// A room.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// Name of the room
    #[arg(value_name = "ROOM")]
    which: RoomName,
}

pub(crate) async fn block(
    Person { who }: Person,
    blocked: bool,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    contact(&who, settings, stop).await?;
    let hub = &settings.hub.hub;
    settings.contacts().change(|book| book.block(hub, &who, blocked))?;
    tell(&match blocked {
        true => format!("{who} is blocked: you hear nothing of them, and they nothing of you"),
        false => format!("{who} is not blocked any more"),
    });
    Ok(())
}

pub(crate) async fn note(
    Note { who, text, remove, json }: Note,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    if text.is_empty() && !remove {
        return show_note(&who, json, settings, stop).await;
    }
    contact(&who, settings, stop).await?;
    let (hub, note) = (&settings.hub.hub, join_words(&text));
    settings.contacts().change(|book| book.note(hub, &who, &note))?;
    tell(&match note.is_empty() {
        true => format!("nothing is noted of {who} any more"),
        false => format!("noted of {who}"),
    });
    Ok(())
}

/// Shows what is noted of somebody; whoever is not in the book has no note.
async fn show_note(
    who: &Name,
    json: bool,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let book = settings.contacts().read()?;
    let Some(contact) = book.contact(&settings.hub.hub, who) else {
        return Err(Failure::Other(format!("{who} is not in your contact book: nothing is noted")));
    };
    let out = Output::new(json);
    if contact.note.is_empty() {
        out.only_json(&(who, contact)).await?;
        tell(&format!("nothing is noted of {who}"));
    } else {
        out.print(&(who, contact), |_| text::one_line(&contact.note).into_owned()).await?;
    }
    out.close(stop).await
}

pub(crate) fn forget(Person { who }: &Person, settings: &Settings) -> Result<(), Failure> {
    let hub = &settings.hub.hub;
    settings.contacts_of_hub()?.change(|book| book.forget(hub, who))?;
    tell(&format!("{who} is forgotten: whoever comes next under that name is met anew"));
    Ok(())
}

pub(crate) fn mute(
    Place { which }: &Place,
    muted: bool,
    settings: &Settings,
) -> Result<(), Failure> {
    let hub = &settings.hub.hub;
    settings.contacts_of_hub()?.change(|book| book.mute(hub, which, muted))?;
    tell(&match muted {
        true => format!("{which} is muted: nothing said there is pointed out to you"),
        false => format!("{which} is not muted any more"),
    });
    Ok(())
}
