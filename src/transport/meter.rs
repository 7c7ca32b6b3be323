//! What a door has seen: numbers for whoever keeps the server.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use super::peer_info::Via;

/// Why a connection came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// It was lost, or its TLS was wrong.
    Lost,
    /// It said too little in time.
    TooSlow,
    /// It spoke TLS where there is none, or something else than HTTP/2 inside.
    Tls,
    /// Its certificate cannot be read.
    Certificate,
    /// It spoke HTTP/1.
    Http1,
    /// It spoke nothing that is known here.
    Garbage,
    /// It spoke plaintext and may not.
    Plaintext,
    /// There were as many open connections as there may be, in all or of its address.
    Full,
    /// Too many of its address had just come.
    AddressBusy,
    /// It was slow, and others waited for its place.
    GaveWay,
}

impl Rejection {
    /// All of them.
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

    /// One word for it.
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

/// Counts the connections of a door.
#[derive(Debug, Default)]
pub struct Meter {
    accepted: AtomicU64,
    pending: AtomicUsize,
    tls: AtomicUsize,
    plaintext: AtomicUsize,
    rejected: [AtomicU64; Rejection::ALL.len()],
}

impl Meter {
    /// Connections taken from the system.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Connections that have not come to HTTP/2 yet.
    pub fn pending(&self) -> usize {
        self.pending.load(Relaxed)
    }

    /// Open connections with TLS.
    pub fn tls(&self) -> usize {
        self.tls.load(Relaxed)
    }

    /// Open connections without.
    pub fn plaintext(&self) -> usize {
        self.plaintext.load(Relaxed)
    }

    /// Connections that came to nothing for this reason.
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

    /// Counts an open connection until the answer is dropped.
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
    fn each_reason_has_its_place_and_its_word() {
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
