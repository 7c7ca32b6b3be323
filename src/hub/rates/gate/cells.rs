//! How much each has used, for so many, and for all others together.

use std::{collections::HashMap, hash::Hash};

use governor::{
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};
use parking_lot::{Mutex, MutexGuard};

/// What governor counts, by key. A key for which there is no room counts in a cell that all of those
/// share; one that has a cell keeps it.
#[derive(Debug)]
pub(super) struct Cells<K> {
    room: usize,
    table: Mutex<Table<K>>,
}

#[derive(Debug)]
struct Table<K> {
    own: HashMap<K, Nanos>,
    shared: Option<Nanos>,
}

impl<K> Cells<K> {
    /// Cells for up to `room` keys.
    pub(super) fn new(room: usize) -> Self {
        Self { room, table: Mutex::new(Table { own: HashMap::new(), shared: None }) }
    }

    fn table(&self) -> MutexGuard<'_, Table<K>> {
        self.table.lock()
    }
}

impl<K: Hash + Eq + Clone> StateStore for Cells<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut table = self.table();
        if let Some(cell) = table.own.get_mut(key) {
            let (passed, now) = measure(Some(*cell))?;
            *cell = now;
            Ok(passed)
        } else if table.own.len() < self.room {
            let (passed, now) = measure(None)?;
            table.own.insert(key.clone(), now);
            Ok(passed)
        } else {
            let (passed, now) = measure(table.shared)?;
            table.shared = Some(now);
            Ok(passed)
        }
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for Cells<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.table().own.retain(|_, cell| *cell > drop_below);
    }

    fn shrink_to_fit(&self) {
        self.table().own.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.table().own.len()
    }

    fn is_empty(&self) -> bool {
        self.table().own.is_empty()
    }
}
