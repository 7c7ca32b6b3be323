//! What takes time in a chat. Each action is a task whose outcome is shown.

use std::collections::BTreeSet;

use super::{
    input::{self, Request},
    link, queueing,
};
use crate::{
    cli::{
        failure::DELETE_KEPT,
        keys,
        queries::{self, id_prefix_length, latest_messages, matching_ids},
        search_terms::SearchTerms,
        terminal,
        view::{self, Clock},
        words,
    },
    client::{Client, Error, KeepFor, PageRequest, PeerFilter, Result},
    model::{Fingerprint, Message, MessageId, Name, Posted, Receipt, RoomName, Start, Text},
    text,
};

/// The most hits that `/search` shows.
const HITS: u32 = 20;

/// How many earlier messages are shown when a room is joined.
const EARLIER_MESSAGES: u32 = 10;

/// The error where a room is needed.
pub(crate) const NO_ROOM: &str = "you are in no room; join one with /join ROOM";

/// The notice for a post that waits.
pub(crate) const POST_WAITS: &str =
    "the hub is unreachable; what you say is kept and posted when it is back";

/// The error for a message to oneself.
pub(crate) const IS_YOU: &str = "that is you";

/// The error for `/keep` where no conversation is current.
pub(crate) const KEEP_WHOSE: &str = "usage: /keep NAME on, off, or a time such as 7d";

/// The error where a key is needed.
const NO_KEY: &str = "you are connected in plaintext, without a key";

/// The outcome of an action.
pub(crate) enum ActionOutcome {
    /// A post was stored; the hub sends it to all members, including this client.
    Posted(Posted),
    /// A room was joined.
    Joined(RoomName),
    /// A room was left.
    Left(RoomName),
    /// Messages were found.
    Messages(Vec<Message>),
    /// Lines to show as they are.
    Shown(Vec<String>),
    /// A peer was blocked or unblocked.
    Blocked { name: Name, blocked: bool, notice: String },
    /// A peer was removed, with what was kept.
    Forgotten { name: Name, notice: String },
    /// A notice.
    Notice(String),
    /// A direct message for a peer who cannot be reached. It can be queued.
    Unreachable { to: Name, id: MessageId, text: Text, why: String },
    /// The reason for a failure.
    Failed(String),
}

/// Says that a room was joined, but is not the current one.
pub(crate) fn joined_elsewhere(room: &RoomName) -> String {
    format!("joined {room}; /join {room} to talk there")
}

/// Says that a room is joined later.
pub(crate) fn join_waits(room: &RoomName) -> String {
    format!("{room} will be joined when the hub is back")
}

/// Where to start in a joined room: users see some earlier messages, scripts only new ones.
pub(crate) fn start_position() -> Start {
    if terminal::can_edit() { Start::Last(EARLIER_MESSAGES) } else { Start::Head }
}

/// Posts a message. Returns once its place after earlier posts is fixed; the future is the outcome.
pub(crate) async fn post(
    client: &Client,
    room: RoomName,
    text: Text,
) -> Result<impl Future<Output = ActionOutcome> + Send + use<>> {
    let stored = client.post(room.clone(), text.clone()).begin().await?;
    Ok(async move {
        match stored.await {
            Ok(posted) => ActionOutcome::Posted(posted),
            Err(error) => {
                let why = words::problem(&error);
                ActionOutcome::Failed(format!("not posted in {room}: {} ({why})", text.as_str()))
            }
        }
    })
}

