//! Misbehaving callers: each is disconnected, with a reason where possible, and does not affect
//! others.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chinwag::{
    error::Reason,
    identity::TLS_NAME,
    transport::{Acceptor, ClientKeys, Dial, Limits, Trust, client_config},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::{
    door, identity, patient, pinned,
    server::{TestServer, call, rest_of, soon},
};

/// The start of a ClientHello: a record longer than the data that follows.
const TLS_BEGUN: &[u8] = b"\x16\x03\x01\x02\x00\x01";

const HALF_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM";

/// The rest of the preface, and the next frame: empty SETTINGS.
const REST_OF_PREFACE: &[u8] = b"\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn silent_and_slow_callers_are_dropped_at_the_deadline() {
    let hub = identity();
    let limits = Limits { deadline: Duration::from_millis(50), ..Limits::default() };
    let server = TestServer::start(door(&hub, ClientKeys::Optional).limits(limits)).await;
    for said in [&b""[..], TLS_BEGUN, b"P", HALF_PREFACE] {
        assert_eq!(rest_of(server.say(said).await).await, b"");
    }
}

#[tokio::test]
async fn an_open_connection_has_no_deadline() {
    let limits = Limits { deadline: Duration::from_millis(700), ..Limits::default() };
    let server = TestServer::start(Acceptor::plaintext().limits(limits)).await;
    let channel = server.channel(&Dial::plaintext());
    call(&channel).await.unwrap();
    // The silent connection is dropped at its deadline, after that of the channel's connection.
    assert_eq!(rest_of(server.say(b"").await).await, b"");
    call(&channel).await.unwrap();
    let first = server.latest_caller();
    call(&channel).await.unwrap();
    assert_eq!(first.remote, server.latest_caller().remote, "it is the same connection");
}

/// An idle connection loses its place, and a new one is opened when needed.
#[tokio::test]
async fn an_idle_connection_is_closed() {
    let idle = Duration::from_millis(100);
    let server =
        TestServer::start(Acceptor::plaintext().limits(Limits { idle, ..patient() })).await;
    let channel = server.channel(&Dial::plaintext());
    call(&channel).await.unwrap();
    let first = server.latest_caller();
    let watched = HealthClient::new(server.channel(&Dial::plaintext()));
    let mut stream = soon(watched.clone().watch(HealthCheckRequest::default())).await.unwrap();
    let watching = server.latest_caller();
    let silent = [HALF_PREFACE, REST_OF_PREFACE].concat();
    for _ in 0..5 {
        rest_of(server.say(&silent).await).await;
    }
    // That took longer than the idle limit. Connections in use are still open.
    soon(watched.clone().check(HealthCheckRequest::default())).await.unwrap();
    assert_eq!(watching.remote, server.latest_caller().remote);
    assert!(soon(stream.get_mut().message()).await.unwrap().is_some());
    call(&channel).await.unwrap();
    assert_ne!(first.remote, server.latest_caller().remote);
}

#[tokio::test]
async fn garbage_is_dropped_at_once() {
    let hub = identity();
    let server = TestServer::start(door(&hub, ClientKeys::Optional).limits(patient())).await;
    for said in [&b"hello\n"[..], b"\0\0\0\0", b"SSH-2.0-OpenSSH_9.0\r\n", b"PRI * HTTP/3.0\r\n"] {
        assert_eq!(rest_of(server.say(said).await).await, b"", "{said:?}");
    }
    // The server reports the error with a TLS alert.
    let told = rest_of(server.say(b"\x16\x03\x01\x00\x04\0\0\0\0").await).await;
    assert_eq!(told.first(), Some(&0x15), "{told:?}");
    server.call(&pinned(&hub, None)).await.unwrap();
}

/// A caller that did not agree on HTTP/2 is told that this is the end, and does not see an end that an
/// attacker could have made.
#[tokio::test]
async fn tls_without_http2_ends_with_a_notice() {
    let hub = identity();
    let server = TestServer::start(door(&hub, ClientKeys::Optional).limits(patient())).await;
    let trust = Trust::Pinned(hub.fingerprint());
    let mut config = Arc::unwrap_or_clone(client_config(None, &trust).unwrap());
    config.alpn_protocols = Vec::new();
    let tls = TlsConnector::from(Arc::new(config));
    let name = TLS_NAME.try_into().unwrap();
    let mut stream = soon(tls.connect(name, server.say(b"").await)).await.unwrap();
    // Without the notice this is an error.
    assert_eq!(soon(stream.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn http1_gets_an_http1_response() {
    let server = TestServer::start(Acceptor::plaintext()).await;
    for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /x HTTP/1.1\r\n\r\n"] {
        let mut stream = server.say(request.as_bytes()).await;
        // A caller that continues to send gets its answer anyway.
        stream.write_all(&[b'x'; 10_000]).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = String::from_utf8(rest_of(stream).await).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())));
        assert!(body.contains("gRPC"), "{body}");
    }
}

