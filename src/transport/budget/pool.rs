//! What callers make a server hold together, and no connection alone.

use std::sync::Arc;

use super::{Books, Budget, Scope};

impl Budget {
    /// Returns a pool for what belongs to no connection, which may hold a share of the budget.
    pub(crate) fn pool(&self, share: usize) -> Pool {
        let own = Scope::new(self.limit() / share);
        Pool { books: self.0.clone(), own: Arc::new(own) }
    }
}

/// Memory that callers make a server hold together, such as the latest messages of the rooms. Its
/// owner keeps it within its limit.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    books: Arc<Books>,
    own: Arc<Scope>,
}

impl Pool {
    /// Counts bytes until the result is dropped.
    pub(crate) fn hold(&self, bytes: usize) -> Held {
        let mut held = Held { pool: self.clone(), bytes: 0 };
        held.resize(bytes);
        held
    }

    /// Returns the bytes that it holds.
    pub(crate) fn held(&self) -> usize {
        self.own.held()
    }

    pub(crate) fn limit(&self) -> usize {
        self.own.limit
    }

    pub(crate) fn is_full(&self) -> bool {
        self.own.held() >= self.own.limit
    }
}

/// Bytes of a [`Pool`].
#[derive(Debug)]
pub(crate) struct Held {
    pool: Pool,
    bytes: usize,
}

impl Held {
    /// Changes the number of bytes.
    pub(crate) fn resize(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        self.pool.own.change(before, bytes, false);
        self.pool.books.whole.change(before, bytes, false);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.resize(0);
    }
}

/// Returns what the allocator takes for so many bytes: its sizes are up to a quarter apart.
pub(crate) fn allocated(bytes: usize) -> usize {
    bytes + bytes / 4
}
