//! Connections on real sockets: keys and pins, TLS and plaintext on one port, and misbehaving
//! callers.

use std::time::Duration;

use chinwag::{
    error::Reason,
    identity::Identity,
    model::{Endpoint, KeyMismatch},
    transport::{
        Acceptor, ClientKeys, Dial, DialFailure, Limits, Plaintext, Trust, Via, dial_failure,
        server_config,
    },
};
use tonic::Code;

mod abuse;
mod descriptors;
pub(crate) mod server;

use server::{TestServer, call, rest_of, soon};

fn identity() -> Identity {
    Identity::generate().unwrap()
}

fn door(hub: &Identity, keys: ClientKeys) -> Acceptor {
    Acceptor::tls(server_config(hub.credentials(), keys).unwrap(), Plaintext::FromLoopback)
}

/// Returns a dialer that expects the key of `hub`.
fn pinned(hub: &Identity, own: Option<&Identity>) -> Dial {
    Dial::tls(own.map(Identity::credentials), &Trust::Pinned(hub.fingerprint())).unwrap()
}

#[tokio::test]
async fn both_sides_see_each_others_keys() {
    let (hub, alice) = (identity(), identity());
    for keys in [ClientKeys::Optional, ClientKeys::Mandatory] {
        let server = TestServer::start(door(&hub, keys)).await;
        server.call(&pinned(&hub, Some(&alice))).await.unwrap();
        let caller = server.latest_caller();
        assert_eq!(caller.certificate.as_ref(), Some(alice.certificate()));
        assert_eq!(caller.key(), Some(alice.fingerprint()));
        assert_eq!(caller.via, Via::Tls);
        assert!(caller.remote.ip().is_loopback());
    }
}

