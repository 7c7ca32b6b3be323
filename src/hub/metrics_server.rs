//! A minimal HTTP/1 server for the page of metrics.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use super::metrics_page::MetricsPage;
use crate::error::SystemError;

const PATH: &str = "/metrics";

/// The content type of the page.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// OpenConnections at a time. A scraper needs one. For a further one, an older one is closed.
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
    let mut connections = OpenConnections::default();
    loop {
        let Ok((stream, remote)) = listener.accept().await else {
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
        connections.add(remote.ip(), async {
            // The scraper retries after any error.
            let _ = timeout(LIFETIME, connection).await;
        });
    }
}

/// The open connections, the oldest first.
#[derive(Default)]
struct OpenConnections {
    open: Vec<(IpAddr, AbortHandle)>,
    tasks: JoinSet<()>,
}

impl OpenConnections {
    /// Adds a connection. If there are too many, the address with the most loses its oldest one: who
    /// sends half a request keeps nobody else waiting.
    fn add(&mut self, from: IpAddr, connection: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        self.open.retain(|(_, task)| !task.is_finished());
        if self.open.len() >= MAX_CONNECTIONS {
            let count = |of: &IpAddr| self.open.iter().filter(|(from, _)| from == of).count();
            // Of several, `max_by_key` takes the last.
            let most = self.open.iter().rev().max_by_key(|(from, _)| count(from));
            let most = most.map(|(from, _)| *from);
            if let Some(oldest) = self.open.iter().position(|(from, _)| Some(*from) == most) {
                self.open.remove(oldest).1.abort();
            }
        }
        self.open.push((from, self.tasks.spawn(connection)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_address_with_the_most_connections_loses_its_oldest() {
        let mut connections = OpenConnections::default();
        let [crowd, scraper] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse::<IpAddr>().unwrap());
        connections.add(scraper, std::future::pending());
        for _ in 0..3 * MAX_CONNECTIONS {
            connections.add(crowd, std::future::pending());
        }
        let from: Vec<_> = connections.open.iter().map(|(from, _)| *from).collect();
        assert_eq!((from.len(), from[0]), (MAX_CONNECTIONS, scraper));
        assert!(!connections.open[0].1.is_finished());
    }

    #[tokio::test]
    async fn ended_connections_do_not_count() {
        let mut connections = OpenConnections::default();
        let address = "192.0.2.1".parse().unwrap();
        connections.add(address, std::future::pending());
        let first = connections.open[0].1.clone();
        for _ in 0..2 * MAX_CONNECTIONS {
            connections.add(address, async {});
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        assert!(!first.is_finished());
    }
}