/// Carries out a request. `current` is the room to use if the request names none.
pub(crate) async fn run(
    client: Client,
    request: Request,
    current: Option<RoomName>,
) -> ActionOutcome {
    let done = match request {
        Request::Send { to, text } if to == client.name() => {
            Ok(sent(Err(Error::invalid("peer", IS_YOU)), &to, &text))
        }
        Request::Send { to, text } => {
            let id = MessageId::new();
            let result = client.send(&to, text.clone()).id(id).await;
            let is_unreachable = result.as_ref().is_err_and(words::is_unreachable);
            Ok(match sent(result, &to, &text) {
                ActionOutcome::Failed(why) if is_unreachable => {
                    ActionOutcome::Unreachable { to, id, text, why }
                }
                done => done,
            })
        }
        Request::SendTo { to, text } => {
            Ok(sent(client.send_to(&to, text.clone()).await, &to, &text))
        }
        Request::Talk(_) => Ok(ActionOutcome::Failed(input::NO_TEXT.into())),
        Request::Queue { to, text } => match client.send(&to, text).durable().await {
            Ok(_) => Ok(ActionOutcome::Notice(queueing::queued(&client, &to).await)),
            Err(error) => Err(error),
        },
        Request::Outbox => outbox(&client).await,
        Request::Retry => {
            client.retry_queued();
            Ok(ActionOutcome::Notice("trying to deliver queued messages".into()))
        }
        Request::Drop(which) => drop_queued_messages(&client, &which).await,
        Request::Peers => peers(&client).await,
        Request::Rooms => rooms(&client).await,
        Request::Link => Ok(ActionOutcome::Shown(link::lines(&client))),
        Request::Id => Ok(own_key(&client)),
        Request::Contacts => contacts(&client).await,
        Request::Verify { name, key } => verify(&client, &name, key).await,
        Request::Accept { name, key } => accept(&client, &name, key).await,
        Request::Block { name, blocked } => block(&client, &name, blocked).await,
        Request::Note { name, text } => note(&client, &name, &text).await,
        Request::ShowNote(name) => show_note(&client, &name).await,
        Request::Forget(name) => client.forget(&name).await.map(|what| {
            let notice = view::forgotten(&name, &what);
            if what.problems.is_empty() {
                return ActionOutcome::Forgotten { name, notice };
            }
            let problem = view::not_forgotten(&name, &what.problems);
            ActionOutcome::Failed(format!("{notice}; {problem}; {DELETE_KEPT}"))
        }),
        Request::Keep { name: Some(name), keep } => keep_direct(&client, &name, keep).await,
        Request::ShowKeep(Some(name)) => client.kept_for(&name).await.map(|keep| {
            ActionOutcome::Notice(format!(
                "direct messages with {name} are {}; the default is on, without a time limit",
                words::keep(keep)
            ))
        }),
        Request::Keep { name: None, .. } | Request::ShowKeep(None) => {
            Ok(ActionOutcome::Failed(KEEP_WHOSE.into()))
        }
        Request::Conversations => conversations(&client).await,
        Request::SetStatus(status) => client.set_status(status).await.map(|()| {
            ActionOutcome::Notice(format!("your status is now {}", words::status(status)))
        }),
        Request::Join(room) => {
            client.join(room.clone(), start_position()).await.map(|_| ActionOutcome::Joined(room))
        }
        Request::Leave(room) => match room.or(current) {
            Some(room) => client.leave(room.clone()).await.map(|()| ActionOutcome::Left(room)),
            None => Ok(ActionOutcome::Failed(NO_ROOM.into())),
        },
        Request::Mute { room, muted } => match room.or(current) {
            Some(room) => mute(&client, &room, muted).await,
            None => Ok(ActionOutcome::Failed(NO_ROOM.into())),
        },
        Request::History(count) => match current {
            Some(room) => latest_messages(&client, room, PageRequest::default(), count)
                .await
                .map(ActionOutcome::Messages),
            None => Ok(ActionOutcome::Failed(NO_ROOM.into())),
        },
        Request::Search(terms) => search(&client, &terms).await,
    };
    done.unwrap_or_else(|error| ActionOutcome::Failed(words::problem(&error)))
}

fn own_key(client: &Client) -> ActionOutcome {
    match client.fingerprint() {
        Some(key) => ActionOutcome::Shown(keys::own(&client.name(), key)),
        None => ActionOutcome::Failed(NO_KEY.into()),
    }
}

async fn contacts(client: &Client) -> Result<ActionOutcome> {
    let contacts = client.contacts().await?;
    Ok(ActionOutcome::Shown(keys::contacts(contacts.iter().map(|(name, contact)| (name, contact)))))
}

