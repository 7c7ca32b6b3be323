//! Reads the hub's metrics as Prometheus does.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use crate::support::{hub::TestHub, within::PATIENCE};

/// The address of a hub's metrics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page(SocketAddr);

impl Page {
    /// Reads the address from the hub's log.
    pub(crate) fn of(hub: &TestHub) -> Self {
        let log = hub.log();
        let line = log.lines().find(|line| line.contains("serving metrics")).expect(&log);
        let address = line.split_whitespace().find_map(|word| word.strip_prefix("address="));
        Self(address.expect(line).parse().unwrap())
    }

    /// Returns the whole page.
    pub(crate) fn text(self) -> String {
        let answer = self.get("GET /metrics");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        body.to_owned()
    }

    /// Opens an idle connection.
    pub(crate) fn connect(self) -> TcpStream {
        TcpStream::connect(self.0).unwrap()
    }

    /// Returns the answer to a request that starts with `request`.
    pub(crate) fn get(self, request: &str) -> String {
        let mut stream = self.connect();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Returns the value of a series, written as on the page: `chinwag_hub_posts_total`, or with
    /// labels.
    pub(crate) fn value(self, series: &str) -> f64 {
        let text = self.text();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}
