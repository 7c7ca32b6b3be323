//! Attacks with HTTP/2 streams over several connections.

use std::net::SocketAddr;

use tokio::task::JoinSet;

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, ENHANCE_YOUR_CALM, HEADERS, PROTOCOL_ERROR, REFUSED_STREAM,
    RST_STREAM, Raw, Said, WINDOW_UPDATE, chat_headers, frame, header,
};
use crate::support::{metrics_page::Page, peer::Session};

/// Concurrent attacking connections.
const ATTACKERS: usize = 2;

/// All connections of an attack, one after the other.
const ROUNDS: usize = 10;

/// Sends the same bytes over several connections, repeatedly.
async fn attack(hub: SocketAddr, said: &[u8]) -> Vec<Said> {
    let mut attackers = JoinSet::new();
    for _ in 0..ATTACKERS {
        let said = said.to_vec();
        attackers.spawn(async move {
            let mut heard = Vec::new();
            for _ in 0..ROUNDS {
                heard.push(Raw::open(hub).await.say(said.clone()).await);
            }
            heard
        });
    }
    attackers.join_all().await.concat()
}

/// Returns the ids of a client's first `count` streams.
fn ids(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|i| 2 * i + 1)
}

/// Opens ten thousand streams on one connection.
pub(crate) async fn ten_thousand(hub: SocketAddr, page: Page) {
    let mallory = Session::of(hub, "mallory").await;
    let headers = chat_headers(&mallory.registered.token);
    let said: Vec<u8> =
        ids(10_000).flat_map(|id| frame(HEADERS, END_HEADERS, id, &headers)).collect();
    for heard in attack(hub, &said).await {
        let refused = heard.resets.get(&REFUSED_STREAM).copied().unwrap_or_default();
        let calmed = heard.goaway == Some(ENHANCE_YOUR_CALM);
        assert!(refused > 0 || calmed, "nobody said that it is too much: {heard:?}");
    }
    let streams = page.value("chinwag_hub_streams");
    assert!(streams <= 40.0, "{streams} streams");
}

/// Resets streams as soon as they are open (CVE-2023-44487).
pub(crate) async fn rapid_resets(hub: SocketAddr, _: Page) {
    let mallory = Session::of(hub, "mallory").await;
    let headers = chat_headers(&mallory.registered.token);
    let said: Vec<u8> = ids(10_000)
        .flat_map(|id| {
            let open = frame(HEADERS, END_HEADERS, id, &headers);
            [open, frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat()
        })
        .collect();
    let heard = attack(hub, &said).await;
    let calmed = heard.iter().filter(|heard| heard.goaway == Some(ENHANCE_YOUR_CALM)).count();
    assert!(calmed > 0, "nobody was told to calm down: {heard:?}");
}

/// Makes the server reset streams (CVE-2025-8671): a window update of 0 is a stream error.
pub(crate) async fn forced_resets(hub: SocketAddr, _: Page) {
    let mallory = Session::of(hub, "mallory").await;
    let headers = chat_headers(&mallory.registered.token);
    let said: Vec<u8> = ids(10_000)
        .flat_map(|id| {
            let open = frame(HEADERS, END_HEADERS, id, &headers);
            [open, frame(WINDOW_UPDATE, 0, id, &0_u32.to_be_bytes())].concat()
        })
        .collect();
    for heard in attack(hub, &said).await {
        let resets: usize = heard.resets.values().sum();
        assert!(resets <= 2_048, "{heard:?}");
        assert!(heard.goaway.is_some_and(|why| why != 0), "it goes on without end: {heard:?}");
    }
}

/// Sends headers beyond the limit: slightly, far, and endless.
pub(crate) async fn oversized_headers(hub: SocketAddr, _: Page) {
    let base = chat_headers("none");
    for (size, pieces) in [(20_000, 2), (60_000, 4), (1_000_000, 64)] {
        let block = [base.clone(), header("x-large", &"x".repeat(size))].concat();
        let mut parts = block.chunks(block.len().div_ceil(pieces)).peekable();
        let mut said = Vec::new();
        let mut kind = HEADERS;
        while let Some(part) = parts.next() {
            let flags = if parts.peek().is_none() { END_HEADERS } else { 0 };
            said.extend(frame(kind, flags, 1, part));
            kind = CONTINUATION;
        }
        said.extend(frame(DATA, 1, 1, &[]));
        for heard in attack(hub, &said).await {
            // h2 answers with status 431, a reset or the end of the connection.
            let answered = heard.frames.contains_key(&HEADERS);
            let reset = heard.resets.contains_key(&PROTOCOL_ERROR) || !heard.resets.is_empty();
            let ended = heard.goaway.is_some_and(|why| why != 0);
            assert!(answered || reset || ended, "{size}: {heard:?}");
        }
    }
    // Empty continuations without an end (the "CONTINUATION flood").
    let mut said = frame(HEADERS, 0, 1, &base);
    for _ in 0..10_000 {
        said.extend(frame(CONTINUATION, 0, 1, &header("x", "y")));
    }
    for heard in attack(hub, &said).await {
        assert!(heard.goaway.is_some_and(|why| why != 0), "{heard:?}");
    }
}
