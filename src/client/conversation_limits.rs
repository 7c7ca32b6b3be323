//! Places for the conversations that others open: few for each of them, so that nobody keeps out
//! the rest.
//!
//! Keys cost nothing. Before a caller is let in, and where they are a stranger, the address counts;
//! the key counts where it is somebody's whom the contact book or the hub knows. Those without a
//! key have places of their own, and so have strangers. Loopback has no bound of its own: it is
//! everybody on this machine.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::{Mutex, MutexGuard};

use super::{caller::Caller, received::Verification};
use crate::{
    error::{Error, Result},
    model::Fingerprint,
    transport::source_of,
};

/// Callers with a key who have not been let in yet, in all and of one address.
const ARRIVING: (usize, usize) = (128, 32);

/// The same without a key.
const ARRIVING_KEYLESS: (usize, usize) = (64, 16);

/// Conversations with those who are known, in all and with one key: some for each of a person's
/// devices and programs.
const KNOWN: (usize, usize) = (256, 8);

/// Conversations with strangers, in all and of one address.
const STRANGERS: (usize, usize) = (128, 8);

/// All places.
pub(super) struct ConversationLimits {
    arriving: Arc<Table>,
    arriving_keyless: Arc<Table>,
    known: Arc<Table>,
    strangers: Arc<Table>,
}

impl ConversationLimits {
    pub(super) fn new() -> Self {
        Self {
            arriving: Table::of(ARRIVING),
            arriving_keyless: Table::of(ARRIVING_KEYLESS),
            known: Table::of(KNOWN),
            strangers: Table::of(STRANGERS),
        }
    }

    /// A place for somebody who has not been let in yet.
    ///
    /// # Errors
    ///
    /// [`Error::LimitReached`], as below.
    pub(super) fn arrive(&self, caller: Caller) -> Result<Permit> {
        let table = match caller.key {
            Some(_) => &self.arriving,
            None => &self.arriving_keyless,
        };
        table.take(address(caller))
    }

    /// A place for somebody who was let in.
    pub(super) fn sit(&self, caller: Caller, verification: Verification) -> Result<Permit> {
        match verification {
            Verification::Verified(key) | Verification::Known(key) => {
                self.known.take(Some(Who::Key(key)))
            }
            Verification::Unverified(_) => self.strangers.take(address(caller)),
        }
    }
}

fn address(caller: Caller) -> Option<Who> {
    caller.from.and_then(|from| source_of(from.ip())).map(Who::Address)
}

/// For whom places are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Key(Fingerprint),
    Address(IpAddr),
}

/// Places of one kind.
#[derive(Debug)]
struct Table {
    most: usize,
    most_each: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<Who, usize>,
}

impl Table {
    fn of((most, most_each): (usize, usize)) -> Arc<Self> {
        Arc::new(Self { most, most_each, taken: Mutex::default() })
    }

    fn take(self: &Arc<Self>, who: Option<Who>) -> Result<Permit> {
        let mut taken = self.taken();
        let full = |most: usize, whose: &str| Error::LimitReached {
            what: format!("at most {most} conversations at once{whose}"),
            retry_after: None,
        };
        if taken.all >= self.most {
            return Err(full(self.most, ""));
        }
        if let Some(who) = who {
            let own = taken.by.get(&who).map_or(0, |own| *own);
            if own >= self.most_each {
                return Err(full(self.most_each, " with one caller"));
            }
            taken.by.insert(who, own + 1);
        }
        taken.all += 1;
        Ok(Permit { table: self.clone(), who })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock()
    }
}

/// One conversation's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    table: Arc<Table>,
    who: Option<Who>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = self.table.taken();
        taken.all -= 1;
        if let Some(who) = self.who
            && let Some(own) = taken.by.get_mut(&who)
        {
            *own -= 1;
            if *own == 0 {
                taken.by.remove(&who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_the_places_of_others() {
        let table = Table::of((3, 2));
        let key = |byte| Some(Who::Key(Fingerprint::from_bytes([byte; 32])));
        let (first, second) = (table.take(key(1)).unwrap(), table.take(key(1)).unwrap());
        assert!(table.take(key(1)).unwrap_err().to_string().contains("with one caller"));
        let third = table.take(key(2)).unwrap();
        assert!(table.take(key(3)).is_err());
        drop(first);
        let again = table.take(key(1)).unwrap();
        drop((second, third, again));
        {
            let taken = table.taken();
            assert_eq!((taken.all, taken.by.len()), (0, 0));
        }
        // On this machine only the whole counts.
        let held: Vec<_> = (0..3).map(|_| table.take(None).unwrap()).collect();
        assert!(table.take(None).is_err());
        drop(held);
    }
}
