//! Exponential backoff with jitter.
//!
//! The jitter covers the upper half of each delay ("equal jitter", as in the AWS Architecture Blog,
//! "Exponential Backoff And Jitter", 2015): clients that lost the same hub come back spread out,
//! and none without any delay.

use std::time::Duration;

use rand::Rng;

/// The delays of a client that reconnects to its hub: short enough that a restart goes unnoticed,
/// and never longer than a person waits.
pub const RECONNECT: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// A sequence of delays.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    ceiling: Duration,
}

impl Backoff {
    /// Creates delays of up to `first`, then up to twice that and so on, up to `most`.
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, ceiling: first }
    }

    /// Returns the next delay: at least half of the present ceiling, which then doubles.
    pub fn next_delay(&mut self) -> Duration {
        let ceiling = self.ceiling;
        self.ceiling = (ceiling * 2).min(self.most);
        ceiling.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Starts over, after a success.
    pub fn reset(&mut self) {
        self.ceiling = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_maximum_and_start_over() {
        let most = Duration::from_secs(2);
        let mut backoff = Backoff::new(Duration::from_millis(500), most);
        for ceiling in [500, 1000, 2000, 2000, 2000].map(Duration::from_millis) {
            let delay = backoff.next_delay();
            assert!(delay >= ceiling / 2 && delay <= ceiling, "{delay:?} of {ceiling:?}");
        }
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_millis(500));
    }
}
