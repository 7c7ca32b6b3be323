//! Who may speak to this client, and as whom they are shown.
//!
//! A caller says a name. What proves it is the key of the TLS connection: the contact book says
//! whose it is, and for somebody who is not in it the hub is asked. A known name with another key
//! is refused, whoever says so: a person has to decide. Callers are looked up, never noted, or
//! strangers could fill the book.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use super::{
    contact_store::{ContactStore, PeerTrust},
    conversation_limits::{ConversationLimits, Permit},
    events::{Event, Verification},
    hub_connection::HubConnection,
    inbox::Inbox,
    lru::Lru,
    peers,
};
use crate::{
    error::{Error, Result},
    identity::KeyCheck,
    model::{Fingerprint, KeyMismatch, Name},
    transport::{PeerInfo, Via, source_of},
};

/// How long a caller waits for what the hub says of them.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// How many callers the hub is asked about at once.
const ASKING: usize = 8;

/// How long the hub's word for somebody counts.
const FRESH: Duration = Duration::from_secs(30);

/// How long its word against somebody counts, who may register meanwhile.
const FRESH_REFUSAL: Duration = Duration::from_secs(2);

/// How many answers are kept.
const ANSWERS: usize = 1024;

/// Of how many wrong keys it is remembered that the person was told.
const TOLD: usize = 256;

/// What somebody hears who is blocked.
pub(super) const BLOCKED: &str = "it has blocked you";

/// Who may speak directly to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DirectPolicy {
    /// Those in the contact book.
    Contacts,
    /// Also those whose key the hub vouches for, and callers on this machine that have no key.
    #[default]
    Known,
    /// Anyone: strangers are shown as unverified.
    Anyone,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// The address they called from.
    pub(super) from: Option<SocketAddr>,
    /// The key they have shown.
    pub(super) key: Option<Fingerprint>,
    via: Via,
}

impl Caller {
    /// What a request's extensions say.
    pub(super) fn of(extensions: &tonic::Extensions) -> Self {
        let info = PeerInfo::of(extensions);
        Self {
            from: info.map(|info| info.remote),
            key: info.and_then(PeerInfo::key),
            via: info.map_or(Via::Plaintext, |info| info.via),
        }
    }
}

/// The gate. Clones are one.
#[derive(Clone)]
pub(super) struct Gate(Arc<Inner>);

struct Inner {
    policy: DirectPolicy,
    own: Option<Fingerprint>,
    people: ContactStore,
    link: Arc<HubConnection>,
    inbox: Inbox,
    seats: ConversationLimits,
    asking: Semaphore,
    turns: Mutex<HashMap<IpAddr, Weak<Semaphore>>>,
    answers: Mutex<Lru<(Name, Fingerprint), (Instant, Listed)>>,
    told: Mutex<Lru<(Name, Fingerprint), ()>>,
}

/// What the hub says of a name and a key.
#[derive(Debug, Clone, Copy)]
enum Listed {
    /// The name belongs to this key.
    Same,
    /// It belongs to this other one.
    Other(Fingerprint),
    /// The hub knows nothing of them.
    Nothing,
    /// The hub is away, or has not let this client in yet.
    Away,
    /// The hub was not asked or did not answer in time.
    Silent,
}

impl Gate {
    pub(super) fn new(
        policy: DirectPolicy,
        own: Option<Fingerprint>,
        people: ContactStore,
        link: Arc<HubConnection>,
        inbox: Inbox,
    ) -> Self {
        Self(Arc::new(Inner {
            policy,
            own,
            people,
            link,
            inbox,
            seats: ConversationLimits::new(),
            asking: Semaphore::new(ASKING),
            turns: Mutex::default(),
            answers: Mutex::new(Lru::new(ANSWERS)),
            told: Mutex::new(Lru::new(TOLD)),
        }))
    }

    /// Lets a caller speak as `name`, or says why not.
    pub(super) async fn admit(&self, caller: Caller, name: &Name) -> Result<Verification> {
        let policy = self.0.policy;
        match (caller.key, caller.via) {
            (Some(key), _) => self.admit_key(key, caller, name).await,
            (None, Via::Plaintext) if policy != DirectPolicy::Contacts => {
                self.admit_keyless(caller, name).await
            }
            (None, Via::Tls) if policy == DirectPolicy::Anyone => {
                self.admit_keyless(caller, name).await
            }
            (None, _) => Err(Error::CallerRefused("show a key of your own")),
        }
    }

    /// A place for a conversation with somebody who was not let in yet.
    pub(super) fn arrive(&self, caller: Caller) -> Result<Permit> {
        self.0.seats.arrive(caller)
    }

    /// Lets a caller speak as `name` in a conversation.
    pub(super) async fn seat(&self, caller: Caller, name: &Name) -> Result<(Verification, Permit)> {
        let standing = self.admit(caller, name).await?;
        Ok((standing, self.0.seats.sit(caller, standing)?))
    }

