//! The direct line outwards: from a name to an endpoint to a cached channel.
//!
//! Endpoints that were seen anywhere are remembered, so that peers are reached while the hub is
//! away. An address may belong to another client by now, so every call says whom it means, and the
//! answer counts only if it is that peer's. When none of the remembered endpoints answers, the hub
//! is asked once and the call is made once more, with the same message id: a message that arrived
//! after all is recognized.
//!
//! A client with a key of its own speaks TLS with everybody who has one, and only with the key that
//! it knows: that of the contact book, or of whoever is not in it the one that the hub lists. The
//! book decides also where the hub says otherwise; then nothing is sent, and a person has to decide.
//! Peers without a key are dialed without TLS, which leads to loopback only.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    contact_store::ContactStore, conversation::Conversation, events::Verification,
    hub_connection::HubConnection, inbox::Inbox, lru::Lru,
};
use crate::{
    error::{Error, Reason, Result},
    identity::{Identity, KeyCheck},
    model::{DirectMessage, Endpoint, Fingerprint, MessageId, Name, Peer, Receipt, Text},
    proto::{self, presence_client::PresenceClient},
    text,
    transport::Channel,
    wire,
};

mod line;

/// How many peers' endpoints are remembered; those not used for longest are forgotten.
const REMEMBERED: usize = 10_000;

/// How many channels are kept open.
const CHANNELS: usize = 256;

/// How long the endpoints of one list are tried, however many they are.
const LIST_TIMEOUT: Duration = Duration::from_secs(15);

/// The other clients.
pub(super) struct Peers {
    link: Arc<HubConnection>,
    identity: Option<Identity>,
    people: ContactStore,
    inbox: Inbox,
    places: Mutex<Lru<Name, PeerRecord>>,
    /// Where each was reached last.
    reached: Mutex<Lru<Name, Endpoint>>,
    channels: Mutex<Lru<Target, Channel>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers").field("link", &self.link).finish_non_exhaustive()
    }
}

/// Where a peer is, and the key that the hub lists for it.
#[derive(Debug, Clone, Default)]
struct PeerRecord {
    endpoints: Vec<Endpoint>,
    key: Option<Fingerprint>,
}

/// Somewhere to connect to, and the key that must be there; `None`: there is no TLS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Target {
    endpoint: Endpoint,
    key: Option<Fingerprint>,
}

/// Why one endpoint was not the end of it.
enum Failed {
    /// The peer is not reached there, for this reason; it may be elsewhere.
    Target(String),
    /// The peer itself refused.
    Refused(Error),
}

impl From<&Peer> for PeerRecord {
    fn from(peer: &Peer) -> Self {
        let key = peer.certificate.as_ref().map(|certificate| certificate.fingerprint());
        Self { endpoints: peer.endpoints.clone(), key }
    }
}

/// Asks the hub for a peer; with a key, also for one that is not listed.
pub(super) async fn ask(
    link: &HubConnection,
    name: &Name,
    key: Option<Fingerprint>,
) -> Result<Peer> {
    let fingerprint = key.map(|key| key.as_bytes().to_vec()).unwrap_or_default();
    let request = proto::GetPeerRequest { name: name.to_string(), fingerprint };
    let rpc =
        |channel, request| async move { PresenceClient::new(channel).get_peer(request).await };
    let answer = link.call(request, rpc).await.map_err(|error| match error {
        Error::Refused(refusal) if refusal.reason == Reason::PeerUnknown => {
            Error::PeerUnknown(name.clone())
        }
        _ => error,
    })?;
    let peer = Peer::try_from(wire::present("peer", answer.peer)?)?;
    if peer.name != *name {
        return Err(Error::Protocol(format!("asked for {name}, got {}", peer.name)));
    }
    Ok(peer)
}

