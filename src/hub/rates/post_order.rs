//! The order of a stream's posts after one was refused by the rate limit.
//!
//! A client sends posts without waiting for answers. If one were refused and the next accepted, the
//! room would receive them in the wrong order. So after a refusal, all posts of the stream are
//! refused until the refused one is sent again, or its sender had enough time for that.

use std::time::Duration;

use tokio::time::Instant;

use super::rate_limits::{Origin, RateLimits};
use crate::{
    error::{RequestError, Result},
    model::{Draft, MessageId},
};

/// How long to wait for the refused post, once it may be sent again: a round trip on a bad line.
const WAIT: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(crate) struct PostOrder(Option<RefusedPost>);

#[derive(Debug)]
struct RefusedPost {
    id: MessageId,
    /// When it may be sent again.
    due: Instant,
}

impl PostOrder {
    /// Counts a post, and checks that it does not overtake a refused one. Errors:
    /// [`RequestError::RateLimited`].
    pub(crate) fn check(
        &mut self,
        rate_limits: &RateLimits,
        origin: Origin,
        draft: &Draft,
    ) -> Result<()> {
        let Draft { id, sender, text, .. } = draft;
        let now = Instant::now();
        if let Some(RefusedPost { id: first, due }) = &self.0
            && first != id
            && now < *due + WAIT
        {
            let retry_after = due.saturating_duration_since(now);
            return Err(RequestError::RateLimited { what: "posts", retry_after });
        }
        let counted = rate_limits.post(origin, sender, text);
        self.0 = match &counted {
            Err(RequestError::RateLimited { retry_after, .. }) => {
                Some(RefusedPost { id: *id, due: now + *retry_after })
            }
            _ => None,
        };
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{rate::Rates, rate_limits::tests::from},
        *,
    };
    use crate::{
        hub::metrics::Metrics,
        model::{Name, RoomName, Text},
    };

    #[tokio::test(start_paused = true)]
    async fn no_post_overtakes_a_refused_one() {
        let posts = Some("6/m".parse().unwrap());
        let limited = RateLimits::new(Rates { posts, ..Rates::NONE }, Metrics::default());
        let origin = limited.origin(&from("192.0.2.7"));
        let [one, two, three] = [(); 3].map(|()| Draft {
            id: MessageId::new(),
            room: RoomName::lobby(),
            sender: Name::parse("alice").unwrap(),
            text: Text::parse("hello").unwrap(),
        });
        let mut order = PostOrder::default();
        order.check(&limited, origin, &one).unwrap();
        assert!(order.check(&limited, origin, &two).is_err());

        // Without a limit, as after the wait.
        let open = RateLimits::new(Rates::NONE, Metrics::default());
        assert!(order.check(&open, origin, &three).is_err(), "the second is due first");
        order.check(&open, origin, &two).unwrap();
        order.check(&open, origin, &three).unwrap();

        assert!(order.check(&limited, origin, &one).is_err());
        tokio::time::advance(Duration::from_secs(10) + WAIT).await;
        order.check(&open, origin, &two).unwrap();
    }
}
