//! `chinwag block`, `unblock`, `note`, `forget`, `mute` and `unmute`: changes to the contact book.
//!
//! Every running client of the user sees a change at once. The hub is asked only about new peers.

use tokio_util::sync::CancellationToken;

use super::verify::contact;
use crate::{
    cli::{
        failure::{Failure, Result},
        options::Settings,
        output::{Output, print_notice},
        view,
    },
    model::{Name, RoomName},
    text,
};

#[derive(Debug, clap::Args)]
pub(crate) struct PeerArg {
    /// Name of the peer
    #[arg(value_name = "NAME")]
    peer: Name,
}

#[derive(Debug, clap::Args)]
pub(crate) struct NoteArgs {
    /// Name of the peer
    #[arg(value_name = "NAME")]
    peer: Name,
    /// Text of the note; options come before it. Without it, the note is printed
    #[arg(trailing_var_arg = true)]
    text: Vec<String>,
    /// Remove the note
    #[arg(long, conflicts_with = "text")]
    remove: bool,
    /// Print the contact with its note as a JSON object
    #[arg(long, conflicts_with_all = ["text", "remove"])]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RoomArg {
    /// Name of the room
    // Not `room`, which is the id of the global option.
    #[arg(value_name = "ROOM")]
    target: RoomName,
}

pub(crate) async fn block(
    PeerArg { peer }: PeerArg,
    blocked: bool,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<()> {
    contact(&peer, settings, stop).await?;
    let hub = &settings.hub.hub;
    settings.contacts().change(|book| book.block(hub, &peer, blocked))?;
    print_notice(&match blocked {
        true => format!("blocked {peer}: no direct messages in either direction"),
        false => format!("unblocked {peer}"),
    });
    Ok(())
}

pub(crate) async fn note(
    NoteArgs { peer, text, remove, json }: NoteArgs,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<()> {
    if text.is_empty() && !remove {
        return show_note(&peer, json, settings, stop).await;
    }
    contact(&peer, settings, stop).await?;
    let (hub, note) = (&settings.hub.hub, text.join(" "));
    settings.contacts().change(|book| book.note(hub, &peer, &note))?;
    print_notice(&match note.is_empty() {
        true => format!("removed the note on {peer}"),
        false => format!("saved the note on {peer}"),
    });
    Ok(())
}

/// Prints the note on a peer. Errors if the peer is not in the contact book.
async fn show_note(
    peer: &Name,
    json: bool,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<()> {
    let book = settings.contacts().read()?;
    let Some(contact) = book.contact(&settings.hub.hub, peer) else {
        return Err(Failure::Other(format!("{peer} is not in your contact book")));
    };
    let out = Output::new(json);
    if contact.note.is_empty() {
        out.only_json(&(peer, contact)).await?;
        print_notice(&format!("no note on {peer}"));
    } else {
        out.print(&(peer, contact), |_| text::one_line(&contact.note).into_owned()).await?;
    }
    out.close(stop).await
}

pub(crate) async fn forget(PeerArg { peer }: &PeerArg, settings: &Settings) -> Result<()> {
    let known = settings.contacts_of_hub();
    let forgotten = settings.offline().forget(peer).await;
    // Without the hub in the contact book, that is the reason.
    let forgotten = if forgotten.is_err() { known.and(Ok(forgotten?))? } else { forgotten? };
    print_notice(&view::forgotten(peer, forgotten));
    Ok(())
}

pub(crate) fn mute(
    RoomArg { target: room }: &RoomArg,
    muted: bool,
    settings: &Settings,
) -> Result<()> {
    let hub = &settings.hub.hub;
    settings.contacts_of_hub()?.change(|book| book.mute(hub, room, muted))?;
    print_notice(&match muted {
        true => format!("muted notifications of {room}"),
        false => format!("unmuted notifications of {room}"),
    });
    Ok(())
}