impl Peers {
    pub(super) fn new(
        link: Arc<HubConnection>,
        identity: Option<Identity>,
        people: ContactStore,
        inbox: Inbox,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Self {
        let (places, channels) = (Mutex::new(Lru::new(REMEMBERED)), Mutex::new(Lru::new(CHANNELS)));
        let reached = Mutex::new(Lru::new(REMEMBERED));
        Self { link, identity, people, inbox, places, reached, channels, stop, tasks }
    }

    /// Sends a message. `kept`: the sender keeps it until it has a receipt.
    pub(super) async fn send(
        &self,
        peer: &Name,
        message: &DirectMessage,
        kept: bool,
    ) -> Result<Receipt> {
        let deliver = |there| async move { self.deliver(&there, message, Some(peer), kept).await };
        self.reach(peer, deliver).await
    }

    /// Sends a message that is kept until it has a receipt, and says where the peer was.
    pub(super) async fn send_kept(
        &self,
        peer: &Name,
        message: &DirectMessage,
    ) -> Result<(Receipt, Endpoint)> {
        let deliver = |there: Target| async move {
            let receipt = self.deliver(&there, message, Some(peer), true).await?;
            Ok((receipt, there.endpoint))
        };
        self.reach(peer, deliver).await
    }

    /// Where the last call to a peer succeeded.
    pub(super) fn reached_at(&self, peer: &Name) -> Option<Endpoint> {
        locked(&self.reached).get(peer.as_str()).cloned()
    }

    /// Sends to whoever is at an endpoint: to a peer that is known to be there as [`Self::send`]
    /// does, and otherwise without TLS, which leads to loopback only.
    pub(super) async fn send_to(&self, endpoint: &Endpoint, text: Text) -> Result<Receipt> {
        let message = self.message(MessageId::new(), text);
        let mut tried = Vec::new();
        for (name, place) in self.peers_at(endpoint).await? {
            let key = self.key_of(&name, place.key).await?;
            let there = Target { endpoint: endpoint.clone(), key };
            match self.deliver_twice(&there, &message, key.and(Some(&name))).await {
                Ok(receipt) => return Ok(receipt),
                Err(Failed::Target(cause)) => tried.push(cause),
                Err(Failed::Refused(error)) => return Err(error),
            }
        }
        if tried.is_empty() {
            self.may_speak_plainly()?;
            let there = Target { endpoint: endpoint.clone(), key: None };
            match self.deliver_twice(&there, &message, None).await {
                Ok(receipt) => return Ok(receipt),
                Err(Failed::Target(cause)) => tried.push(cause),
                Err(Failed::Refused(error)) => return Err(error),
            }
        }
        Err(Error::PeerUnreachable { peer: endpoint.to_string(), cause: tried.join("; ") })
    }

    pub(super) async fn converse(&self, peer: &Name) -> Result<Conversation> {
        self.reach(peer, |there| async move { self.call(&there, peer).await }).await
    }

    /// Asks the hub where a peer is, and remembers it.
    pub(super) async fn look_up(&self, name: &Name) -> Result<Peer> {
        let peer = ask(&self.link, name, None).await?;
        self.remember(&peer);
        Ok(peer)
    }

    /// Remembers where a peer is.
    pub(super) fn remember(&self, peer: &Peer) {
        locked(&self.places).insert(peer.name.clone(), peer.into());
    }

    /// Whether some peer is known to be at an endpoint, or need not be, as there are no keys.
    pub(super) fn knows_place(&self, endpoint: &Endpoint) -> bool {
        let is_there = |place: &PeerRecord| place.endpoints.contains(endpoint);
        self.identity.is_none() || locked(&self.places).iter().any(|(_, place)| is_there(place))
    }

    /// Those who may be at an endpoint, as far as they are known. Whom the contact book has there
    /// comes before everybody whom the hub lists there, whatever name it gives them.
    async fn peers_at(&self, endpoint: &Endpoint) -> Result<Vec<(Name, PeerRecord)>> {
        if self.identity.is_none() {
            return Ok(Vec::new());
        }
        let book = self.people.book().await?;
        let contacts = book.hub(&self.link.hub).map(|hub| &hub.contacts).into_iter().flatten();
        let places = locked(&self.places);
        let found: Vec<(Name, PeerRecord)> = contacts
            .filter(|(_, contact)| contact.endpoints.contains(endpoint))
            .map(|(name, contact)| {
                // Where the hub lists another key for them, a person has to decide.
                let listed = places.iter().find(|(listed, _)| *listed == name);
                let key = listed.and_then(|(_, place)| place.key).or(Some(contact.key));
                (name.clone(), PeerRecord { endpoints: contact.endpoints.clone(), key })
            })
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let there = places.iter().filter(|(_, place)| place.endpoints.contains(endpoint));
        Ok(there.map(|(name, place)| (name.clone(), place.clone())).collect())
    }

    /// The key that a peer must have: the contact book's, or else the one that the hub lists.
    async fn key_of(
        &self,
        peer: &Name,
        listed: Option<Fingerprint>,
    ) -> Result<Option<Fingerprint>> {
        if self.identity.is_none() {
            return Ok(None);
        }
        let book = self.people.book().await?;
        let known = book.contact(&self.link.hub, peer).map(|contact| contact.key);
        let Some(offered) = listed.or(known) else {
            return self.may_speak_plainly().map(|()| None);
        };
        match book.standing(&self.link.hub, peer, offered) {
            KeyCheck::New | KeyCheck::Known => Ok(Some(offered)),
            KeyCheck::Blocked => Err(Error::Blocked(peer.clone())),
            KeyCheck::Changed(mismatch) => {
                let (name, known) = (peer.clone(), mismatch.want);
                Err(Error::KeyChanged { name, known, offered })
            }
        }
    }

    /// Whether somebody without a key may be spoken to. A hub elsewhere must not send what is said
    /// to a port of this machine, from where a tunnel may lead anywhere.
    fn may_speak_plainly(&self) -> Result<()> {
        if self.identity.is_some() && !self.link.hub.is_loopback() {
            return Err(Error::Keyless);
        }
        Ok(())
    }

    /// How far a peer is known that has this key.
    async fn standing(&self, peer: &Name, key: Option<Fingerprint>) -> Result<Verification> {
        let Some(key) = key else { return Ok(Verification::Unverified(None)) };
        let contact = self.people.contact(peer).await?;
        Ok(match contact.is_some_and(|contact| contact.key == key && contact.verified) {
            true => Verification::Verified(key),
            false => Verification::Known(key),
        })
    }

    /// Tries what is remembered of a peer, then what the hub says.
    async fn reach<T, F: Future<Output = Result<T, Failed>>>(
        &self,
        peer: &Name,
        attempt: impl Fn(Target) -> F,
    ) -> Result<T> {
        let known = locked(&self.places).get(peer.as_str()).cloned().unwrap_or_default();
        let mut tried = Vec::new();
        match self.try_each(peer, known, &attempt, &mut tried).await {
            Ok(Some(reached)) => return Ok(reached),
            // The key may have been accepted meanwhile; what the hub says now counts.
            Ok(None) | Err(Error::KeyChanged { .. } | Error::Keyless) => {}
            Err(error) => return Err(error),
        }
        let unreachable = |cause| Error::PeerUnreachable { peer: peer.to_string(), cause };
        let place = match self.look_up(peer).await {
            Ok(found) => PeerRecord::from(&found),
            Err(error @ Error::PeerUnknown(_)) => return Err(error),
            Err(error) if tried.is_empty() => self.place_in_book(peer).await?.ok_or(error)?,
            Err(error) => {
                let error = error.to_string();
                tried.push(format!("and it cannot be looked up: {}", text::one_line(&error)));
                return Err(unreachable(tried.join("; ")));
            }
        };
        if place.endpoints.is_empty() {
            return Err(unreachable("it takes no direct messages".into()));
        }
        tried.clear();
        match self.try_each(peer, place, &attempt, &mut tried).await {
            Ok(Some(reached)) => Ok(reached),
            Ok(None) => Err(unreachable(tried.join("; "))),
            Err(error) => {
                self.note_refused(&error).await?;
                Err(error)
            }
        }
    }

    /// Where a peer was found last, for when the hub is away.
    async fn place_in_book(&self, peer: &Name) -> Result<Option<PeerRecord>> {
        if self.identity.is_none() {
            return Ok(None);
        }
        let contact = self.people.contact(peer).await?;
        Ok(contact
            .map(|contact| PeerRecord { endpoints: contact.endpoints, key: Some(contact.key) }))
    }

    /// Notes a key that was refused, so that a person can accept it.
    async fn note_refused(&self, error: &Error) -> Result<()> {
        let Error::KeyChanged { name, offered, .. } = error else { return Ok(()) };
        let (name, offered) = (name.clone(), *offered);
        self.people.change(move |book, hub| book.meet(hub, &name, offered, &[]).map(drop)).await
    }

    /// Tries endpoints in order. The first that leads to the peer is the first to be tried next
    /// time.
    async fn try_each<T, F: Future<Output = Result<T, Failed>>>(
        &self,
        peer: &Name,
        place: PeerRecord,
        attempt: &impl Fn(Target) -> F,
        tried: &mut Vec<String>,
    ) -> Result<Option<T>> {
        if place.endpoints.is_empty() {
            return Ok(None);
        }
        let key = self.key_of(peer, place.key).await?;
        let deadline = Instant::now() + LIST_TIMEOUT;
        for (index, endpoint) in place.endpoints.iter().enumerate() {
            let there = Target { endpoint: endpoint.clone(), key };
            let attempt = tokio::time::timeout_at(deadline, attempt(there)).await;
            let no_time = |_| Failed::Target("no time left to try it".into());
            let reached = match attempt.map_err(no_time).flatten() {
                Ok(reached) => {
                    locked(&self.reached).insert(peer.clone(), endpoint.clone());
                    Ok(Some(reached))
                }
                Err(Failed::Refused(error)) => Err(error),
                Err(Failed::Target(cause)) => {
                    tried.push(format!("{endpoint}: {cause}"));
                    continue;
                }
            };
            let mut found = place.clone();
            found.endpoints[..=index].rotate_right(1);
            self.found(peer, key, found).await;
            return reached;
        }
        Ok(None)
    }

    /// Remembers where a peer was found, and who is found for the first time. The call was made: that
    /// it cannot be noted is no reason to call it a failure.
    async fn found(&self, peer: &Name, key: Option<Fingerprint>, place: PeerRecord) {
        locked(&self.places).insert(peer.clone(), place.clone());
        if let Some(key) = key
            && let Err(error) = self.people.meet(peer, key, place.endpoints).await
        {
            tracing::warn!(%peer, %error, "the contact book does not take this peer");
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
