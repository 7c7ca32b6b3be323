//! What takes a while in a chat: each thing a task, whose end is shown.

use super::input::Request;
use crate::{
    cli::{
        commands::{history::latest, search::find},
        keys, terminal,
        view::{self, Clock},
        words,
    },
    client::{Client, PeerFilter, SearchRequest},
    error::{Error, Result},
    model::{Fingerprint, Message, Name, Posted, Receipt, RoomName, Start, Text},
};

/// How many hits `/search` shows.
const HITS: u32 = 20;

/// How much of what was said before is shown in a room that one enters.
const SAID_BEFORE: u32 = 10;

/// What is said where a room is needed and there is none.
pub(crate) const NO_ROOM: &str = "you are in no room: /join one";

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
    let stored = client.begin_post(room.clone(), text.clone()).await?;
    Ok(async move {
        match stored.await {
            Ok(posted) => Done::Posted(posted),
            Err(error) => {
                Done::Failed(format!("not posted in {room}: {} ({error})", text.as_str()))
            }
        }
    })
}

/// Does what was asked for; `current` is the room that it is about where none is named.
pub(crate) async fn run(client: Client, request: Request, current: Option<RoomName>) -> Done {
    let done = match request {
        Request::Send { to, text } => Ok(sent(client.send(&to, text.clone()).await, &to, &text)),
        Request::SendTo { to, text } => {
            Ok(sent(client.send_to(&to, text.clone()).await, &to, &text))
        }
        Request::Peers => peers(&client).await,
        Request::Rooms => rooms(&client).await,
        Request::Id => Ok(own_key(&client)),
        Request::Contacts => contacts(&client).await,
        Request::Verify { name, said } => verify(&client, &name, said).await,
        Request::Accept(name) => client.accept(&name, None).await.map(|key| {
            Done::Said(format!("{name} is known by {key} from now on; to compare: /verify {name}"))
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
        Request::History(count) => match current {
            Some(room) => latest(&client, room, count).await.map(Done::Messages),
            None => Ok(Done::Failed(NO_ROOM.into())),
        },
        Request::Search(query) => search(&client, query, current).await,
    };
    done.unwrap_or_else(|error| Done::Failed(error.to_string()))
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
    lines.push(format!("If they agree: /verify {name} FINGERPRINT"));
    Ok(Done::Shown(lines))
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
    let hits = find(client, request, HITS).await?;
    Ok(Done::Messages(hits.into_iter().map(|hit| hit.message).collect()))
}

fn sent(result: Result<Receipt>, to: &impl std::fmt::Display, text: &Text) -> Done {
    match result {
        Ok(receipt) => {
            Done::Shown(vec![view::direct_sent(&Clock::local(), &receipt, text.as_str())])
        }
        Err(error) => {
            let advice = match &error {
                Error::KeyChanged { name, .. } => {
                    format!("; if {name} has told you of a new key: /accept {name}")
                }
                _ => String::new(),
            };
            Done::Failed(format!("not sent to {to}: {} ({error}){advice}", text.as_str()))
        }
    }
}
