//! Rate limits: of posts and their bytes, registrations, reads, failed authentication and dial-backs.
//!
//! A rate counts per peer. All peers behind one address may have ten times as much, as in an
//! office. Both may be used at once, up to what ten seconds bring ([`Rate::burst`]), and of bytes what
//! a day brings. Beyond that,
//! calls are refused with `RATE_LIMITED` and the time to retry.
//!
//! Callers from loopback are exempt unless [`Rates::loopback`] is set: users of the machine itself
//! are trusted, and could exhaust it more easily otherwise. A hub behind a proxy on the same
//! machine sees all callers come from loopback; then the proxy has to limit them.

mod failure_limit;
mod limiter;
mod paced_requests;
mod post_order;
mod rate;
mod rate_limits;

pub(crate) use failure_limit::FailureLimit;
pub(crate) use paced_requests::PacedRequests;
pub(crate) use post_order::PostOrder;
pub use rate::{Rate, Rates};
pub(crate) use rate_limits::{Origin, RateLimits};