async fn verify(client: &Client, name: &Name, key: Option<Fingerprint>) -> Result<ActionOutcome> {
    let Some(own) = client.fingerprint() else { return Ok(ActionOutcome::Failed(NO_KEY.into())) };
    if let Some(key) = key {
        client.verify(name, key).await?;
        return Ok(ActionOutcome::Notice(format!("{name} is verified")));
    }
    let contact = client.contact(name).await?;
    let mut lines = keys::to_compare(name, &contact, own);
    if let Some(refused) = contact.refused_key {
        lines.push(format!("Another key was refused, {refused}: see /accept {name}"));
    }
    lines.push(format!("If the fingerprints match: /verify {name} FINGERPRINT"));
    Ok(ActionOutcome::Shown(lines))
}

async fn accept(client: &Client, name: &Name, key: Option<Fingerprint>) -> Result<ActionOutcome> {
    if key.is_some() {
        let key = client.accept(name, key).await?;
        let notice = format!("accepted the key {key} of {name}; to verify it: /verify {name}");
        return Ok(ActionOutcome::Notice(notice));
    }
    let contacts = client.contacts().await?;
    let Some((_, contact)) = contacts.iter().find(|(known, _)| known == name) else {
        return Ok(unknown_contact(name));
    };
    let Some(refused) = contact.refused_key else {
        let notice = format!("{name} has shown no other key than the one in your contact book");
        return Ok(ActionOutcome::Failed(notice));
    };
    let mut lines = keys::to_accept(name, contact.key, refused);
    lines.push(format!("If it is the key of {name}: /accept {name} FINGERPRINT"));
    Ok(ActionOutcome::Shown(lines))
}

async fn block(client: &Client, name: &Name, blocked: bool) -> Result<ActionOutcome> {
    client.block(name, blocked).await?;
    let notice = match blocked {
        true => format!("blocked {name}: no direct messages in either direction"),
        false => format!("unblocked {name}"),
    };
    Ok(ActionOutcome::Blocked { name: name.clone(), blocked, notice })
}

/// Returns the blocked peers of this hub, or `None` if the contact book cannot be read.
pub(crate) async fn blocked(client: &Client) -> Option<BTreeSet<Name>> {
    let contacts = client.contacts().await.ok()?;
    Some(
        contacts.into_iter().filter(|(_, contact)| contact.blocked).map(|(name, _)| name).collect(),
    )
}

async fn keep_direct(client: &Client, name: &Name, keep: KeepFor) -> Result<ActionOutcome> {
    let removed = client.keep_direct(name, keep).await?;
    let mut notice = format!("direct messages with {name} are {}", words::keep(keep));
    if removed > 0 {
        notice.push_str(&format!("; deleted {removed} of them"));
    }
    Ok(ActionOutcome::Notice(notice))
}

/// Lists the conversations of which messages are kept or queued.
async fn conversations(client: &Client) -> Result<ActionOutcome> {
    let queued = client.queued().await?;
    let mut lines = Vec::new();
    let mut names = Vec::new();
    for one in client.direct_conversations().await? {
        let waiting = queued.iter().filter(|queued| queued.peer == one.peer).count();
        lines.push(view::conversation(&one.peer, one.messages, one.unread, waiting));
        names.push(one.peer);
    }
    for one in &queued {
        if !names.contains(&one.peer) {
            let waiting = queued.iter().filter(|queued| queued.peer == one.peer).count();
            lines.push(view::conversation(&one.peer, 0, 0, waiting));
            names.push(one.peer.clone());
        }
    }
    if lines.is_empty() {
        lines.push("no direct messages are kept or queued".into());
    }
    Ok(ActionOutcome::Shown(lines.iter().map(|line| view::notice(line)).collect()))
}

async fn note(client: &Client, name: &Name, text: &str) -> Result<ActionOutcome> {
    client.note(name, text).await?;
    Ok(ActionOutcome::Notice(match text.is_empty() {
        true => format!("removed the note on {name}"),
        false => format!("saved the note on {name}; /note {name} shows it"),
    }))
}

