//! Counts refused calls, and limits failed authentication.

use std::sync::Arc;

use http::{Request, Response};
use tonic::{Code, Status, body::Body};

use super::rate_limits::{Origin, RateLimits};
use crate::{error::Reason, hub::metrics::Metrics, transport::Observer, wire};

/// The reasons of failed authentication.
const FAILURES: [Reason; 5] = [
    Reason::SessionEnded,
    Reason::SessionMissing,
    Reason::TokenRefused,
    Reason::InviteRequired,
    Reason::Removed,
];

/// Counts the refusals of all calls. A caller with too many failures is refused with their rate.
#[derive(Debug, Clone)]
pub(crate) struct FailureLimit {
    rate_limits: Arc<RateLimits>,
    metrics: Metrics,
}

impl FailureLimit {
    pub(crate) fn new(rate_limits: Arc<RateLimits>, metrics: Metrics) -> Self {
        Self { rate_limits, metrics }
    }
}

impl Observer for FailureLimit {
    type Noted = Origin;

    fn on_request(&self, request: &Request<Body>) -> Origin {
        self.rate_limits.origin(request.extensions())
    }

    fn on_response(&self, origin: Origin, response: Response<Body>) -> Response<Body> {
        let reason = Status::from_header_map(response.headers())
            .filter(|status| status.code() != Code::Ok)
            .map(|status| wire::refused(&status).reason);
        let Some(reason) = reason else { return response };
        self.metrics.refused(&reason);
        if !FAILURES.contains(&reason) {
            return response;
        }
        match self.rate_limits.fail(origin) {
            Ok(()) => response,
            Err(limited) => wire::status(&limited).into_http(),
        }
    }
}