#[tokio::test]
async fn a_key_other_than_the_pinned_one_is_refused() {
    let (hub, other) = (identity(), identity());
    let server = TestServer::start(door(&other, ClientKeys::Optional)).await;
    let status = server.call(&pinned(&hub, None)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let mismatch = KeyMismatch { want: hub.fingerprint(), got: other.fingerprint() };
    let failure = dial_failure(&status).unwrap();
    assert_eq!(failure, DialFailure::KeyChanged(mismatch));
    assert!(!failure.is_transient());
    for key in [hub.fingerprint(), other.fingerprint()] {
        assert!(failure.to_string().contains(&key.to_string()));
    }
}

#[tokio::test]
async fn a_server_may_require_a_key() {
    let hub = identity();
    let nobody = pinned(&hub, None);
    let open = TestServer::start(door(&hub, ClientKeys::Optional)).await;
    open.call(&nobody).await.unwrap();
    assert_eq!(open.latest_caller().key(), None);
    let closed = TestServer::start(door(&hub, ClientKeys::Mandatory)).await;
    let status = closed.call(&nobody).await.unwrap_err();
    assert_eq!(dial_failure(&status), Some(DialFailure::KeyRefused), "{status:?}");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let (hub, authority) = (identity(), identity());
    let roots = [authority.certificate().as_der().to_vec().into()];
    let trust = Trust::Authorities(chinwag::transport::Authorities::new(roots).unwrap());
    let server = TestServer::start(door(&hub, ClientKeys::Optional)).await;
    let status = server.call(&Dial::tls(None, &trust).unwrap()).await.unwrap_err();
    assert!(
        matches!(dial_failure(&status), Some(DialFailure::Untrusted(_))),
        "{:?}",
        dial_failure(&status)
    );
}

#[tokio::test]
async fn plaintext_is_accepted_from_loopback_only() {
    let hub = identity();
    let config = server_config(hub.credentials(), ClientKeys::Optional).unwrap();
    let server = TestServer::start(Acceptor::tls(config.clone(), Plaintext::FromLoopback)).await;
    server.call(&Dial::plaintext()).await.unwrap();
    assert_eq!(server.latest_caller().via, Via::Plaintext);
    assert_eq!(server.latest_caller().key(), None);

    let strict = TestServer::start(Acceptor::tls(config.clone(), Plaintext::Never)).await;
    let far = |_| "192.0.2.7:1234".parse().unwrap();
    let remote = TestServer::start_afar(Acceptor::tls(config, Plaintext::FromLoopback), far).await;
    for server in [strict, remote] {
        let status = server.call(&Dial::plaintext()).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        let refused = chinwag::wire::refused(&status);
        assert_eq!(refused.reason, Reason::PlaintextRefused);
        assert!(refused.message.contains("use TLS"), "{}", refused.message);
        assert_eq!(dial_failure(&status), None, "the other side has answered");
        server.call(&pinned(&hub, None)).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_without_tls_listens_on_loopback_only() {
    let far = |_| "[2001:db8::7]:1234".parse().unwrap();
    let server = TestServer::start_afar(Acceptor::plaintext(), far).await;
    let status = server.call(&Dial::plaintext()).await.unwrap_err();
    assert_eq!(chinwag::wire::refused(&status).reason, Reason::PlaintextRefused);
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.7:50051"] {
        let error = Acceptor::plaintext().listen(address.parse().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("is not a loopback address"), "{error}");
    }
    let hub = identity();
    soon(door(&hub, ClientKeys::Optional).listen("0.0.0.0:0".parse().unwrap())).await.unwrap();
}

#[tokio::test]
async fn dial_failures_name_their_cause() {
    let hub = identity();
    let plain = TestServer::start(Acceptor::plaintext()).await;
    let status = plain.call(&pinned(&hub, None)).await.unwrap_err();
    assert!(
        dial_failure(&status).unwrap().to_string().contains("does not speak TLS"),
        "{status:?}"
    );

    let address = plain.address;
    plain.stop().await;
    let channel = pinned(&hub, None).channel(&Endpoint::from(address)).unwrap();
    let status = call(&channel).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(dial_failure(&status), Some(DialFailure::Refused), "{status:?}");
    assert!(dial_failure(&status).unwrap().is_transient());

    let nowhere = Endpoint::new("no-such-host.invalid", 1).unwrap();
    let status = call(&Dial::plaintext().channel(&nowhere).unwrap()).await.unwrap_err();
    assert!(matches!(dial_failure(&status), Some(DialFailure::Other(_))), "{status:?}");
}

/// The paused clock advances while all tasks wait, here for a server that accepts and does not
/// answer.
#[tokio::test(start_paused = true)]
async fn dialing_a_silent_server_times_out() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::from(silent.local_addr().unwrap());
    let status = call(&pinned(&identity(), None).channel(&endpoint).unwrap()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(dial_failure(&status), Some(DialFailure::Timeout), "{status:?}");
}

/// As above, for a server that stops answering later, such as a hub after a power failure.
#[tokio::test(start_paused = true)]
async fn a_server_that_stops_answering_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::from(silent.local_addr().unwrap());
    let channel = Dial::plaintext().channel(&endpoint).unwrap();
    let begun = tokio::time::Instant::now();
    let status = call(&channel).await.unwrap_err();
    assert!(dial_failure(&status).is_some(), "{status:?}");
    assert!(begun.elapsed() > Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_channel_finds_a_server_that_comes_back() {
    let hub = identity();
    let server = TestServer::start(door(&hub, ClientKeys::Optional)).await;
    let (address, channel) = (server.address, server.channel(&pinned(&hub, None)));
    call(&channel).await.unwrap();
    server.stop().await;
    assert_eq!(dial_failure(&call(&channel).await.unwrap_err()), Some(DialFailure::Refused));
    let server = TestServer::start_at(door(&hub, ClientKeys::Optional), address).await;
    call(&channel).await.unwrap();
    assert_eq!(server.latest_caller().via, Via::Tls);
}

#[tokio::test]
async fn handshakes_end_with_the_acceptor() {
    let server = TestServer::start(Acceptor::plaintext()).await;
    let silent = server.say(b"PRI * ").await;
    server.call(&Dial::plaintext()).await.unwrap();
    server.stop().await;
    assert_eq!(rest_of(silent).await, b"");
}

#[tokio::test]
async fn the_next_free_port_is_found() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let next = Acceptor::plaintext().listen_on_next_free(address, 50).await.unwrap();
    assert_ne!(next.local_addr().unwrap().port(), address.port());
    assert!(Acceptor::plaintext().listen_on_next_free(address, 1).await.is_err());
}

/// Limits that slow tests do not reach.
fn patient() -> Limits {
    Limits { deadline: server::NEVER, patience: server::NEVER, ..Limits::default() }
}
