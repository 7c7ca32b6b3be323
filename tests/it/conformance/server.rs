//! The test service behind our acceptor, with our TLS, limits and layers.

use std::path::PathBuf;

use chinwag::{
    identity::{CERTIFICATE_FILE, Identity},
    transport::{
        self, Accepted, Acceptor, ChargeCalls, ClientKeys, GrpcOnly, Incoming, Plaintext,
        server_config,
    },
};
use http::{HeaderValue, Method, Request, header::CONTENT_TYPE};
use tempfile::TempDir;
use tokio::{net::TcpStream, task::JoinSet};
use tower::util::MapRequestLayer;

use super::test_service::TestService;
use crate::transport::server::NEVER;

/// Calls of a connection: more than HTTP/2 allows, so that HTTP/2 is what refuses them.
const CALLS: usize = 1024;

/// A server that runs until dropped.
pub(crate) struct Server {
    port: u16,
    home: TempDir,
    _task: JoinSet<()>,
}

impl Server {
    /// Starts a server on a free port of loopback.
    pub(crate) async fn start() -> Self {
        Self::run(async |incoming| {
            let server = transport::server(NEVER, CALLS).add_service(TestService);
            server.serve_with_incoming(incoming).await.unwrap();
        })
        .await
    }

    /// Starts one to which each request is a POST of gRPC, whatever its method.
    pub(crate) async fn taking_get_for_post() -> Self {
        Self::run(async |incoming| {
            let server = transport::http2(NEVER)
                .layer(MapRequestLayer::new(as_post))
                .layer(ChargeCalls::new(CALLS))
                .layer(GrpcOnly::layer())
                .add_service(TestService);
            server.serve_with_incoming(incoming).await.unwrap();
        })
        .await
    }

    async fn run<F>(serve: impl FnOnce(Incoming<Accepted, TcpStream>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let home = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(home.path()).unwrap();
        let config = server_config(identity.credentials(), ClientKeys::Optional).unwrap();
        let acceptor = Acceptor::tls(config, Plaintext::FromLoopback);
        let listener = acceptor.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut task = JoinSet::new();
        task.spawn(serve(acceptor.incoming(listener)));
        Self { port, home, _task: task }
    }

    pub(crate) fn port(&self) -> String {
        self.port.to_string()
    }

    /// Returns the file with its certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.home.path().join(CERTIFICATE_FILE)
    }
}

fn as_post<B>(mut request: Request<B>) -> Request<B> {
    *request.method_mut() = Method::POST;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    request
}
