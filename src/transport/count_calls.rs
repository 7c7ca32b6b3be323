//! Counts the calls of each connection, so that idle ones are known.

use http::{Request, Response};
use http_body_util::BodyExt;
use tonic::body::Body;

use super::{Observer, PeerInfo, idle::Call};

/// Counts the calls of each connection. A call lasts until the end of its response was sent.
#[derive(Debug, Clone, Copy)]
pub struct CountCalls;

impl Observer for CountCalls {
    type Noted = Option<Call>;

    fn on_request(&self, request: &Request<Body>) -> Option<Call> {
        request.extensions().get::<PeerInfo>().map(|info| info.calls.begin())
    }

    fn on_response(&self, call: Option<Call>, response: Response<Body>) -> Response<Body> {
        response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let _held = &call;
                frame
            }))
        })
    }
}
