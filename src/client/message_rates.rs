//! How many direct messages a peer may send.
//!
//! A peer whose key is known counts by key, others by address. Calls from loopback are not limited: they
//! come from this machine.

use std::{num::NonZeroUsize, time::Duration};

use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{conversation_limits::Source, received::Direct};
use crate::{
    error::{RequestError, Result},
    transport::source_of,
};

/// The time that a message takes of its sender's rate: ten in a second.
const EACH: Duration = Duration::from_millis(100);

/// The messages that a peer may send at once: more than its outbox holds, or a person reads.
const BURST: u32 = 2_000;

/// Peers that are counted, the latest ones.
const SENDERS: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// The rates of those who send messages to this client.
#[derive(Debug)]
pub(super) struct MessageRates(Mutex<LruCache<Source, Instant>>);

impl Default for MessageRates {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(SENDERS)))
    }
}

impl MessageRates {
    /// Counts a message. Errors with [`RequestError::RateLimited`].
    pub(super) fn check(&self, direct: &Direct) -> Result<()> {
        let address = direct.from.map(|from| source_of(from.ip()));
        let sender = match (direct.verification.key(), address) {
            (_, Some(None)) => return Ok(()),
            (Some(key), _) => Source::Key(key),
            (None, Some(Some(address))) => Source::Address(address),
            (None, None) => return Ok(()),
        };
        let now = Instant::now();
        let mut due = self.0.lock();
        // When the messages so far have been paid for.
        let paid = due.get(&sender).map_or(now, |paid| now.max(*paid)) + EACH;
        let retry_after = paid.saturating_duration_since(now + EACH * BURST);
        if !retry_after.is_zero() {
            return Err(RequestError::RateLimited { what: "messages", retry_after });
        }
        due.put(sender, paid);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::received::Verification,
        model::{DirectMessage, Fingerprint, MessageId, Name, Text},
    };

    fn direct(key: u8, from: Option<&str>) -> Direct {
        let message = DirectMessage {
            id: MessageId::new(),
            sender: Name::parse("bob").unwrap(),
            sent_at: None,
            text: Text::parse("hello").unwrap(),
        };
        let verification = match key {
            0 => Verification::Unverified(None),
            key => Verification::Known(Fingerprint::from_bytes([key; 32])),
        };
        Direct { message, verification, from: from.map(|from| from.parse().unwrap()) }
    }

    #[tokio::test(start_paused = true)]
    async fn each_peer_has_a_burst_and_a_rate() {
        let rates = MessageRates::default();
        // By key, from wherever it comes.
        let from = [Some("192.0.2.7:1"), Some("198.51.100.7:1"), None];
        for number in 0..BURST as usize {
            rates.check(&direct(1, from[number % 3])).unwrap();
        }
        let RequestError::RateLimited { retry_after, .. } =
            rates.check(&direct(1, from[0])).unwrap_err()
        else {
            panic!()
        };
        assert_eq!(retry_after, EACH);
        rates.check(&direct(2, from[0])).unwrap();
        rates.check(&direct(0, from[0])).unwrap();
        tokio::time::advance(retry_after).await;
        rates.check(&direct(1, from[0])).unwrap();
        rates.check(&direct(1, from[0])).unwrap_err();
        for _ in 0..2 * BURST {
            rates.check(&direct(3, Some("127.0.0.1:1"))).unwrap();
        }
    }
}
