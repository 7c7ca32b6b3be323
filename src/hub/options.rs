//! What a hub is started with.

use std::{net::SocketAddr, time::Duration};

use super::{jwt::Issuer, rates::Rates};
use crate::{
    identity::Credentials,
    shutdown,
    storage::{Retention, embedded::Store},
    transport::{Budget, Limits, Plaintext},
};

/// The default lease of a session: how long it lives without a keepalive.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(30);

/// The shortest lease. With less, one lost packet would end a session.
pub const MIN_LEASE: Duration = Duration::from_secs(1);

/// The shortest expiry of names. People are away for a weekend.
pub const MIN_NAME_EXPIRY: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The default of [`HubOptions::max_sessions`]: the hundred thousand that the peer list is made for, and some
/// more. Each takes a few KiB with its endpoints (at most 8 of 253 bytes) and its certificate (at
/// most 4 KiB).
const MAX_SESSIONS: usize = 128 * 1024;

/// The options of a [`Hub`](super::Hub).
#[derive(Debug, Clone)]
pub struct HubOptions {
    /// Where messages are stored.
    pub store: Store,
    /// Bytes of stored messages from which on posts are refused; `None`: no limit but the disk's.
    pub store_limit: Option<u64>,
    /// Which messages are kept.
    pub retention: Retention,
    /// After how long a name is freed that nobody uses, counted in hours that the hub runs; at least
    /// [`MIN_NAME_EXPIRY`]. `None`: never.
    pub name_expiry: Option<Duration>,
    /// How long a session lives without a keepalive; at least [`MIN_LEASE`].
    pub lease: Duration,
    /// The most sessions at a time, of all peers together; 131,072 by default.
    pub max_sessions: usize,
    /// How long streams may take to end after the hub was told to stop.
    pub grace: Duration,
    /// Stop after this long without any session; `None`: never.
    pub idle_exit: Option<Duration>,
    /// The hub's TLS certificate and key; `None`: its own key, stored beside the messages.
    pub credentials: Option<Credentials>,
    /// Whether callers from loopback may connect without TLS.
    pub plaintext: Plaintext,
    /// The limits of connections.
    pub limits: Limits,
    /// What callers may make the hub hold in memory, in bytes.
    pub memory: usize,
    /// Who may register.
    pub admission: Admission,
    /// An issuer whose tokens prove names, besides keys.
    pub issuer: Option<Issuer>,
    /// The rate limits of callers.
    pub rates: Rates,
    /// Where metrics are served, over plaintext HTTP/1; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
}

impl HubOptions {
    /// The defaults, with messages in `store`.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            store_limit: None,
            retention: Retention::default(),
            name_expiry: None,
            lease: DEFAULT_LEASE,
            max_sessions: MAX_SESSIONS,
            grace: shutdown::GRACE,
            idle_exit: None,
            credentials: None,
            plaintext: Plaintext::FromLoopback,
            limits: Limits::default(),
            memory: Budget::DEFAULT_LIMIT,
            admission: Admission::default(),
            issuer: None,
            rates: Rates::default(),
            metrics: None,
        }
    }
}

/// Who may register as a guest: take a free name without a key, for the life of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guests {
    /// Nobody.
    Never,
    /// Callers from the same machine.
    Loopback,
    /// Everybody.
    Always,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Who may be a guest.
    pub guests: Guests,
    /// Whether a key without a name needs an invitation.
    pub by_invitation: bool,
}

impl Default for Admission {
    /// Every key, and guests from the same machine.
    fn default() -> Self {
        Self { guests: Guests::Loopback, by_invitation: false }
    }
}
