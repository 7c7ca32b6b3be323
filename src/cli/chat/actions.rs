//! What takes a while in a chat: each thing a task, whose end is shown.

use std::collections::BTreeSet;

use super::input::{self, Request};
use crate::{
    cli::{
        keys,
        queries::{self, id_prefix_length, latest_messages, matching_ids},
        terminal,
        view::{self, Clock},
        words,
    },
    client::{Client, Error, PeerFilter, Result, SearchRequest},
    model::{Fingerprint, Message, Name, Posted, Receipt, RoomName, Start, Text},
    text,
};

/// How many hits `/search` shows.
const HITS: u32 = 20;

/// How much of what was said before is shown in a room that one enters.
const SAID_BEFORE: u32 = 10;

/// What is said where a room is needed and there is none.
pub(crate) const NO_ROOM: &str = "you are in no room: /join one";

/// What is said to whoever would talk with themselves.
pub(crate) const IS_YOU: &str = "that is you";

/// What is said where a key is needed and there is none.
const NO_KEY: &str = "you speak in plaintext and have no key here";

/// How something ended.
pub(crate) enum Done {
    /// A post was stored; the hub sends it to everybody, us included.
    Posted(Posted),
    /// A room was joined.
    Joined(RoomName),
    /// A room was left.
    Left(RoomName),
    /// Messages were found.
    Messages(Vec<Message>),
    /// Lines to show as they are.
    Shown(Vec<String>),
    /// Somebody is blocked, or not any more.
    Blocked { name: Name, blocked: bool, said: String },
    /// A word to the person.
    Said(String),
    /// Why it was not done.
    Failed(String),
}

/// Where a room that one enters begins: a person wants to know what they have come into, a script
/// only what comes.
pub(crate) fn entering() -> Start {
    match terminal::can_edit() {
        true => Start::Last(SAID_BEFORE),
        false => Start::Head,
    }
}

/// Posts. Returns as soon as the post has its place behind those before it.
pub(crate) async fn post(
    client: &Client,
    room: RoomName,
    text: Text,
) -> Result<impl Future<Output = Done> + Send + use<>> {
    let stored = client.post(room.clone(), text.clone()).begin().await?;
    Ok(async move {
        match stored.await {
            Ok(posted) => Done::Posted(posted),
            Err(error) => {
                let why = words::problem(&error);
                Done::Failed(format!("not posted in {room}: {} ({why})", text.as_str()))
            }
        }
    })
}

/// Does what was asked for; `current` is the room that it is about where none is named.
pub(crate) async fn run(client: Client, request: Request, current: Option<RoomName>) -> Done {
    let done = match request {
        Request::Send { to, text } if to == *client.name() => {
            Ok(sent(Err(Error::invalid("peer", IS_YOU)), &to, &text))
        }
        Request::Send { to, text } => Ok(sent(client.send(&to, text.clone()).await, &to, &text)),
        Request::SendTo { to, text } => {
            Ok(sent(client.send_to(&to, text.clone()).await, &to, &text))
        }
        Request::Talk(_) => Ok(Done::Failed(input::no_text())),
        Request::Queue { to, text } => client
            .send(&to, text)
            .durable()
            .await
            .map(|_| Done::Said(format!("kept until {to} is here; /outbox lists what is kept"))),
        Request::Outbox => outbox(&client).await,
        Request::Retry => {
            client.retry_queued();
            Ok(Done::Said("trying to send what is kept".into()))
        }
        Request::Drop(which) => drop_kept(&client, &which).await,
        Request::Peers => peers(&client).await,
        Request::Rooms => rooms(&client).await,
        Request::Id => Ok(own_key(&client)),
        Request::Contacts => contacts(&client).await,
        Request::Verify { name, said } => verify(&client, &name, said).await,
        Request::Accept { name, key } => accept(&client, &name, key).await,
        Request::Block { name, blocked } => block(&client, &name, blocked).await,
        Request::Note { name, text } => note(&client, &name, &text).await,
        Request::ShowNote(name) => noted(&client, &name).await,
        Request::Forget(name) => client.forget(&name).await.map(|()| {
            Done::Said(format!(
                "{name} is forgotten: whoever comes next under that name is met anew"
            ))
        }),
        Request::SetStatus(status) => client
            .set_status(status)
            .await
            .map(|()| Done::Said(format!("the others see you as {}", words::status(status)))),
        Request::Join(room) => {
            client.join(room.clone(), entering()).await.map(|_| Done::Joined(room))
        }
        Request::Leave(room) => match room.or(current) {
            Some(room) => client.leave(room.clone()).await.map(|()| Done::Left(room)),
            None => Ok(Done::Failed(NO_ROOM.into())),
        },
        Request::Mute { room, muted } => match room.or(current) {
            Some(room) => mute(&client, &room, muted).await,
            None => Ok(Done::Failed(NO_ROOM.into())),
        },
        Request::History(count) => match current {
            Some(room) => latest_messages(&client, room, count).await.map(Done::Messages),
            None => Ok(Done::Failed(NO_ROOM.into())),
        },
        Request::Search(query) => search(&client, query, current).await,
    };
    done.unwrap_or_else(|error| Done::Failed(words::problem(&error)))
}

fn own_key(client: &Client) -> Done {
    match client.fingerprint() {
        Some(key) => Done::Shown(keys::own(client.name(), key)),
        None => Done::Failed(NO_KEY.into()),
    }
}

async fn contacts(client: &Client) -> Result<Done> {
    let contacts = client.contacts().await?;
    Ok(Done::Shown(keys::contacts(contacts.iter().map(|(name, contact)| (name, contact)))))
}

