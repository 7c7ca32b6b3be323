//! Limits of the conversations that others open, in all and for each caller.
//!
//! New keys cost nothing, so a stranger, and a caller who is not admitted yet, counts by address. A
//! caller whose key the contact book or the hub knows counts by key. Strangers and callers without a
//! key have limits of their own. Loopback has only the limits in all: it is everybody on this
//! machine.

use std::{net::IpAddr, sync::Arc};

use super::{caller::Caller, received::Verification};
use crate::{
    error::{RequestError, Result},
    limiter::{Exceeded, KeyedLimiter, KeyedPermit},
    model::Fingerprint,
    transport::source_of,
};

/// Callers with a key who are not admitted yet, in all and of one address.
const ARRIVING: (usize, usize) = (128, 32);

/// The same without a key.
const ARRIVING_KEYLESS: (usize, usize) = (64, 16);

/// Conversations with known callers, in all and with one key: some for each device and program.
const KNOWN: (usize, usize) = (256, 8);

const STRANGERS: (usize, usize) = (128, 8);

/// Counts the conversations of each kind.
#[derive(Default)]
pub(super) struct ConversationLimits {
    arriving: Arc<KeyedLimiter<Source>>,
    arriving_keyless: Arc<KeyedLimiter<Source>>,
    known: Arc<KeyedLimiter<Source>>,
    strangers: Arc<KeyedLimiter<Source>>,
}

impl ConversationLimits {
    /// Takes a permit for a caller not admitted yet. Errors with [`RequestError::LimitReached`].
    pub(super) fn arrive(&self, caller: Caller) -> Result<Permit> {
        match caller.key {
            Some(_) => take(&self.arriving, ARRIVING, address(caller)),
            None => take(&self.arriving_keyless, ARRIVING_KEYLESS, address(caller)),
        }
    }

    pub(super) fn sit(&self, caller: Caller, verification: Verification) -> Result<Permit> {
        match verification {
            Verification::Verified(key) | Verification::Known(key) => {
                take(&self.known, KNOWN, Some(Source::Key(key)))
            }
            Verification::Unverified(_) => take(&self.strangers, STRANGERS, address(caller)),
        }
    }
}

fn take(
    limiter: &Arc<KeyedLimiter<Source>>,
    (most, most_each): (usize, usize),
    source: Option<Source>,
) -> Result<Permit> {
    limiter.acquire(most, source.map(|source| (source, most_each))).map_err(|exceeded| {
        let what = match exceeded {
            Exceeded::Total => format!("at most {most} conversations at once"),
            Exceeded::Key => format!("at most {most_each} conversations at once with one caller"),
        };
        RequestError::LimitReached { what, retry_after: None }
    })
}

fn address(caller: Caller) -> Option<Source> {
    caller.from.and_then(|from| source_of(from.ip())).map(Source::Address)
}

/// What permits are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Source {
    Key(Fingerprint),
    Address(IpAddr),
}

pub(super) type Permit = KeyedPermit<Source>;
