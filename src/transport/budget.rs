//! How much memory callers make a server hold, in sum.
//!
//! 1. A server has one [`Budget`]. Each connection has an [`Account`] in it.
//! 2. What a connection makes the server hold is a [`Charge`] to its account, and through it to its
//!    address, to the peer that it belongs to, and to the whole server. Each of these has a limit,
//!    a fixed share of the budget.
//! 3. Near a limit, new calls are refused with a reason, except those of connections that hold
//!    little. Beyond it, the connection that holds most is ended: of the address or peer that is
//!    over its limit, or of the one that holds most of all if the server is.
//!
//! Charges are estimates from above. `docs/limits.md` says what is charged.

#[cfg(feature = "hub")]
mod pool;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use slab::Slab;
use tokio_util::sync::CancellationToken;

#[cfg(feature = "hub")]
pub(crate) use self::pool::{Held, Pool, allocated};
use super::source::source_of;
use crate::error::{RequestError, Result};

/// The share of the budget that one address may hold.
const ADDRESS_SHARE: usize = 4;

/// The share of the budget that one peer may hold with all of its connections.
#[cfg(feature = "hub")]
const PEER_SHARE: usize = 8;

/// The share of the budget that one connection may hold.
const CONNECTION_SHARE: usize = 16;

/// The share of the budget that a connection may hold without being refused because of others, and
/// the most of it: what an honest one holds with some streams, and a piece of an answer on its way
/// in each.
const MODEST_SHARE: usize = 128;
const MODEST: usize = 256 * 1024;

/// The steps in which an account passes its charges on, so that small ones change nothing else.
const STEP: usize = 4 * 1024;

/// When a refused caller may try again. Memory is free once the caller, or another, has read its
/// answers.
const RETRY: Duration = Duration::from_secs(1);

/// The memory that callers may make a server hold.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Books>);

#[derive(Debug)]
struct Books {
    whole: Scope,
    /// The addresses and peers of open connections.
    groups: Mutex<HashMap<GroupKey, Weak<Scope>>>,
    accounts: Mutex<Slab<Weak<Account>>>,
    /// Connections that were ended.
    ended: AtomicU64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum GroupKey {
    Address(IpAddr),
    #[cfg(feature = "hub")]
    Peer(String),
}

/// What is held within one limit.
#[derive(Debug)]
struct Scope {
    limit: usize,
    held: AtomicUsize,
    /// The part of `held` whose connections are ending.
    ending: AtomicUsize,
}

impl Scope {
    fn new(limit: usize) -> Self {
        Self { limit, held: AtomicUsize::new(0), ending: AtomicUsize::new(0) }
    }

    fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    fn is_over(&self) -> bool {
        self.held().saturating_sub(self.ending.load(Relaxed)) > self.limit
    }

    fn is_nearly_full(&self) -> bool {
        is_near(self.held(), self.limit)
    }

    /// Replaces `before` bytes by `after`.
    fn change(&self, before: usize, after: usize, is_ending: bool) {
        let ending = is_ending.then_some(&self.ending);
        for counter in [Some(&self.held), ending].into_iter().flatten() {
            if after > before {
                counter.fetch_add(after - before, Relaxed);
            } else {
                counter.fetch_sub(before - after, Relaxed);
            }
        }
    }
}

/// Returns true from seven eighths of a limit on.
fn is_near(held: usize, limit: usize) -> bool {
    held >= limit - limit / 8
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT)
    }
}