async fn verify(client: &Client, name: &Name, said: Option<Fingerprint>) -> Result<Done> {
    let Some(own) = client.fingerprint() else { return Ok(Done::Failed(NO_KEY.into())) };
    if let Some(key) = said {
        client.verify(name, key).await?;
        return Ok(Done::Said(format!("{name} is verified")));
    }
    let contact = client.contact(name).await?;
    let mut lines = keys::to_compare(name, &contact, own);
    if let Some(refused) = contact.refused_key {
        lines.push(format!("Another key was shown and refused, {refused}: see /accept {name}"));
    }
    lines.push(format!("If they agree: /verify {name} FINGERPRINT"));
    Ok(Done::Shown(lines))
}

async fn accept(client: &Client, name: &Name, key: Option<Fingerprint>) -> Result<Done> {
    if key.is_some() {
        let key = client.accept(name, key).await?;
        let said = format!("{name} is known by {key} from now on; to compare: /verify {name}");
        return Ok(Done::Said(said));
    }
    let contacts = client.contacts().await?;
    let Some((_, contact)) = contacts.iter().find(|(known, _)| known == name) else {
        return Ok(Done::Failed(format!("{name} is not in your contact book: see /contacts")));
    };
    let Some(refused) = contact.refused_key else {
        let said = format!("{name} has the key they are known by; no other was seen");
        return Ok(Done::Failed(said));
    };
    let mut lines = keys::to_accept(name, contact.key, refused);
    lines.push(format!("If it is theirs: /accept {name} FINGERPRINT"));
    Ok(Done::Shown(lines))
}

async fn block(client: &Client, name: &Name, blocked: bool) -> Result<Done> {
    client.block(name, blocked).await?;
    let said = match blocked {
        true => format!("{name} is blocked: you hear nothing of them, and they nothing of you"),
        false => format!("{name} is not blocked any more"),
    };
    Ok(Done::Blocked { name: name.clone(), blocked, said })
}

/// Who is blocked at this hub; `None` where the contact book cannot be read.
pub(crate) async fn blocked(client: &Client) -> Option<BTreeSet<Name>> {
    let contacts = client.contacts().await.ok()?;
    Some(
        contacts.into_iter().filter(|(_, contact)| contact.blocked).map(|(name, _)| name).collect(),
    )
}

async fn note(client: &Client, name: &Name, text: &str) -> Result<Done> {
    client.note(name, text).await?;
    Ok(Done::Said(match text.is_empty() {
        true => format!("nothing is noted of {name} any more"),
        false => format!("noted of {name}; /note {name} shows it"),
    }))
}

async fn noted(client: &Client, name: &Name) -> Result<Done> {
    let contact = client.known(name).await?;
    Ok(match contact.as_ref().map(|contact| contact.note.as_str()) {
        None => Done::Failed(format!("{name} is not in your contact book: see /contacts")),
        Some("") => Done::Said(format!("nothing is noted of {name}")),
        Some(note) => Done::Said(format!("noted of {name}: {}", text::one_line(note))),
    })
}

async fn mute(client: &Client, room: &RoomName, muted: bool) -> Result<Done> {
    client.mute(room, muted).await?;
    Ok(Done::Said(match muted {
        true => format!("{room} is muted: nothing said there is pointed out to you"),
        false => format!("{room} is not muted any more"),
    }))
}

async fn outbox(client: &Client) -> Result<Done> {
    let kept = client.queued().await?;
    Ok(Done::Shown(view::outbox(&Clock::local(), &kept, id_prefix_length(&kept))))
}

/// Drops all that is kept for somebody, or the message whose id begins so.
async fn drop_kept(client: &Client, which: &str) -> Result<Done> {
    let kept = client.queued().await?;
    let ids = match matching_ids(&kept, which) {
        Ok(ids) => ids,
        Err(failure) => return Ok(Done::Failed(failure.line().unwrap_or_default())),
    };
    let mut dropped = 0;
    for id in ids {
        match client.drop_queued(id).await {
            // It was delivered in this moment; the others are given up all the same.
            Err(Error::Invalid(_)) => {}
            done => {
                done?;
                dropped += 1;
            }
        }
    }
    Ok(Done::Said(match dropped {
        1 => "one kept message is dropped".into(),
        many => format!("{many} kept messages are dropped"),
    }))
}

async fn peers(client: &Client) -> Result<Done> {
    let peers = client.peers(PeerFilter::default()).await?;
    Ok(Done::Shown(view::peers(&Clock::local(), &peers)))
}

async fn rooms(client: &Client) -> Result<Done> {
    let rooms = client.list_rooms().await?;
    Ok(Done::Shown(view::rooms(&Clock::local(), &rooms)))
}

async fn search(client: &Client, query: String, room: Option<RoomName>) -> Result<Done> {
    let request = SearchRequest { query, room, ..SearchRequest::default() };
    let hits = queries::search(client, request, HITS).await?;
    Ok(Done::Messages(hits.into_iter().map(|hit| hit.message).collect()))
}

/// What came of a direct message.
pub(crate) fn sent(result: Result<Receipt>, to: &impl std::fmt::Display, text: &Text) -> Done {
    match result {
        Ok(receipt) => {
            Done::Shown(vec![view::direct_sent(&Clock::local(), &receipt, text.as_str())])
        }
        Err(error) => {
            let advice = match &error {
                Error::KeyChanged { name, .. } => format!("; /accept {name} shows the new key"),
                Error::PeerUnknown(name) => format!("; /queue {name} TEXT keeps it until they are"),
                _ => String::new(),
            };
            let error = words::problem(&error);
            Done::Failed(format!("not sent to {to}: {} ({error}){advice}", text.as_str()))
        }
    }
}
