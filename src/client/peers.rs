//! Outgoing direct calls: from a name to its endpoints to a cached channel.
//!
//! Endpoints are remembered wherever they were seen, so that peers are reached while the hub is
//! away. An address may belong to another client by now, so every call names its receiver, and only
//! that peer's answer counts. If no remembered endpoint answers, the hub is asked once and the call
//! is repeated under the same message id, by which a message that arrived after all is recognized.
//!
//! A client with a key uses TLS with every peer that has one, and accepts only the known key: that
//! of the contact book, or the one that the hub lists for a peer who is not in the book. If the hub
//! lists another key than the book, nothing is sent, and a person has to decide. Peers without a key
//! are dialed without TLS, on loopback only.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc, time::Duration};

use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    contact_store::ContactStore,
    conversation::Conversation,
    hub_connection::HubConnection,
    inbox::Inbox,
    line::{Line, WeakLine},
    received::Verification,
};
use crate::{
    client::error::{Error, Result},
    identity::{Identity, KeyCheck},
    model::{DirectMessage, Endpoint, Fingerprint, Name, Peer, Receipt},
    text,
    transport::Channel,
};

mod call;

/// How many peers' endpoints are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// How many channels are kept open.
const CHANNELS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// How long the endpoints of one peer are tried in all.
const LIST_TIMEOUT: Duration = Duration::from_secs(15);

/// The other clients.
pub(super) struct Peers {
    hub: Arc<HubConnection>,
    identity: Option<Identity>,
    contacts: ContactStore,
    inbox: Inbox,
    records: Mutex<LruCache<Name, PeerRecord>>,
    reached: Mutex<LruCache<Name, Endpoint>>,
    channels: Mutex<LruCache<Target, Channel>>,
    /// The latest conversation that this client opened with each peer.
    lines: Mutex<HashMap<Name, WeakLine>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// The endpoints of a peer, and the key that the hub lists for it.
#[derive(Debug, Clone, Default)]
struct PeerRecord {
    endpoints: Vec<Endpoint>,
    key: Option<Fingerprint>,
}

impl PeerRecord {
    fn is_at(&self, endpoint: &Endpoint) -> bool {
        self.endpoints.iter().any(|known| known.matches(endpoint))
    }
}

/// An endpoint, and the key that its TLS must show; `None`: no TLS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Target {
    endpoint: Endpoint,
    key: Option<Fingerprint>,
}

/// Why a call to one endpoint failed.
enum CallError {
    /// The peer was not reached at the target, for this reason. It may be elsewhere.
    NotReached(String),
    /// The call failed for good: the peer refused it, or it must not be made.
    Final(Error),
}