impl Budget {
    /// 512 MiB: the memory of a small virtual machine, and enough for all connections of a hub.
    pub const DEFAULT_LIMIT: usize = 512 * 1024 * 1024;

    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let (groups, accounts) = (Mutex::default(), Mutex::default());
        let ended = AtomicU64::new(0);
        Self(Arc::new(Books { whole: Scope::new(limit), groups, accounts, ended }))
    }

    /// Returns the bytes that callers may make the server hold.
    pub fn limit(&self) -> usize {
        self.0.whole.limit
    }

    /// Returns the bytes that callers make the server hold.
    pub fn held(&self) -> usize {
        self.0.whole.held()
    }

    /// Returns how many connections were ended because they made the server hold too much.
    pub fn ended(&self) -> u64 {
        self.0.ended.load(Relaxed)
    }

    /// Opens the account of a connection from an address.
    pub(crate) fn open(&self, address: IpAddr) -> Arc<Account> {
        let books = &self.0;
        let address = source_of(address)
            .map(|address| books.group(GroupKey::Address(address), ADDRESS_SHARE));
        let mut accounts = books.accounts.lock();
        let slot = accounts.vacant_entry();
        let account = Arc::new(Account {
            books: books.clone(),
            slot: slot.key(),
            address,
            state: Mutex::default(),
            ended: CancellationToken::new(),
        });
        slot.insert(Arc::downgrade(&account));
        account
    }
}

impl Books {
    /// Returns the scope of an address or a peer, which may hold a share of the whole.
    fn group(&self, key: GroupKey, share: usize) -> Arc<Scope> {
        let mut groups = self.groups.lock();
        if let Some(group) = groups.get(&key).and_then(Weak::upgrade) {
            return group;
        }
        if groups.len() == groups.capacity() {
            groups.retain(|_, group| group.strong_count() > 0);
        }
        let group = Arc::new(Scope::new(self.whole.limit / share));
        groups.insert(key, Arc::downgrade(&group));
        group
    }

    /// Ends connections until `scope` is within its limit: first the ones that hold most, of the
    /// address or peer that holds most.
    fn relieve(&self, scope: &Scope) {
        // Released before the accounts are dropped, which takes the lock.
        let open: Vec<Arc<Account>> =
            self.accounts.lock().iter().filter_map(|(_, account)| account.upgrade()).collect();
        while scope.is_over() {
            let ranks = open.iter().filter_map(|account| Some((account.rank_in(scope)?, account)));
            let Some((_, largest)) = ranks.max_by_key(|(rank, _)| *rank) else { return };
            largest.end(MOST);
        }
    }
}

/// What one connection makes its server hold.
#[derive(Debug)]
pub struct Account {
    books: Arc<Books>,
    slot: usize,
    /// `None` for loopback.
    address: Option<Arc<Scope>>,
    state: Mutex<State>,
    ended: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    /// The sum of the charges.
    bytes: usize,
    /// What the scopes were told of it.
    passed_on: usize,
    peer: Option<Arc<Scope>>,
    /// Why the connection is ending.
    ending: Option<&'static str>,
}

impl State {
    fn is_ending(&self) -> bool {
        self.ending.is_some()
    }
}

/// Why a connection ends: because of its own limit, or of that of its address, its peer or the
/// server.
const TOO_MUCH: &str = "your connection made this server hold more than one may; read its answers";
const MOST: &str =
    "this server held as much as it may for its callers, most of it for your connection";

impl Account {
    /// Charges a peer as well. The first peer of a connection counts.
    #[cfg(feature = "hub")]
    pub(crate) fn belongs_to(&self, peer: &str) {
        let mut state = self.state.lock();
        if state.peer.is_none() {
            let scope = self.books.group(GroupKey::Peer(peer.to_owned()), PEER_SHARE);
            scope.change(0, state.passed_on, state.is_ending());
            state.peer = Some(scope.clone());
            self.relieve(state, &[scope]);
        }
    }

    /// Returns true if the connection belongs to a peer.
    pub(super) fn has_peer(&self) -> bool {
        self.state.lock().peer.is_some()
    }

