//! A minimal HTTP/1 server for the page of metrics.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};

use super::metrics_page::MetricsPage;
use crate::error::SystemError;

const PATH: &str = "/metrics";

/// The content type of the page.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Connections at a time. A scraper needs one.
const MAX_CONNECTIONS: usize = 8;

/// How long a connection may last. Scrapers reconnect.
const LIFETIME: Duration = Duration::from_secs(120);

/// How long the headers of a request may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait after an error, such as too many open files.
const RETRY: Duration = Duration::from_millis(100);

/// Opens the socket. Errors if the address cannot be bound.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, SystemError> {
    let failed = |error: std::io::Error| {
        SystemError::because(format_args!("cannot serve metrics on {address}"), error)
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(%address, "serving metrics");
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "metrics are open to other machines, without encryption");
    }
    Ok(listener)
}

/// Serves the page. Does not return.
pub(crate) async fn serve(listener: TcpListener, page: MetricsPage) {
    let page = Arc::new(page);
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= MAX_CONNECTIONS {
            let _ = connections.join_next().await;
        }
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(RETRY).await;
            continue;
        };
        let page = page.clone();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| {
                    let response = respond(&request, &page);
                    async { Ok::<_, Infallible>(response) }
                }),
            );
        connections.spawn(async {
            // The scraper retries after any error.
            let _ = timeout(LIFETIME, connection).await;
        });
    }
}

fn respond(request: &Request<Incoming>, page: &MetricsPage) -> Response<Full<Bytes>> {
    let empty = |status| {
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        response
    };
    if request.uri().path() != PATH {
        return empty(StatusCode::NOT_FOUND);
    }
    if request.method() != Method::GET {
        return empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    match page.text() {
        Ok(text) => {
            let mut response = Response::new(Full::from(text));
            let format = http::HeaderValue::from_static(OPEN_METRICS);
            response.headers_mut().insert(CONTENT_TYPE, format);
            response
        }
        Err(_) => empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
