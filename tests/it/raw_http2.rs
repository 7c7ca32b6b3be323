//! Requests that are HTTP/2, but not gRPC, to a hub and to a PeerChat server, in TLS and in plaintext.

use std::net::SocketAddr;

use bytes::Bytes;
use chinwag::{
    client::{Client, Events},
    identity::{Identity, TLS_NAME},
    model::{Fingerprint, JoinLink},
    transport::{Trust, client_config},
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;
use tonic::{Code, Status};

use crate::support::{
    hub::TestHub,
    keys::{Hub, Person},
    refusal::why,
    within::{PATIENCE, within},
};

const HUB: &str = "/chinwag.v1.Presence/Register";
const PEER: &str = "/chinwag.v1.PeerChat/Send";

/// A client of HTTP/2 that sends what it is told.
struct RawClient {
    requests: h2::client::SendRequest<Bytes>,
    path: &'static str,
    _connection: JoinSet<Result<(), h2::Error>>,
}

impl RawClient {
    async fn on(
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        path: &'static str,
    ) -> Self {
        let (requests, connection) = h2::client::handshake(io).await.unwrap();
        let mut running = JoinSet::new();
        running.spawn(connection);
        Self { requests, path, _connection: running }
    }

    /// Connects in plaintext.
    async fn plain(address: SocketAddr, path: &'static str) -> Self {
        Self::on(TcpStream::connect(address).await.unwrap(), path).await
    }

    /// Connects in TLS, with a key of its own.
    async fn tls(address: SocketAddr, key: Fingerprint, path: &'static str) -> Self {
        let own = Identity::generate().unwrap();
        let config = client_config(Some(own.credentials()), &Trust::Pinned(key)).unwrap();
        let tcp = TcpStream::connect(address).await.unwrap();
        let connector = TlsConnector::from(config);
        Self::on(connector.connect(TLS_NAME.try_into().unwrap(), tcp).await.unwrap(), path).await
    }

    /// Sends a request with an empty message, and returns the answer and the trailers.
    async fn ask(
        &mut self,
        method: Method,
        content_type: Option<&str>,
        metadata: usize,
    ) -> Result<(Response<()>, Option<HeaderMap>), h2::Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{TLS_NAME}{}", self.path))
            .header("te", "trailers");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        if metadata > 0 {
            request = request.header("x-metadata", "x".repeat(metadata));
        }
        let (answer, mut body) =
            self.requests.send_request(request.body(()).unwrap(), false).unwrap();
        // The server may have refused already.
        let _ = body.send_data(Bytes::from_static(&[0; 5]), true);
        let (head, mut body) = within(PATIENCE, "an answer", answer).await?.into_parts();
        while let Some(data) = body.data().await {
            data?;
        }
        let trailers = body.trailers().await?;
        Ok((Response::from_parts(head, ()), trailers))
    }

    async fn http_status(&mut self, method: Method, content_type: Option<&str>) -> StatusCode {
        self.ask(method, content_type, 0).await.unwrap().0.status()
    }

    /// Returns the gRPC status of a call with metadata of this size.
    async fn grpc_status(&mut self, content_type: &str, metadata: usize) -> Status {
        let (answer, trailers) =
            self.ask(Method::POST, Some(content_type), metadata).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let in_trailers = || Status::from_header_map(&trailers?);
        Status::from_header_map(answer.headers()).or_else(in_trailers).unwrap()
    }
}

/// Returns clients of a hub and of a PeerChat server, in TLS and in plaintext, and what keeps these
/// running.
async fn clients() -> (Vec<RawClient>, impl Drop) {
    struct Servers(#[allow(dead_code)] (TestHub, Hub, Person, Client, Events));
    impl Drop for Servers {
        fn drop(&mut self) {}
    }
    let hub = TestHub::start();
    let key = JoinLink::parse(hub.link()).unwrap().fingerprint.unwrap();
    let mut clients = vec![
        RawClient::plain(hub.address(), HUB).await,
        RawClient::tls(hub.address(), key, HUB).await,
    ];
    let (quiet, alice) = (Hub::start().await, Person::new("alice"));
    let (alices, events) = alice.start(&quiet).await;
    let address = alices.direct_address().unwrap();
    clients.push(RawClient::plain(address, PEER).await);
    clients.push(RawClient::tls(address, alice.key(), PEER).await);
    (clients, Servers((hub, quiet, alice, alices, events)))
}

#[tokio::test]
async fn other_methods_and_content_types_are_answered_as_grpc_specifies() {
    let (mut clients, _servers) = clients().await;
    for client in &mut clients {
        for method in [Method::GET, Method::PUT, Method::OPTIONS, Method::from_bytes(b"X").unwrap()]
        {
            let refused = client.http_status(method.clone(), Some("application/grpc")).await;
            assert_eq!(refused, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        }
        for content_type in [
            None,
            Some(""),
            Some("text/plain"),
            Some("application/json"),
            Some("application/grpc-web"),
            Some("application/grpc+json"),
            Some("application/grpcx"),
        ] {
            let refused = client.http_status(Method::POST, content_type).await;
            assert_eq!(refused, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type:?}");
        }
        for content_type in
            ["application/grpc", "application/grpc+proto", "Application/gRPC; charset=utf-8"]
        {
            let answered = client.grpc_status(content_type, 0).await;
            assert_eq!(answered.code(), Code::InvalidArgument, "{content_type}: {answered:?}");
        }
    }
}

#[tokio::test]
async fn metadata_that_is_too_large_is_refused_with_a_reason() {
    const LIMIT: usize = 8 * 1024;
    let (mut clients, _servers) = clients().await;
    for client in &mut clients {
        for large in [LIMIT, LIMIT + 1, 15 * 1024] {
            let refused = client.grpc_status("application/grpc", large).await;
            assert_eq!(why(&refused), "ResourceExhausted LIMIT_REACHED");
            assert!(refused.message().contains("8192 bytes"), "{refused:?}");
        }
        let taken = client.grpc_status("application/grpc", LIMIT - 512).await;
        assert_eq!(taken.code(), Code::InvalidArgument, "{taken:?}");
        // Far more is not read to its end.
        match client.ask(Method::POST, Some("application/grpc"), 64 * 1024).await {
            Ok((answer, _)) => {
                assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
            }
            Err(error) => assert!(error.is_remote() || error.is_io(), "{error}"),
        }
    }
}
