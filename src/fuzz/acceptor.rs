//! Connections: the first bytes of unknown callers.

use std::{
    cell::OnceCell,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime::{Builder, Runtime},
};
use tokio_stream::StreamExt;

use crate::{
    identity::Identity,
    transport::{Acceptor, ClientKeys, Plaintext, ServerIo, server_config},
};

/// The handshake of a caller that sends any bytes and hangs up ends at once.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The capacity of a connection's pipe.
const PIPE: usize = 64 * 1024;

/// The preface of HTTP/2 (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first bytes of a connection. The first byte says whether the server uses TLS (1) and whether
/// the caller is remote (2).
pub(super) fn opening(bytes: &[u8]) {
    let Some((&kind, sent)) = bytes.split_first() else { return };
    let sent = &sent[..sent.len().min(PIPE)];
    let acceptor = match (kind & 1 == 1, tls()) {
        (true, Some(config)) => Acceptor::tls(config, Plaintext::FromLoopback),
        _ => Acceptor::plaintext(),
    };
    let far = kind & 2 == 2;
    let ip = if far { Ipv4Addr::new(192, 0, 2, 7) } else { Ipv4Addr::LOCALHOST };
    let received = wait(open(acceptor, sent, SocketAddr::new(ip.into(), 1)));
    match received {
        Some(received) => {
            assert!(sent.starts_with(PREFACE) && !far, "only this is let in");
            assert_eq!(received, sent, "what was read before is there to be read again");
        }
        None => assert!(far || !sent.starts_with(PREFACE), "this is let in"),
    }
}

/// Returns what the server reads; `None` if the connection was rejected.
async fn open(acceptor: Acceptor, sent: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let (mut caller, io) = duplex(PIPE);
    let _ = caller.write_all(sent).await;
    let _ = caller.shutdown().await;
    let source = tokio_stream::once(Ok::<(DuplexStream, SocketAddr), io::Error>((io, from)));
    let mut incoming = acceptor.incoming_from(source);
    let serve = async {
        let arrived: Option<Result<ServerIo, io::Error>> = incoming.next().await;
        let mut received = Vec::new();
        let mut io = arrived?.ok()?;
        let _ = io.read_to_end(&mut received).await;
        Some(received)
    };
    let listen = async {
        let mut answer = Vec::new();
        let _ = caller.read_to_end(&mut answer).await;
    };
    let both = async { tokio::join!(serve, listen).0 };
    let done = tokio::time::timeout(AT_ONCE, both).await;
    assert!(done.is_ok(), "a caller who hung up is waited for");
    done.unwrap_or_default()
}

fn tls() -> Option<Arc<ServerConfig>> {
    static CONFIG: OnceLock<Option<Arc<ServerConfig>>> = OnceLock::new();
    let make = || {
        let identity = Identity::generate().ok()?;
        server_config(identity.credentials(), ClientKeys::Optional).ok()
    };
    CONFIG.get_or_init(make).clone()
}

/// Runs a future on this thread.
pub(super) fn wait<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
    }
    RUNTIME.with(|runtime| {
        #[allow(clippy::expect_used, reason = "without it nothing can be tried")]
        let make = || Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.get_or_init(make).block_on(future)
    })
}
