//! The order of a stream's posts where one was refused for its rate.
//!
//! A client sends posts without waiting for answers. If one were refused and the next let through,
//! the room would get them in another order than they were said in. So from the first refusal on,
//! all of the stream's posts are refused until that one comes again, or its sender has had the time
//! to send it again and has not.

use std::time::Duration;

use tokio::time::Instant;

use super::{Origin, RateLimits};
use crate::{
    error::{RequestError, Result},
    model::{MessageId, Name},
};

/// How long the post that was refused first is waited for, from when it may come again: a round
/// trip on a bad line.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whose turn it is on a stream.
#[derive(Debug, Default)]
pub(crate) struct PostOrder(Option<First>);

/// The post that was refused first.
#[derive(Debug)]
struct First {
    id: MessageId,
    /// When it may come again.
    due: Instant,
}

impl PostOrder {
    /// Lets a post through if it may be posted now.
    ///
    /// # Errors
    ///
    /// [`RequestError::RateLimited`].
    pub(crate) fn pass(
        &mut self,
        gates: &RateLimits,
        origin: Origin,
        peer: &Name,
        id: MessageId,
    ) -> Result<()> {
        let now = Instant::now();
        if let Some(First { id: first, due }) = &self.0
            && *first != id
            && now < *due + PATIENCE
        {
            let retry_after = due.saturating_duration_since(now);
            return Err(RequestError::RateLimited { what: "posts", retry_after });
        }
        let passed = gates.post(origin, peer);
        self.0 = match &passed {
            Err(RequestError::RateLimited { retry_after, .. }) => {
                Some(First { id, due: now + *retry_after })
            }
            _ => None,
        };
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Rates, tests::from},
        *,
    };
    use crate::hub::metrics::Metrics;

    #[tokio::test(start_paused = true)]
    async fn no_post_overtakes_one_that_was_refused() {
        let posts = Some("6/m".parse().unwrap());
        let gates = RateLimits::new(Rates { posts, ..Rates::NONE }, Metrics::default());
        let origin = gates.origin(&from("192.0.2.7"));
        let alice = Name::parse("alice").unwrap();
        let [one, two, three] = [(); 3].map(|()| MessageId::new());
        let mut turn = PostOrder::default();
        turn.pass(&gates, origin, &alice, one).unwrap();
        assert!(turn.pass(&gates, origin, &alice, two).is_err());

        // A limit that lets everything through again, as after the wait.
        let open = RateLimits::new(Rates::NONE, Metrics::default());
        assert!(turn.pass(&open, origin, &alice, three).is_err(), "the second is due first");
        turn.pass(&open, origin, &alice, two).unwrap();
        turn.pass(&open, origin, &alice, three).unwrap();

        assert!(turn.pass(&gates, origin, &alice, one).is_err());
        tokio::time::advance(Duration::from_secs(10) + PATIENCE).await;
        turn.pass(&open, origin, &alice, two).unwrap();
    }
}