    /// Charges bytes until the result is dropped. Not refused, as they are held already: beyond a
    /// limit, a connection is ended.
    pub(crate) fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        let mut charge = Charge { account: self.clone(), bytes: 0 };
        charge.resize(bytes);
        charge
    }

    /// Errors with [`RequestError::LimitReached`] if this connection may not make the server hold
    /// more.
    pub(super) fn check(&self) -> Result<()> {
        let state = self.state.lock();
        let is_full =
            |scope: &Option<Arc<Scope>>| scope.as_ref().is_some_and(|s| s.is_nearly_full());
        let what = if let Some(why) = state.ending {
            why
        } else if is_near(state.bytes, self.limit()) {
            "your connection makes this server hold as much as one may; read its answers"
        } else if state.bytes <= MODEST.min(self.books.whole.limit / MODEST_SHARE) {
            return Ok(());
        } else if is_full(&state.peer) {
            "your connections make this server hold as much as those of one peer may"
        } else if is_full(&self.address) {
            "your address makes this server hold as much as one address may"
        } else if self.books.whole.is_nearly_full() {
            "this server holds as much for its callers as it may; come again later"
        } else {
            return Ok(());
        };
        Err(RequestError::LimitReached { what: what.into(), retry_after: Some(RETRY) })
    }

    /// Cancelled once this connection has to end because it holds too much.
    pub(super) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// What this connection may hold.
    pub(super) fn limit(&self) -> usize {
        self.books.whole.limit / CONNECTION_SHARE
    }

    /// The order in which the connections of a scope end: what their address or peer holds, and what
    /// they hold. `None` if this one is not part of the scope, or is ending already.
    fn rank_in(&self, scope: &Scope) -> Option<(usize, usize)> {
        let state = self.state.lock();
        let groups = || [&self.address, &state.peer].into_iter().flatten();
        let of_all = std::ptr::eq(scope, &raw const self.books.whole);
        let is_part = of_all || groups().any(|group| std::ptr::eq(&raw const **group, scope));
        let largest = groups().map(|group| group.held()).max();
        (is_part && !state.is_ending()).then(|| (largest.unwrap_or(state.bytes), state.bytes))
    }

    fn end(&self, why: &'static str) {
        let mut state = self.state.lock();
        if state.is_ending() {
            return;
        }
        state.ending = Some(why);
        for scope in self.scopes(&state) {
            scope.ending.fetch_add(state.passed_on, Relaxed);
        }
        let bytes = state.bytes;
        drop(state);
        tracing::warn!(bytes, "ended a connection that makes this server hold too much");
        self.books.ended.fetch_add(1, Relaxed);
        self.ended.cancel();
    }

    fn scopes<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Scope> {
        let groups = [&self.address, &state.peer].into_iter().flatten();
        std::iter::once(&self.books.whole).chain(groups.map(|group| &**group))
    }

    /// Replaces `before` bytes by `after`.
    fn change(&self, before: usize, after: usize) {
        let mut state = self.state.lock();
        state.bytes = state.bytes - before + after;
        let (told, rounded) = (state.passed_on, state.bytes.next_multiple_of(STEP));
        if rounded == told {
            return;
        }
        state.passed_on = rounded;
        for scope in self.scopes(&state) {
            scope.change(told, rounded, state.is_ending());
        }
        if rounded > told && !state.is_ending() {
            let groups = [&self.address, &state.peer].into_iter().flatten();
            let groups: Vec<_> = groups.filter(|group| group.is_over()).cloned().collect();
            self.relieve(state, &groups);
        }
    }

    /// Ends connections if this one, the groups, or the server are over their limits.
    fn relieve(&self, state: MutexGuard<'_, State>, groups: &[Arc<Scope>]) {
        let is_over = state.bytes > self.limit();
        drop(state);
        if is_over {
            self.end(TOO_MUCH);
        }
        let whole = &self.books.whole;
        for scope in groups.iter().map(|group| &**group).chain([whole]) {
            if scope.is_over() {
                self.books.relieve(scope);
            }
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.books.accounts.lock().try_remove(self.slot);
    }
}

/// Bytes that a connection makes its server hold, until this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    account: Arc<Account>,
    bytes: usize,
}

impl Charge {
    /// Changes the number of bytes.
    pub(crate) fn resize(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if before != bytes {
            self.account.change(before, bytes);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests;
