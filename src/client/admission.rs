//! Who may send direct messages to this client, and how far each caller is verified.
//!
//! A caller gives a name, and proves it by the key of the TLS connection. The contact book says
//! whose key that is; for a caller who is not in the book the hub is asked. A known name with
//! another key is refused, even if the hub lists that key: a person has to decide. Callers are only
//! looked up and never added to the book, or strangers could fill it.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroUsize,
    sync::{Arc, Weak},
    time::Duration,
};

use lru::LruCache;
use parking_lot::Mutex;
use tokio::{sync::Semaphore, time::Instant};

use super::{
    caller::Caller,
    contact_store::{ContactStore, PeerTrust},
    conversation_limits::{ConversationLimits, Permit},
    event::Event,
    hub_connection::HubConnection,
    inbox::Inbox,
    options::DirectPolicy,
    received::Verification,
};
use crate::{
    client::error::Error,
    error::{RequestError, Result},
    identity::KeyCheck,
    model::{Fingerprint, KeyMismatch, Name},
    transport::{Via, source_of},
};

/// How long a caller waits for the answer of the hub.
const QUERY_TIMEOUT: Duration = Duration::from_secs(3);

/// How many queries to the hub run at once.
const QUERIES: usize = 8;

/// How long a positive answer of the hub is cached.
const FRESH: Duration = Duration::from_secs(30);

/// How long a negative answer is cached. The caller may register in the meantime.
const FRESH_REFUSAL: Duration = Duration::from_secs(2);

/// How many answers are cached.
const ANSWERS: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// How many wrong keys are remembered as reported.
const REPORTED: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// The reason that a blocked caller gets.
pub(super) const BLOCKED: &str = "it has blocked you";

/// Decides about callers. Clones share their state.
#[derive(Clone)]
pub(super) struct Admission(Arc<AdmissionInner>);

struct AdmissionInner {
    policy: DirectPolicy,
    own: Option<Fingerprint>,
    contacts: ContactStore,
    hub: Arc<HubConnection>,
    inbox: Inbox,
    limits: ConversationLimits,
    queries: Semaphore,
    /// One query at a time for each address.
    by_address: Mutex<HashMap<IpAddr, Weak<Semaphore>>>,
    answers: Mutex<LruCache<(Name, Fingerprint), (Instant, HubAnswer)>>,
    /// The wrong keys that were reported.
    reported: Mutex<LruCache<(Name, Fingerprint), ()>>,
}

/// The answer of the hub about a name and a key.
#[derive(Debug, Clone, Copy)]
enum HubAnswer {
    SameKey,
    OtherKey(Fingerprint),
    /// The hub does not know the name.
    Unknown,
    /// The hub is away, or this client is not registered yet.
    Unreachable,
    /// The hub was not asked or did not answer in time.
    Timeout,
}

impl Admission {
    pub(super) fn new(
        policy: DirectPolicy,
        own: Option<Fingerprint>,
        contacts: ContactStore,
        hub: Arc<HubConnection>,
        inbox: Inbox,
    ) -> Self {
        Self(Arc::new(AdmissionInner {
            policy,
            own,
            contacts,
            hub,
            inbox,
            limits: ConversationLimits::default(),
            queries: Semaphore::new(QUERIES),
            by_address: Mutex::default(),
            answers: Mutex::new(LruCache::new(ANSWERS)),
            reported: Mutex::new(LruCache::new(REPORTED)),
        }))
    }

