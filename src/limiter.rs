//! Permits that are limited both in all and for each key, such as an address.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use parking_lot::Mutex;

/// Counts the permits that are held, in all and by key.
#[derive(Debug)]
pub(crate) struct KeyedLimiter<K>(Mutex<Held<K>>);

#[derive(Debug)]
struct Held<K> {
    total: usize,
    by_key: HashMap<K, usize>,
}

/// Which limit a caller has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exceeded {
    /// The one on all permits.
    Total,
    Key,
}

impl<K> Default for KeyedLimiter<K> {
    fn default() -> Self {
        Self(Mutex::new(Held { total: 0, by_key: HashMap::new() }))
    }
}

impl<K: Clone + Eq + Hash> KeyedLimiter<K> {
    /// Takes one permit of at most `limit`, counted for each of `keys` up to that key's limit.
    pub(crate) fn acquire(
        self: &Arc<Self>,
        limit: usize,
        keys: impl IntoIterator<Item = (K, usize)>,
    ) -> Result<KeyedPermit<K>, Exceeded> {
        let mut held = self.0.lock();
        if held.total >= limit {
            return Err(Exceeded::Total);
        }
        let mut counted = Vec::new();
        for (key, limit) in keys {
            if held.by_key.get(&key).map_or(0, |count| *count) >= limit {
                return Err(Exceeded::Key);
            }
            counted.push(key);
        }
        held.total += 1;
        for key in &counted {
            *held.by_key.entry(key.clone()).or_default() += 1;
        }
        drop(held);
        Ok(KeyedPermit { limiter: self.clone(), keys: counted })
    }
}

/// A permit, given back on drop.
#[derive(Debug)]
pub(crate) struct KeyedPermit<K: Eq + Hash> {
    limiter: Arc<KeyedLimiter<K>>,
    keys: Vec<K>,
}

impl<K: Eq + Hash> Drop for KeyedPermit<K> {
    fn drop(&mut self) {
        let mut held = self.limiter.0.lock();
        held.total -= 1;
        for key in &self.keys {
            let Some(count) = held.by_key.get_mut(key) else { continue };
            *count -= 1;
            if *count == 0 {
                held.by_key.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold_and_permits_are_given_back() {
        let limiter = Arc::<KeyedLimiter<char>>::default();
        let acquire = |key| limiter.acquire(3, [(key, 2)]);
        let (first, second) = (acquire('a').unwrap(), acquire('a').unwrap());
        assert_eq!(acquire('a').unwrap_err(), Exceeded::Key);
        let third = acquire('b').unwrap();
        assert_eq!(acquire('c').unwrap_err(), Exceeded::Total);
        drop(first);
        let again = acquire('a').unwrap();
        drop((second, third, again));
        // Without a key, only the total counts.
        let all = [(); 3].map(|()| limiter.acquire(3, []).unwrap());
        assert_eq!(limiter.acquire(3, []).unwrap_err(), Exceeded::Total);
        drop(all);
        assert!(limiter.0.lock().by_key.is_empty());
    }

    #[test]
    fn a_permit_counts_for_each_of_its_keys() {
        let limiter = Arc::<KeyedLimiter<&str>>::default();
        let acquire = |host| limiter.acquire(100, [(host, 2), ("network", 3)]);
        let held = ["one", "one", "two"].map(|host| acquire(host).unwrap());
        assert_eq!(acquire("three").unwrap_err(), Exceeded::Key);
        drop(held);
        acquire("three").unwrap();
    }
}
