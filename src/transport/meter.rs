//! Counters of an acceptor, for the operator of a server.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use super::peer_info::Via;

/// Why a connection was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// It was lost, or its TLS failed.
    Lost,
    /// It missed the deadline.
    TooSlow,
    /// It used TLS on a server without TLS, or did not agree on HTTP/2.
    Tls,
    /// Its certificate cannot be read.
    Certificate,
    /// It used HTTP/1.
    Http1,
    /// It used an unknown protocol.
    Garbage,
    /// It used plaintext and must not.
    Plaintext,
    /// The limit of open connections was reached, in all or for its address.
    Full,
    /// Its address had too many pending connections.
    AddressBusy,
    /// It was slow, and made room for others.
    GaveWay,
}

impl Rejection {
    /// All rejections.
    pub const ALL: [Self; 10] = [
        Self::Lost,
        Self::TooSlow,
        Self::Tls,
        Self::Certificate,
        Self::Http1,
        Self::Garbage,
        Self::Plaintext,
        Self::Full,
        Self::AddressBusy,
        Self::GaveWay,
    ];

    /// Returns a word for it, which is a label of the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::TooSlow => "too_slow",
            Self::Tls => "tls",
            Self::Certificate => "certificate",
            Self::Http1 => "http1",
            Self::Garbage => "garbage",
            Self::Plaintext => "plaintext",
            Self::Full => "full",
            Self::AddressBusy => "address_busy",
            Self::GaveWay => "gave_way",
        }
    }
}

/// The counters of an acceptor.
#[derive(Debug, Default)]
pub struct Meter {
    accepted: AtomicU64,
    pending: AtomicUsize,
    tls: AtomicUsize,
    plaintext: AtomicUsize,
    rejected: [AtomicU64; Rejection::ALL.len()],
}

impl Meter {
    /// Returns the number of accepted connections.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Returns the number of connections in their handshake.
    pub fn pending(&self) -> usize {
        self.pending.load(Relaxed)
    }

    /// Returns the number of open connections with TLS.
    pub fn tls(&self) -> usize {
        self.tls.load(Relaxed)
    }

    /// Returns the number of open connections in plaintext.
    pub fn plaintext(&self) -> usize {
        self.plaintext.load(Relaxed)
    }

    /// Returns the number of connections that were rejected for a reason.
    pub fn rejected(&self, why: Rejection) -> u64 {
        self.rejected[why as usize].load(Relaxed)
    }

    pub(super) fn reject(&self, why: Rejection) {
        self.rejected[why as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn accept(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(super) fn set_pending(&self, pending: usize) {
        self.pending.store(pending, Relaxed);
    }

    /// Counts an open connection until the result is dropped.
    pub(super) fn open(self: &Arc<Self>, via: Via) -> Open {
        self.of(via).fetch_add(1, Relaxed);
        Open { meter: self.clone(), via }
    }

    fn of(&self, via: Via) -> &AtomicUsize {
        match via {
            Via::Tls => &self.tls,
            Via::Plaintext => &self.plaintext,
        }
    }
}

/// An open connection, counted.
#[derive(Debug)]
pub(super) struct Open {
    meter: Arc<Meter>,
    via: Via,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.meter.of(self.via).fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rejection_has_a_counter_and_a_label() {
        let meter = Meter::default();
        for (i, why) in Rejection::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, i);
            meter.reject(why);
            assert_eq!(meter.rejected(why), 1);
        }
        let mut words = Rejection::ALL.map(Rejection::as_str);
        words.sort_unstable();
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn open_connections_are_counted_by_kind() {
        let meter = Arc::new(Meter::default());
        let tls = meter.open(Via::Tls);
        let _plain = meter.open(Via::Plaintext);
        assert_eq!((meter.tls(), meter.plaintext()), (1, 1));
        drop(tls);
        assert_eq!((meter.tls(), meter.plaintext()), (0, 1));
    }
}
