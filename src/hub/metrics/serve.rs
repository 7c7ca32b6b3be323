//! A very small HTTP/1 server with one page.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};

use super::Page;
use crate::error::SystemError;

/// Where the page is.
const PATH: &str = "/metrics";

/// What Prometheus calls the format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Connections at a time: a scraper has one.
const MAX_CONNECTIONS: usize = 8;

/// How long one may live: scrapers come again.
const LIFE: Duration = Duration::from_secs(120);

/// How long the headers of a request may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long accepting pauses where the machine has no connection to give.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens the socket.
///
/// # Errors
///
/// If the address cannot be used.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, SystemError> {
    let failed = |error: std::io::Error| {
        SystemError::because(format_args!("cannot show metrics on {address}"), error)
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(%address, "showing metrics");
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "metrics are shown to other machines, in the clear");
    }
    Ok(listener)
}

/// Shows the page until it is dropped.
pub(crate) async fn serve(listener: TcpListener, page: Page) {
    let page = Arc::new(page);
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= MAX_CONNECTIONS {
            let _ = connections.join_next().await;
        }
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let page = page.clone();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| {
                    let answer = answer(&request, &page);
                    async { Ok::<_, Infallible>(answer) }
                }),
            );
        connections.spawn(async {
            // Whatever went wrong with a scraper, it comes again.
            let _ = timeout(LIFE, connection).await;
        });
    }
}

fn answer(request: &Request<Incoming>, page: &Page) -> Response<Full<Bytes>> {
    let bare = |status| {
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        response
    };
    if request.uri().path() != PATH {
        return bare(StatusCode::NOT_FOUND);
    }
    if request.method() != Method::GET {
        return bare(StatusCode::METHOD_NOT_ALLOWED);
    }
    match page.text() {
        Ok(text) => {
            let mut response = Response::new(Full::from(text));
            let format = http::HeaderValue::from_static(OPEN_METRICS);
            response.headers_mut().insert(CONTENT_TYPE, format);
            response
        }
        Err(_) => bare(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