    /// Refuses a caller that would be refused under any name, before anything that it says is read.
    pub(super) async fn check_caller(&self, caller: Caller) -> Result<()> {
        self.check_key(caller)?;
        match caller.key {
            Some(key) if self.0.contacts.book().await?.is_blocked(key) => {
                Err(RequestError::CallerRefused(BLOCKED))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a caller that has no key and needs one.
    fn check_key(&self, caller: Caller) -> Result<()> {
        match (caller.key, caller.via, self.0.policy) {
            (Some(_), ..)
            | (None, _, DirectPolicy::Anyone)
            | (None, Via::Plaintext, DirectPolicy::Known) => Ok(()),
            (None, ..) => Err(RequestError::CallerRefused("show a key of your own")),
        }
    }

    /// Admits a caller under `name`, or returns the refusal.
    pub(super) async fn admit(&self, caller: Caller, name: &Name) -> Result<Verification> {
        self.check_key(caller)?;
        match caller.key {
            Some(key) => self.admit_key(key, caller, name).await,
            None => self.admit_keyless(caller, name).await,
        }
    }

    /// Returns a permit for a conversation whose caller is not admitted yet.
    pub(super) fn arrive(&self, caller: Caller) -> Result<Permit> {
        self.0.limits.arrive(caller)
    }

    /// Admits a caller under `name` to a conversation.
    pub(super) async fn admit_to_conversation(
        &self,
        caller: Caller,
        name: &Name,
    ) -> Result<(Verification, Permit)> {
        let verification = self.admit(caller, name).await?;
        Ok((verification, self.0.limits.sit(caller, verification)?))
    }

    /// Returns how far an admitted caller is known, to be checked throughout the conversation.
    pub(super) fn trust(&self, name: Name, verification: Verification) -> PeerTrust {
        PeerTrust::new(self.0.contacts.clone(), name, verification)
    }

    /// A caller without a key cannot be a contact. In plaintext, on this machine, where keys are
    /// optional, it may use the name of one all the same, and is shown as unverified.
    async fn admit_keyless(&self, caller: Caller, name: &Name) -> Result<Verification> {
        let (book, hub) = (self.0.contacts.book().await?, self.0.contacts.hub());
        match book.contact(hub, name).or_else(|| book.look_alike(hub, name)) {
            Some(contact) if contact.blocked => Err(RequestError::CallerRefused(BLOCKED)),
            Some(_) if caller.via == Via::Tls => Err(RequestError::CallerKeyChanged(name.clone())),
            _ => Ok(Verification::Unverified(None)),
        }
    }

    async fn admit_key(
        &self,
        key: Fingerprint,
        caller: Caller,
        name: &Name,
    ) -> Result<Verification> {
        let inner = &*self.0;
        if inner.own == Some(key) && inner.hub.name.is(name) {
            return Ok(Verification::Verified(key));
        }
        let book = inner.contacts.book().await?;
        match book.check_key(inner.contacts.hub(), name, key) {
            KeyCheck::Blocked => Err(RequestError::CallerRefused(BLOCKED)),
            KeyCheck::Known => {
                let contact = book.contact(inner.contacts.hub(), name);
                Ok(match contact.is_some_and(|contact| contact.verified) {
                    true => Verification::Verified(key),
                    false => Verification::Known(key),
                })
            }
            KeyCheck::Changed(mismatch) => {
                // Recorded only if the hub lists the key: a person may accept it then.
                if let HubAnswer::SameKey = self.query_hub(caller, name, key).await {
                    let name = name.clone();
                    let recorded = inner
                        .contacts
                        .record(move |book, hub| book.meet(hub, &name, key, &[]).map(drop));
                    recorded.await?;
                }
                Err(self.key_changed(name, mismatch))
            }
            KeyCheck::New if inner.policy == DirectPolicy::Contacts => {
                Err(RequestError::CallerRefused("you are not among its contacts"))
            }
            KeyCheck::New => match self.query_hub(caller, name, key).await {
                HubAnswer::SameKey => Ok(Verification::Known(key)),
                HubAnswer::OtherKey(want) => {
                    Err(self.key_changed(name, KeyMismatch { want, got: key }))
                }
                HubAnswer::Unknown | HubAnswer::Unreachable
                    if inner.policy == DirectPolicy::Anyone =>
                {
                    Ok(Verification::Unverified(Some(key)))
                }
                HubAnswer::Unknown => Err(RequestError::CallerRefused(
                    "it does not know you, and its hub does not either",
                )),
                HubAnswer::Unreachable => Err(RequestError::CallerUnproved(
                    "it does not know you, and cannot ask its hub now",
                )),
                // Refused by any policy, or an attacker who overloads the hub could take any name.
                HubAnswer::Timeout => Err(RequestError::CallerUnproved(
                    "it does not know you, and its hub does not answer",
                )),
            },
        }
    }

    /// Reports a wrong key, once each, and returns the refusal.
    fn key_changed(&self, name: &Name, mismatch: KeyMismatch) -> RequestError {
        let which = (name.clone(), mismatch.got);
        let mut reported = self.0.reported.lock();
        if reported.get(&which).is_none() {
            let (known, offered) = (mismatch.want, mismatch.got);
            let event = Event::CallerKeyChanged { name: name.clone(), known, offered };
            if self.0.inbox.hint(event) {
                reported.put(which, ());
            }
        }
        RequestError::CallerKeyChanged(name.clone())
    }

    async fn query_hub(&self, caller: Caller, name: &Name, key: Fingerprint) -> HubAnswer {
        let which = (name.clone(), key);
        let answers = || self.0.answers.lock();
        if let Some((until, answer)) = answers().get(&which)
            && Instant::now() < *until
        {
            return *answer;
        }
        let source = caller.from.and_then(|from| source_of(from.ip()));
        let turn = source.map(|address| self.turn_of(address));
        let found = tokio::time::timeout(QUERY_TIMEOUT, async {
            let _turn = match &turn {
                Some(turn) => Some(turn.acquire().await.map_err(|_| Error::Stopped)?),
                None => None,
            };
            let _query = self.0.queries.acquire().await.map_err(|_| Error::Stopped)?;
            self.0.hub.get_peer(name, Some(key)).await
        });
        let answer = match found.await {
            Ok(Ok(peer)) => match peer.key {
                Some(listed) if listed == key => HubAnswer::SameKey,
                Some(listed) => HubAnswer::OtherKey(listed),
                None => HubAnswer::Unknown,
            },
            Ok(Err(Error::PeerUnknown(_))) => HubAnswer::Unknown,
            // No answer of the hub, and not cached: the next call of this caller asks again.
            Ok(Err(_)) => return HubAnswer::Unreachable,
            Err(_) => return HubAnswer::Timeout,
        };
        let fresh = if let HubAnswer::SameKey = answer { FRESH } else { FRESH_REFUSAL };
        answers().put(which, (Instant::now() + fresh, answer));
        answer
    }

    /// Returns the turn of an address: queries about callers from one address run one after the
    /// other, so that they do not hold up those from elsewhere.
    fn turn_of(&self, address: IpAddr) -> Arc<Semaphore> {
        let mut turns = self.0.by_address.lock();
        if let Some(turn) = turns.get(&address).and_then(Weak::upgrade) {
            return turn;
        }
        // Bounded by the number of waiting callers.
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Semaphore::new(1));
        turns.insert(address, Arc::downgrade(&turn));
        turn
    }
}
