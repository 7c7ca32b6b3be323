//! What each key has used, for a limited number of keys; the others share one cell.

use std::{collections::HashMap, hash::Hash};

use governor::{
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};
use parking_lot::Mutex;

/// Governor's state by key. Keys beyond `capacity` share one cell. A busy key keeps its own cell.
#[derive(Debug)]
pub(super) struct Cells<K> {
    capacity: usize,
    table: Mutex<CellTable<K>>,
}

#[derive(Debug)]
struct CellTable<K> {
    own: HashMap<K, Nanos>,
    shared: Option<Nanos>,
}

impl<K> Cells<K> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, table: Mutex::new(CellTable { own: HashMap::new(), shared: None }) }
    }
}

impl<K: Hash + Eq + Clone> StateStore for Cells<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut table = self.table.lock();
        if let Some(cell) = table.own.get_mut(key) {
            let (passed, now) = measure(Some(*cell))?;
            *cell = now;
            Ok(passed)
        } else if table.own.len() < self.capacity {
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
        self.table.lock().own.retain(|_, cell| *cell > drop_below);
    }

    fn shrink_to_fit(&self) {
        self.table.lock().own.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.table.lock().own.len()
    }

    fn is_empty(&self) -> bool {
        self.table.lock().own.is_empty()
    }
}