impl Peers {
    pub(super) fn new(
        hub: Arc<HubConnection>,
        identity: Option<Identity>,
        contacts: ContactStore,
        inbox: Inbox,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Self {
        let records = Mutex::new(LruCache::new(REMEMBERED));
        let reached = Mutex::new(LruCache::new(REMEMBERED));
        let channels = Mutex::new(LruCache::new(CHANNELS));
        let lines = Mutex::default();
        Self { hub, identity, contacts, inbox, records, reached, channels, lines, stop, tasks }
    }

    /// Sends a message, and returns its receipt and where the peer was reached. `durable`: this
    /// client keeps the message until it has a receipt.
    pub(super) async fn send(
        &self,
        peer: &Name,
        message: &DirectMessage,
        durable: bool,
    ) -> Result<(Receipt, Endpoint)> {
        let deliver = |target: Target| async move {
            let receipt = self.deliver(&target, message, Some(peer), durable).await?;
            Ok((receipt, target.endpoint))
        };
        self.reach(peer, deliver).await
    }

    /// Returns where the last call to a peer succeeded.
    pub(super) fn reached_at(&self, peer: &Name) -> Option<Endpoint> {
        self.reached.lock().get(peer).cloned()
    }

    /// Sends to whoever listens at an endpoint, and returns whether its key was checked: with the key of a peer that is known to be there, and
    /// otherwise without TLS, on loopback only.
    pub(super) async fn send_to(
        &self,
        endpoint: &Endpoint,
        message: &DirectMessage,
    ) -> Result<(Receipt, bool)> {
        let mut tried = Vec::new();
        for (name, record) in self.peers_at(endpoint).await? {
            let key = self.key_of(&name, record.key).await?;
            let target = Target { endpoint: endpoint.clone(), key };
            match self.deliver_twice(&target, message, key.and(Some(&name))).await {
                Ok(receipt) => return Ok((receipt, key.is_some())),
                Err(CallError::NotReached(cause)) => tried.push(cause),
                Err(CallError::Final(error)) => return Err(error),
            }
        }
        if tried.is_empty() {
            self.check_plaintext_allowed()?;
            let target = Target { endpoint: endpoint.clone(), key: None };
            match self.deliver_twice(&target, message, None).await {
                Ok(receipt) => return Ok((receipt, false)),
                Err(CallError::NotReached(cause)) => tried.push(cause),
                Err(CallError::Final(error)) => return Err(error),
            }
        }
        Err(Error::PeerUnreachable { peer: endpoint.to_string(), cause: tried.join("; ") })
    }

    pub(super) async fn converse(&self, peer: &Name) -> Result<Conversation> {
        let call = |target| async move { self.call(&target, peer).await };
        let conversation = self.reach(peer, call).await?;
        let mut lines = self.lines.lock();
        lines.retain(|_, line| line.upgrade().is_some());
        lines.insert(peer.clone(), conversation.line().downgrade());
        drop(lines);
        Ok(conversation)
    }

    /// Returns the line of an open conversation that this client opened with a peer.
    pub(super) fn open_line(&self, peer: &Name) -> Option<Line> {
        self.lines.lock().get(peer).and_then(WeakLine::upgrade)
    }

    /// Looks up a peer at the hub, and remembers its endpoints.
    pub(super) async fn look_up(&self, name: &Name) -> Result<Peer> {
        let peer = self.hub.get_peer(name, None).await?;
        self.remember(&peer);
        Ok(peer)
    }

    pub(super) fn remember(&self, peer: &Peer) {
        let record = self.record(peer);
        self.records.lock().put(peer.name.clone(), record);
    }

    /// Returns what the hub lists. The zone of a link-local address is that by which this machine reaches
    /// the hub: what the peer or the hub calls it means nothing here.
    fn record(&self, peer: &Peer) -> PeerRecord {
        let listed = peer.endpoints.iter();
        let endpoints = match self.hub.endpoint.zone() {
            Some(zone) => listed.map(|endpoint| endpoint.in_zone(zone)).collect(),
            None => listed.cloned().collect(),
        };
        PeerRecord { endpoints, key: peer.key }
    }

    /// Returns true if a peer is known to be at an endpoint, or this client has no key, so that it
    /// does not matter who is.
    pub(super) fn knows_endpoint(&self, endpoint: &Endpoint) -> bool {
        self.identity.is_none()
            || self.records.lock().iter().any(|(_, record)| record.is_at(endpoint))
    }

    /// Returns the peers known to be at an endpoint: the contact book's, or else the hub's.
    async fn peers_at(&self, endpoint: &Endpoint) -> Result<Vec<(Name, PeerRecord)>> {
        if self.identity.is_none() {
            return Ok(Vec::new());
        }
        let book = self.contacts.book().await?;
        let contacts = book.hub(&self.hub.endpoint).map(|hub| &hub.contacts).into_iter().flatten();
        let records = self.records.lock();
        let found: Vec<(Name, PeerRecord)> = contacts
            .filter(|(_, contact)| contact.endpoints.iter().any(|known| known.matches(endpoint)))
            .map(|(name, contact)| {
                // If the hub lists another key, `key_of` refuses it.
                let key = records.peek(name).and_then(|record| record.key).or(Some(contact.key));
                (name.clone(), PeerRecord { endpoints: contact.endpoints.clone(), key })
            })
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let listed = records.iter().filter(|(_, record)| record.is_at(endpoint));
        Ok(listed.map(|(name, record)| (name.clone(), record.clone())).collect())
    }

    /// Returns the key that a peer must have: the contact book's, or else the one that the hub lists.
    async fn key_of(
        &self,
        peer: &Name,
        listed: Option<Fingerprint>,
    ) -> Result<Option<Fingerprint>> {
        if self.identity.is_none() {
            return Ok(None);
        }
        let book = self.contacts.book().await?;
        let known = book.contact(&self.hub.endpoint, peer).map(|contact| contact.key);
        let Some(offered) = listed.or(known) else {
            return self.check_plaintext_allowed().map(|()| None);
        };
        match book.check_key(&self.hub.endpoint, peer, offered) {
            KeyCheck::New | KeyCheck::Known => Ok(Some(offered)),
            KeyCheck::Blocked => Err(Error::Blocked(peer.clone())),
            KeyCheck::Changed(mismatch) => {
                let (name, known) = (peer.clone(), mismatch.want);
                Err(Error::KeyChanged { name, known, offered })
            }
        }
    }

    /// Returns an error if a message must not go to a peer without a key. A remote hub must not
    /// direct messages to a port of this machine, where a tunnel may lead anywhere.
    fn check_plaintext_allowed(&self) -> Result<()> {
        if self.identity.is_some() && !self.hub.endpoint.is_loopback() {
            return Err(Error::Keyless);
        }
        Ok(())
    }

    /// Returns how far a peer with this key is known.
    async fn verification(&self, peer: &Name, key: Option<Fingerprint>) -> Result<Verification> {
        let Some(key) = key else { return Ok(Verification::Unverified(None)) };
        let contact = self.contacts.contact(peer).await?;
        Ok(match contact.is_some_and(|contact| contact.key == key && contact.verified) {
            true => Verification::Verified(key),
            false => Verification::Known(key),
        })
    }

    /// Tries the remembered endpoints of a peer, then those that the hub lists.
    async fn reach<T, F: Future<Output = Result<T, CallError>>>(
        &self,
        peer: &Name,
        attempt: impl Fn(Target) -> F,
    ) -> Result<T> {
        let known = self.records.lock().get(peer).cloned().unwrap_or_default();
        let listed = known.key;
        let mut tried = Vec::new();
        match self.try_each(peer, known, &attempt, &mut tried).await {
            Ok(Some(reached)) => return Ok(reached),
            // The key may have been accepted in the meantime; what the hub lists now counts.
            Ok(None) | Err(Error::KeyChanged { .. } | Error::Keyless) => {}
            Err(error) => return Err(error),
        }
        let unreachable = |cause| Error::PeerUnreachable { peer: peer.to_string(), cause };
        let record = match self.look_up(peer).await {
            Ok(found) => self.record(&found),
            Err(error @ Error::PeerUnknown(_)) => return Err(error),
            Err(error) if tried.is_empty() => self.record_in_book(peer).await?.ok_or(error)?,
            Err(error) => {
                let error = error.to_string();
                tried.push(format!("and it cannot be looked up: {}", text::one_line(&error)));
                return Err(unreachable(tried.join("; ")));
            }
        };
        if record.endpoints.is_empty() {
            return Err(unreachable("it takes no direct messages".into()));
        }
        let is_new = listed.is_some() && record.key != listed && self.identity.is_some();
        if is_new && self.contacts.contact(peer).await?.is_none() {
            // A person may have compared the other key. From now on this one is expected.
            return Err(unreachable("its hub has just listed it with another key".into()));
        }
        tried.clear();
        match self.try_each(peer, record, &attempt, &mut tried).await {
            Ok(Some(reached)) => Ok(reached),
            Ok(None) => Err(unreachable(tried.join("; "))),
            Err(error) => {
                self.record_refused(&error).await?;
                Err(error)
            }
        }
    }

    /// Returns the endpoints of a contact, for when the hub is away.
    async fn record_in_book(&self, peer: &Name) -> Result<Option<PeerRecord>> {
        if self.identity.is_none() {
            return Ok(None);
        }
        let contact = self.contacts.contact(peer).await?;
        Ok(contact
            .map(|contact| PeerRecord { endpoints: contact.endpoints, key: Some(contact.key) }))
    }

    /// Records a key that was refused, so that a person can accept it.
    async fn record_refused(&self, error: &Error) -> Result<()> {
        let Error::KeyChanged { name, offered, .. } = error else { return Ok(()) };
        let (name, offered) = (name.clone(), *offered);
        self.contacts.record(move |book, hub| book.meet(hub, &name, offered, &[]).map(drop)).await
    }

    /// Tries endpoints in order. The one that leads to the peer is tried first next time.
    async fn try_each<T, F: Future<Output = Result<T, CallError>>>(
        &self,
        peer: &Name,
        record: PeerRecord,
        attempt: &impl Fn(Target) -> F,
        tried: &mut Vec<String>,
    ) -> Result<Option<T>> {
        if record.endpoints.is_empty() {
            return Ok(None);
        }
        let key = self.key_of(peer, record.key).await?;
        let deadline = Instant::now() + LIST_TIMEOUT;
        for (index, endpoint) in record.endpoints.iter().enumerate() {
            let target = Target { endpoint: endpoint.clone(), key };
            let attempt = tokio::time::timeout_at(deadline, attempt(target)).await;
            let no_time = |_| CallError::NotReached("no time left to try it".into());
            let reached = match attempt.map_err(no_time).flatten() {
                Ok(reached) => {
                    self.reached.lock().put(peer.clone(), endpoint.clone());
                    Ok(Some(reached))
                }
                Err(CallError::Final(error)) => Err(error),
                Err(CallError::NotReached(cause)) => {
                    tried.push(format!("{endpoint}: {cause}"));
                    continue;
                }
            };
            let mut found = record.clone();
            found.endpoints[..=index].rotate_right(1);
            self.found(peer, key, found).await;
            return reached;
        }
        Ok(None)
    }

    /// Remembers where a peer was found, and adds a new one to the contact book. The call was made,
    /// so an error here does not make it a failure.
    async fn found(&self, peer: &Name, key: Option<Fingerprint>, record: PeerRecord) {
        self.records.lock().put(peer.clone(), record.clone());
        if let Some(key) = key
            && let Err(error) = self.contacts.meet(peer, key, record.endpoints).await
        {
            tracing::warn!(%peer, %error, "cannot add the peer to the contact book");
        }
    }
}