    /// Somebody who was let in, for as long as a conversation goes on.
    pub(super) fn acquaintance(&self, name: Name, standing: Verification) -> PeerTrust {
        PeerTrust::new(self.0.people.clone(), name, standing)
    }

    /// Whoever shows no key has none of a contact's. On this machine, where nobody has to have one,
    /// they may say a contact's name all the same, and are shown as unverified.
    async fn admit_keyless(&self, caller: Caller, name: &Name) -> Result<Verification> {
        let (book, hub) = (self.0.people.book().await?, self.0.people.hub());
        match book.contact(hub, name).or_else(|| book.look_alike(hub, name)) {
            Some(contact) if contact.blocked => Err(Error::CallerRefused(BLOCKED)),
            Some(_) if caller.via == Via::Tls => Err(Error::CallerKeyChanged(name.clone())),
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
        if inner.own == Some(key) && inner.link.name == *name {
            return Ok(Verification::Verified(key));
        }
        let book = inner.people.book().await?;
        match book.standing(inner.people.hub(), name, key) {
            KeyCheck::Blocked => Err(Error::CallerRefused(BLOCKED)),
            KeyCheck::Known => {
                let contact = book.contact(inner.people.hub(), name);
                Ok(match contact.is_some_and(|contact| contact.verified) {
                    true => Verification::Verified(key),
                    false => Verification::Known(key),
                })
            }
            KeyCheck::Changed(mismatch) => {
                // What the hub lists may be accepted by a person, and so it is noted; what
                // anybody shows may not.
                if let Listed::Same = self.ask(caller, name, key).await {
                    let name = name.clone();
                    let noted = inner
                        .people
                        .change(move |book, hub| book.meet(hub, &name, key, &[]).map(drop));
                    noted.await?;
                }
                Err(self.changed(name, mismatch))
            }
            KeyCheck::New if inner.policy == DirectPolicy::Contacts => {
                Err(Error::CallerRefused("you are not among its contacts"))
            }
            KeyCheck::New => match self.ask(caller, name, key).await {
                Listed::Same => Ok(Verification::Known(key)),
                Listed::Other(want) => Err(self.changed(name, KeyMismatch { want, got: key })),
                Listed::Nothing | Listed::Away if inner.policy == DirectPolicy::Anyone => {
                    Ok(Verification::Unverified(Some(key)))
                }
                Listed::Nothing => {
                    Err(Error::CallerRefused("it does not know you, and its hub does not either"))
                }
                Listed::Away => {
                    Err(Error::CallerUnproved("it does not know you, and cannot ask its hub now"))
                }
                // Or a crowd that keeps the hub from answering could take any name.
                Listed::Silent => {
                    Err(Error::CallerUnproved("it does not know you, and its hub does not answer"))
                }
            },
        }
    }

    /// Tells the person, once for each wrong key.
    fn changed(&self, name: &Name, mismatch: KeyMismatch) -> Error {
        let which = (name.clone(), mismatch.got);
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(&which).is_none() {
            let (known, offered) = (mismatch.want, mismatch.got);
            let event = Event::CallerKeyChanged { name: name.clone(), known, offered };
            if self.0.inbox.hint(event) {
                told.insert(which, ());
            }
        }
        Error::CallerKeyChanged(name.clone())
    }

    async fn ask(&self, caller: Caller, name: &Name, key: Fingerprint) -> Listed {
        let which = (name.clone(), key);
        let answers = || self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((until, listed)) = answers().get(&which)
            && Instant::now() < *until
        {
            return *listed;
        }
        let turn = caller.from.and_then(|from| source_of(from.ip())).map(|from| self.turn(from));
        let asked = tokio::time::timeout(ASK_TIMEOUT, async {
            let _turn = match &turn {
                Some(turn) => Some(turn.acquire().await.map_err(|_| Error::Stopped)?),
                None => None,
            };
            let _place = self.0.asking.acquire().await.map_err(|_| Error::Stopped)?;
            peers::ask(&self.0.link, name, Some(key)).await
        });
        let listed = match asked.await {
            Ok(Ok(peer)) => match peer.certificate.map(|certificate| certificate.fingerprint()) {
                Some(listed) if listed == key => Listed::Same,
                Some(listed) => Listed::Other(listed),
                None => Listed::Nothing,
            },
            Ok(Err(Error::PeerUnknown(_))) => Listed::Nothing,
            // Not its answer: it is asked again when they call again.
            Ok(Err(_)) => return Listed::Away,
            Err(_) => return Listed::Silent,
        };
        let fresh = if let Listed::Same = listed { FRESH } else { FRESH_REFUSAL };
        answers().insert(which, (Instant::now() + fresh, listed));
        listed
    }
    /// Callers from one address have their questions asked one after the other, so that they do not
    /// hold up those from elsewhere.
    fn turn(&self, from: IpAddr) -> Arc<Semaphore> {
        let mut turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&from).and_then(Weak::upgrade) {
            return turn;
        }
        // As many stay as there are callers that wait.
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Semaphore::new(1));
        turns.insert(from, Arc::downgrade(&turn));
        turn
    }
}
