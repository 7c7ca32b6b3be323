//! `chinwag block`, `unblock`, `note`, `forget`, `mute` and `unmute`: changes to the contact book.
//!
//! Every running client of the user sees a change at once. The hub is asked only about new peers.

use tokio_util::sync::CancellationToken;

use super::{
    print_object,
    verify::{change_contact, contact},
};
use crate::{
    cli::{
        failure::{DELETE_KEPT, Failure, Result},
        json::JsonLine,
        options::Settings,
        output::print_notice,
        values, view,
    },
    model::{Name, RoomName},
    text,
};

#[derive(Debug, clap::Args)]
pub(crate) struct PeerArg {
    /// Name of the peer
    #[arg(value_name = "NAME", value_parser = values::peer)]
    peer: Name,
}

#[derive(Debug, clap::Args)]
pub(crate) struct NoteArgs {
    /// Name of the peer
    #[arg(value_name = "NAME", value_parser = values::peer)]
    peer: Name,
    /// Text of the note; options come before it. Without it, the note is printed
    #[arg(trailing_var_arg = true)]
    text: Vec<String>,
    /// Remove the note
    #[arg(long, conflicts_with = "text")]
    remove: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RoomArg {
    /// Name of the room
    // Not `room`, which is the id of the global option.
    #[arg(value_name = "ROOM", value_parser = values::room)]
    target: RoomName,
}

pub(crate) async fn block(
    PeerArg { peer }: PeerArg,
    blocked: bool,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<()> {
    contact(&peer, settings, stop).await?;
    let changed = change_contact(&peer, settings, |book, hub| book.block(hub, &peer, blocked))?;
    print_notice(&match blocked {
        true => format!("blocked {peer}: no direct messages in either direction"),
        false => format!("unblocked {peer}"),
    });
    print_object(&(&peer, &changed), settings, stop).await
}

pub(crate) async fn note(
    NoteArgs { peer, text, remove }: NoteArgs,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<()> {
    if text.is_empty() && !remove {
        return show_note(&peer, settings, stop).await;
    }
    contact(&peer, settings, stop).await?;
    let note = text.join(" ");
    let changed = change_contact(&peer, settings, |book, hub| book.note(hub, &peer, &note))?;
    print_notice(&match note.is_empty() {
        true => format!("removed the note on {peer}"),
        false => format!("saved the note on {peer}"),
    });
    print_object(&(&peer, &changed), settings, stop).await
}

/// Prints the note on a peer. Errors if the peer is not in the contact book.
async fn show_note(peer: &Name, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let book = settings.contacts().read()?;
    let Some(contact) = book.contact(&settings.hub.hub, peer) else {
        return Err(Failure::Other(format!("{peer} is not in your contact book")));
    };
    let out = settings.output();
    if contact.note.is_empty() {
        out.only_json(&(peer, contact)).await?;
        print_notice(&format!("no note on {peer}"));
    } else {
        out.print(&(peer, contact), |_| text::one_line(&contact.note).into_owned()).await?;
    }
    out.close(stop).await
}

pub(crate) async fn forget(
    PeerArg { peer }: &PeerArg,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<()> {
    let known = settings.contacts_of_hub();
    let forgotten = match settings.offline().forget(peer).await {
        Ok(forgotten) => forgotten,
        // Without the hub in the contact book, that is the reason.
        Err(error) => return Err(known.err().unwrap_or_else(|| error.into())),
    };
    print_notice(&view::forgotten(peer, &forgotten));
    print_object(JsonLine::Forgotten { name: peer.as_str() }, settings, stop).await?;
    match forgotten.problems.first() {
        None => Ok(()),
        Some(error) => Err(Failure::Explained {
            message: view::not_forgotten(peer, &forgotten.problems),
            error: Box::new(error.clone()),
            remedy: DELETE_KEPT,
        }),
    }
}

pub(crate) async fn mute(
    RoomArg { target: room }: &RoomArg,
    muted: bool,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<()> {
    let hub = &settings.hub.hub;
    settings.contacts_of_hub()?.change(|book| book.mute(hub, room, muted))?;
    print_notice(&match muted {
        true => format!("muted notifications of {room}"),
        false => format!("unmuted notifications of {room}"),
    });
    let line = JsonLine::Notifications { room: room.as_str(), muted };
    print_object(line, settings, stop).await
}