#[tokio::test]
async fn silent_callers_replace_each_other() {
    let hub = identity();
    let limits = Limits { pending: 3, patience: Duration::ZERO, ..patient() };
    let server = TestServer::start(door(&hub, ClientKeys::Optional).limits(limits)).await;
    let mut crowd = Vec::new();
    for _ in 0..20 {
        crowd.push(server.say(HALF_PREFACE).await);
        server.call(&pinned(&hub, None)).await.unwrap();
    }
    let kept = crowd.split_off(18);
    for silent in crowd {
        assert_eq!(rest_of(silent).await, b"", "its place was needed");
    }
    for mut silent in kept {
        // These kept their place.
        silent.write_all(REST_OF_PREFACE).await.unwrap();
        assert_is_open(silent).await;
    }
}

/// Asserts that the server speaks HTTP/2 on a connection: its first frame is SETTINGS.
async fn assert_is_open(mut stream: TcpStream) {
    let mut frame = [0; 9];
    soon(stream.read_exact(&mut frame)).await.unwrap();
    assert_eq!(frame[3], 4, "{frame:?}");
}

/// Assigns alternating addresses to callers.
fn two_addresses() -> impl FnMut(SocketAddr) -> SocketAddr + Unpin + Send + 'static {
    let mut count = 0_u8;
    move |remote| {
        count += 1;
        SocketAddr::new([192, 0, 2, count % 2].into(), remote.port())
    }
}

#[tokio::test]
async fn a_silent_caller_is_replaced_by_its_own_address_only() {
    let hub = identity();
    let limits = Limits { pending_per_address: 1, patience: Duration::ZERO, ..patient() };
    let door = door(&hub, ClientKeys::Optional).limits(limits);
    let server = TestServer::start_afar(door, two_addresses()).await;
    let one = server.say(TLS_BEGUN).await;
    let mut other = server.say(TLS_BEGUN).await;
    let _one_more = server.say(TLS_BEGUN).await;
    assert_eq!(rest_of(one).await, b"");
    // The rest of an invalid ClientHello: the connection is still open, and gets an alert.
    other.write_all(&[0; 512]).await.unwrap();
    assert_eq!(rest_of(other).await.first(), Some(&0x15));
}

/// The same callers at a server with patient limits, as an honest crowd needs them.
#[tokio::test]
async fn a_timely_caller_is_not_replaced() {
    let limits = Limits { pending: 1, ..patient() };
    let server = TestServer::start(Acceptor::plaintext().limits(limits)).await;
    let mut first = server.say(HALF_PREFACE).await;
    let dial = Dial::plaintext();
    let go_on = async {
        // The call was made long before the first one continues.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        first.write_all(REST_OF_PREFACE).await.unwrap();
    };
    let (answer, ()) = tokio::join!(server.call(&dial), go_on);
    answer.unwrap();
    assert_is_open(first).await;

    let limits = Limits { pending_per_address: 1, ..patient() };
    let door = Acceptor::plaintext().limits(limits);
    let server = TestServer::start_afar(door, two_addresses()).await;
    let [_one, _other, one_more] = [
        server.say(HALF_PREFACE).await,
        server.say(HALF_PREFACE).await,
        server.say(HALF_PREFACE).await,
    ];
    assert_eq!(rest_of(one_more).await, b"", "its address has no place");
}

#[tokio::test]
async fn an_honest_crowd_is_accepted() {
    let hub = identity();
    let limits = Limits { pending: 2, ..patient() };
    let server = TestServer::start(door(&hub, ClientKeys::Optional).limits(limits)).await;
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let channel = server.channel(&pinned(&hub, None));
        calls.spawn(async move { call(&channel).await });
    }
    while let Some(answer) = calls.join_next().await {
        answer.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_full_server_refuses_with_a_reason() {
    let hub = identity();
    let limits = Limits { open: 1, ..patient() };
    let server = TestServer::start(door(&hub, ClientKeys::Optional).limits(limits)).await;
    let first = server.channel(&pinned(&hub, None));
    call(&first).await.unwrap();
    for dial in [pinned(&hub, None), Dial::plaintext()] {
        let status = server.call(&dial).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        let refused = chinwag::wire::refused(&status);
        assert_eq!(refused.reason, Reason::LimitReached);
        assert!(refused.retry_after.is_some());
    }
    drop(first);
    // The place is free once the server has noticed the close.
    while let Err(status) = server.call(&pinned(&hub, None)).await {
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    }
}

#[tokio::test]
async fn one_address_cannot_use_all_connections() {
    let hub = identity();
    let limits = Limits { open_per_address: 1, ..patient() };
    let door = door(&hub, ClientKeys::Optional).limits(limits);
    let server = TestServer::start_afar(door, two_addresses()).await;
    let [one, other, one_more] = [(); 3].map(|()| server.channel(&pinned(&hub, None)));
    call(&one).await.unwrap();
    call(&other).await.unwrap();
    let status = call(&one_more).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert!(status.message().contains("your address"), "{status:?}");
}
