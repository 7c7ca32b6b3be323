//! Attacks with connections that never make a call.

use std::{io, net::SocketAddr, time::Duration};

use chinwag::{error::Reason, proto::presence_client::PresenceClient};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, interval, timeout},
};
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};
use tower::service_fn;

use super::AFAR;
use crate::support::{
    metrics_page::Page,
    peer::{Session, named},
    within::{PATIENCE, within},
};

/// The duration of attacks that do not end by themselves.
const LASTS: Duration = Duration::from_secs(3);

/// The hub's deadline for a connection to become active.
const DEADLINE: Duration = chinwag::transport::Limits::DEADLINE;

/// Connects from an attacker's address.
pub(crate) async fn connect(hub: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((AFAR, 0)))?;
    socket.connect(hub).await
}

/// Connects; `None` if the hub accepted no connection for a while, which is a valid defence.
async fn try_connect(hub: SocketAddr) -> Option<TcpStream> {
    timeout(LASTS, connect(hub)).await.ok()?.ok()
}

/// Opens many idle connections.
pub(crate) async fn silent(hub: SocketAddr, page: Page) {
    let mut connecting = JoinSet::new();
    for _ in 0..2_000 {
        connecting.spawn(try_connect(hub));
    }
    let mut held = Vec::new();
    while let Some(stream) = connecting.join_next().await {
        held.extend(stream.unwrap());
    }
    newcomer(hub, "bob").await;
    // The last ones were evicted by others, or are closed at their deadline.
    let mut ends = JoinSet::new();
    for mut stream in held {
        // Connections dropped by the kernel are not notified.
        ends.spawn(async move { timeout(DEADLINE + LASTS, stream.read(&mut [0])).await.is_ok() });
    }
    let gone = ends.join_all().await.into_iter().filter(|gone| *gone).count();
    let pending = chinwag::transport::Limits::PENDING;
    assert!(gone > pending, "{gone} are gone, and {pending} may be pending at a time");
    let gave_way = page.value("chinwag_hub_connections_refused_total{reason=\"gave_way\"}");
    let too_slow = page.value("chinwag_hub_connections_refused_total{reason=\"too_slow\"}");
    assert!(gave_way + too_slow > pending as f64, "{gave_way} and {too_slow}");
}

/// Asserts that a new honest client can register.
async fn newcomer(hub: SocketAddr, name: &str) {
    within(PATIENCE, "the arrival of a newcomer", Session::of(hub, name)).await;
}

/// Sends the preface slowly, byte by byte.
pub(crate) async fn slow_prefaces(hub: SocketAddr, page: Page) {
    let mut slow = JoinSet::new();
    for _ in 0..300 {
        slow.spawn(async move {
            let Some(mut stream) = try_connect(hub).await else { return };
            let mut pace = interval(Duration::from_millis(500));
            for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" {
                pace.tick().await;
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
            panic!("that took 12 seconds, and was let in");
        });
    }
    newcomer(hub, "bob").await;
    while let Some(ended) = within(PATIENCE, "the end of the slow", slow.join_next()).await {
        ended.unwrap();
    }
    assert!(page.value("chinwag_hub_connections_refused_total{reason=\"too_slow\"}") >= 250.0);
}

/// Sends invalid data, and TLS that fails after a valid start.
pub(crate) async fn garbage(hub: SocketAddr, page: Page) {
    let noise: Vec<u8> =
        (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let said: [&[u8]; 8] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.0\r\n",
        b"\0\0\0\0",
        b"PRI * HTTP/3.0\r\n",
        b"\x16\x03\x01\x00\x04\0\0\0\0",
        b"\x16\x03\x01\xff\xff\x01",
        b"\x16\x03\x03\x00\x02\x01\x00",
        &noise,
    ];
    let began = Instant::now();
    let mut told = 0;
    while began.elapsed() < LASTS {
        let mut round = JoinSet::new();
        for said in said.map(<[u8]>::to_vec) {
            round.spawn(async move { answer(hub, &said).await });
        }
        while let Some(answer) = round.join_next().await {
            told += usize::from(answer.unwrap().starts_with(b"HTTP/1.1 426 "));
        }
    }
    assert!(told > 10, "those who speak HTTP/1 are told so: {told}");
    let refused = |why: &str| {
        page.value(&format!("chinwag_hub_connections_refused_total{{reason=\"{why}\"}}"))
    };
    assert!(refused("garbage") > 10.0 && refused("http1") > 10.0);
    newcomer(hub, "bob").await;
}

/// Returns the answer to these bytes.
async fn answer(hub: SocketAddr, said: &[u8]) -> Vec<u8> {
    let mut heard = Vec::new();
    let Some(mut stream) = try_connect(hub).await else { return heard };
    let _ = stream.write_all(said).await;
    let _ = stream.shutdown().await;
    let _ = within(PATIENCE, "the end", stream.read_to_end(&mut heard)).await;
    heard
}

/// Opens more connections than the hub has file descriptors, active and idle ones.
pub(crate) async fn more_than_files(hub: SocketAddr, page: Page) {
    let mut silent = JoinSet::new();
    let mut calls = JoinSet::new();
    for i in 0..300 {
        silent.spawn(try_connect(hub));
        calls.spawn(async move { timeout(DEADLINE, call(hub, i)).await.ok().flatten() });
    }
    let mut told = 0;
    let mut held = Vec::new();
    while let Some(answer) = calls.join_next().await {
        let Some((channel, answer)) = answer.unwrap() else { continue };
        held.push(channel);
        told += usize::from(answer.is_err_and(|status| is_full(&status)));
        let open = page.value("chinwag_hub_connections{kind=\"plaintext\"}");
        assert!(open < 200.0, "{open} open connections with 256 files");
    }
    assert!(told > 20, "{told} were told that the hub is full");
    assert!(page.value("chinwag_hub_connections_refused_total{reason=\"full\"}") > 20.0);
    drop((held, silent));
    // The hub accepts connections again as soon as descriptors are free.
    let mut pace = interval(Duration::from_millis(100));
    let came = async {
        loop {
            pace.tick().await;
            if let Some((_, Ok(()))) = call(hub, 1_000).await {
                return;
            }
        }
    };
    within(PATIENCE, "a place for a newcomer", came).await;
}

/// Registers over a separate connection; `None` if there was no connection.
async fn call(hub: SocketAddr, i: usize) -> Option<(Channel, Result<(), Status>)> {
    let channel = try_channel(hub).await.ok()?;
    let mut presence = PresenceClient::new(channel.clone());
    let answer = presence.register(named(&format!("mallory{i}"))).await;
    Some((channel, answer.map(drop)))
}

fn is_full(status: &Status) -> bool {
    chinwag::wire::refused(status).reason == Reason::LimitReached
}

/// Opens a channel from an attacker's address.
pub(crate) async fn try_channel(hub: SocketAddr) -> Result<Channel, tonic::transport::Error> {
    let dial = service_fn(move |_| async move { connect(hub).await.map(TokioIo::new) });
    let endpoint = Endpoint::from_shared(format!("http://{hub}")).unwrap();
    endpoint.connect_with_connector(dial).await
}
