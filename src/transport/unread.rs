//! Counts the bytes that a connection has read and no handler has taken yet.
//!
//! HTTP/2 buffers the DATA of each stream, up to its window, until the handler of the call takes
//! it. What was read is known from the frames on the connection, and what was taken from the bodies
//! of the requests.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{
    STREAM_WINDOW,
    budget::{Account, Charge},
};

/// The bytes that a connection has read and no body has returned yet.
#[derive(Debug)]
pub(super) struct Unread(Mutex<Buffered>);

#[derive(Debug)]
struct Buffered {
    charge: Charge,
    /// The requests whose bodies may return more.
    open: usize,
}

impl Unread {
    pub(super) fn new(account: &Arc<Account>) -> Self {
        Self(Mutex::new(Buffered { charge: account.charge(0), open: 0 }))
    }

    /// Notes that data was read from the connection.
    pub(super) fn read(&self, bytes: usize) {
        self.0.lock().change(|unread| unread + bytes);
    }

    /// Notes that a body returned data.
    pub(super) fn taken(&self, bytes: usize) {
        self.0.lock().change(|unread| unread.saturating_sub(bytes));
    }

    pub(super) fn begin_body(&self) {
        self.0.lock().open += 1;
    }

    /// Notes that a body was dropped. HTTP/2 then drops what it holds for it, whose size is not
    /// known: no more can be left than the windows of the others.
    pub(super) fn end_body(&self) {
        let mut state = self.0.lock();
        state.open = state.open.saturating_sub(1);
        let most = state.open.saturating_mul(STREAM_WINDOW as usize);
        state.change(|unread| unread.min(most));
    }
}

impl Buffered {
    fn change(&mut self, change: impl FnOnce(usize) -> usize) {
        let bytes = change(self.charge.bytes());
        self.charge.resize(bytes);
    }
}
