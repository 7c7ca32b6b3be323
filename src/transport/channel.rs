//! Channels that are safe from malformed answers.
//!
//! tonic (0.14.9, `Status::from_header_map`) panics if the details of a status are not valid
//! base64. A server must not be able to crash its callers: such details are removed before tonic
//! sees them.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use tonic::{body::Body, transport};
use tower::{ServiceExt, util::MapResponse};

/// The header or trailer with the details of a status.
const DETAILS: &str = "grpc-status-details-bin";

/// Base64 with or without padding, as gRPC has it (gRPC over HTTP/2, "Binary-Header").
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A channel without malformed details in its answers.
pub type Channel = MapResponse<transport::Channel, fn(Response<Body>) -> Response<Body>>;

/// Guards a channel that was opened elsewhere.
pub fn guarded(channel: transport::Channel) -> Channel {
    channel.map_response(sanitize)
}

fn sanitize(mut response: Response<Body>) -> Response<Body> {
    drop_broken_details(response.headers_mut());
    response.map(|body| {
        Body::new(body.map_frame(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                drop_broken_details(trailers);
            }
            frame
        }))
    })
}

/// Removes details that cannot be decoded.
pub(crate) fn drop_broken_details(headers: &mut HeaderMap) {
    let broken = |value: &http::HeaderValue| BASE64.decode(value.as_bytes()).is_err();
    if headers.get_all(DETAILS).iter().any(broken) {
        headers.remove(DETAILS);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::StreamBody;
    use tonic::Status;

    use super::*;

    fn headers(details: &'static [u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", http::HeaderValue::from_static("5"));
        headers.insert(DETAILS, http::HeaderValue::from_bytes(details).unwrap());
        headers
    }

    #[test]
    fn valid_details_are_kept() {
        for details in [&b""[..], b"AAAA", b"AAA=", b"AAA", b"AA=="] {
            let mut sound = headers(details);
            drop_broken_details(&mut sound);
            assert!(sound.contains_key(DETAILS), "{details:?}");
            assert!(Status::from_header_map(&sound).is_some());
        }
    }

    #[tokio::test]
    async fn malformed_details_are_removed() {
        for details in [&b"A"[..], b"AAAAA", b"AAB=", b"!!!!", b"\xff", b"AA=A"] {
            let frames = [Ok::<_, Status>(http_body::Frame::<Bytes>::trailers(headers(details)))];
            let mut response =
                Response::new(Body::new(StreamBody::new(tokio_stream::iter(frames))));
            *response.headers_mut() = headers(details);
            let response = sanitize(response);
            let status = Status::from_header_map(response.headers()).unwrap();
            assert_eq!(status.code(), tonic::Code::NotFound, "{details:?}");
            let trailers = response.into_body().collect().await.unwrap().trailers().cloned();
            assert!(Status::from_header_map(&trailers.unwrap()).unwrap().details().is_empty());
        }
    }
}