async fn show_note(client: &Client, name: &Name) -> Result<ActionOutcome> {
    let contact = client.known(name).await?;
    Ok(match contact.as_ref().map(|contact| contact.note.as_str()) {
        None => unknown_contact(name),
        Some("") => ActionOutcome::Notice(format!("no note on {name}")),
        Some(note) => ActionOutcome::Notice(format!("note on {name}: {}", text::one_line(note))),
    })
}

fn unknown_contact(name: &Name) -> ActionOutcome {
    ActionOutcome::Failed(format!("{name} is not in your contact book: see /contacts"))
}

async fn mute(client: &Client, room: &RoomName, muted: bool) -> Result<ActionOutcome> {
    client.mute(room, muted).await?;
    Ok(ActionOutcome::Notice(match muted {
        true => format!("muted notifications of {room}"),
        false => format!("unmuted notifications of {room}"),
    }))
}

async fn outbox(client: &Client) -> Result<ActionOutcome> {
    let queued = client.queued().await?;
    Ok(ActionOutcome::Shown(view::outbox(&Clock::local(), &queued, id_prefix_length(&queued))))
}

/// Drops all messages queued for a peer, or the one whose id begins with `which`.
async fn drop_queued_messages(client: &Client, which: &str) -> Result<ActionOutcome> {
    let queued = client.queued().await?;
    let ids = match matching_ids(&queued, which) {
        Ok(ids) => ids,
        Err(failure) => return Ok(ActionOutcome::Failed(failure.line().unwrap_or_default())),
    };
    let mut dropped = 0;
    for id in ids {
        match client.drop_queued(id).await {
            // It was delivered meanwhile; the others are still dropped.
            Err(Error::Invalid(_)) => {}
            done => {
                done?;
                dropped += 1;
            }
        }
    }
    Ok(ActionOutcome::Notice(match dropped {
        0 => "no queued message was left to drop".into(),
        1 => "dropped one queued message".into(),
        many => format!("dropped {many} queued messages"),
    }))
}

async fn peers(client: &Client) -> Result<ActionOutcome> {
    let peers = client.peers(PeerFilter::default()).await?;
    Ok(ActionOutcome::Shown(view::peers(&Clock::local(), &peers)))
}

async fn rooms(client: &Client) -> Result<ActionOutcome> {
    let rooms = client.list_rooms().await?;
    Ok(ActionOutcome::Shown(view::rooms(&Clock::local(), &rooms)))
}

async fn search(client: &Client, terms: &SearchTerms) -> Result<ActionOutcome> {
    let hits = queries::search(client, terms.request(), HITS).await?;
    Ok(ActionOutcome::Messages(hits.into_iter().map(|hit| hit.message).collect()))
}

/// Queues a message that has failed, under its id.
pub(crate) async fn queue(client: Client, to: Name, id: MessageId, text: Text) -> ActionOutcome {
    match client.send(&to, text).id(id).durable().await {
        Ok(_) => ActionOutcome::Notice(queueing::queued(&client, &to).await),
        Err(error) => ActionOutcome::Failed(words::problem(&error)),
    }
}

/// Returns the outcome of a direct message.
pub(crate) fn sent(
    result: Result<Receipt>,
    to: &impl std::fmt::Display,
    text: &Text,
) -> ActionOutcome {
    match result {
        Ok(receipt) => {
            ActionOutcome::Shown(vec![view::direct_sent(&Clock::local(), &receipt, text.as_str())])
        }
        Err(error) => {
            let advice = match &error {
                Error::KeyChanged { name, .. } => format!("; /accept {name} shows the new key"),
                Error::PeerUnknown(name) => {
                    format!("; /queue {name} TEXT sends it once they are back")
                }
                _ => String::new(),
            };
            let error = words::problem(&error);
            ActionOutcome::Failed(format!("not sent to {to}: {} ({error}){advice}", text.as_str()))
        }
    }
}
