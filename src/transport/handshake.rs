//! The handshake of an incoming connection, from its first byte to HTTP/2.
//!
//! 1. The first byte tells TLS (0x16, a handshake record) from plaintext.
//! 2. TLS: the handshake, in which the caller may show a key. It must agree on HTTP/2.
//! 3. The HTTP/2 preface of the caller is read here, within the deadline: the server behind would
//!    wait for it without end.
//! 4. A caller that is refused, or finds no free place, gets a gRPC status.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_rustls::TlsAcceptor;

use super::{
    budget::{Account, Budget},
    io::{Duplex, Replay, ServerIo},
    limits::{ConnectionLimiter, Limits, Permit},
    loopback,
    meter::{Meter, Rejection},
    peer_info::{PeerInfo, Via},
    refuse,
    tls::ALPN_H2,
};
use crate::{
    error::RequestError,
    model::{Certificate, Invalid},
};

/// The first byte of a TLS record that begins a handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// The first bytes of an HTTP/2 client (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first bytes of HTTP/1 requests (RFC 9110, section 9.3, and PATCH).
const HTTP1_METHODS: [&[u8]; 9] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
];

/// Why a connection was rejected.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("the connection was lost: {0}")]
    Lost(#[from] io::Error),
    #[error("it was too slow")]
    TooSlow,
    #[error("it speaks TLS, and this server does not")]
    NoTls,
    #[error("it did not agree to speak HTTP/2 inside TLS")]
    NoHttp2,
    #[error("its certificate was not accepted: {0}")]
    Certificate(#[from] Invalid),
    #[error("it speaks HTTP/1")]
    Http1,
    #[error("it speaks neither TLS nor HTTP/2")]
    Garbage,
    #[error("{0}")]
    Refused(RequestError),
}

impl From<&HandshakeError> for Rejection {
    fn from(refused: &HandshakeError) -> Self {
        match refused {
            HandshakeError::Lost(_) => Self::Lost,
            HandshakeError::TooSlow => Self::TooSlow,
            HandshakeError::NoTls | HandshakeError::NoHttp2 => Self::Tls,
            HandshakeError::Certificate(_) => Self::Certificate,
            HandshakeError::Http1 => Self::Http1,
            HandshakeError::Garbage => Self::Garbage,
            HandshakeError::Refused(RequestError::LimitReached { .. }) => Self::Full,
            HandshakeError::Refused(_) => Self::Plaintext,
        }
    }
}

/// Runs the handshakes of an acceptor.
pub(super) struct Handshaker {
    /// `None` without TLS.
    pub(super) tls: Option<TlsAcceptor>,
    /// Whether callers from loopback may use plaintext.
    pub(super) plaintext: bool,
    pub(super) limits: Limits,
    pub(super) budget: Budget,
    pub(super) limiter: Arc<ConnectionLimiter>,
    pub(super) meter: Arc<Meter>,
}

impl Handshaker {
    /// Brings a connection to the start of HTTP/2, within the deadline.
    pub(super) async fn handshake<IO>(
        &self,
        io: IO,
        remote: SocketAddr,
    ) -> Result<ServerIo, HandshakeError>
    where
        IO: Duplex + 'static,
    {
        tokio::time::timeout(self.limits.deadline, self.begin(io, remote))
            .await
            .unwrap_or(Err(HandshakeError::TooSlow))
    }

    async fn begin<IO>(&self, mut io: IO, remote: SocketAddr) -> Result<ServerIo, HandshakeError>
    where
        IO: Duplex + 'static,
    {
        let first = io.read_u8().await?;
        let io = Replay::new(Bytes::copy_from_slice(&[first]), io);
        let (mut io, via, certificate) = if first == TLS_HANDSHAKE {
            let (io, certificate) = self.encrypt(io).await?;
            (io, Via::Tls, certificate)
        } else {
            (Box::new(io) as Box<dyn Duplex>, Via::Plaintext, None)
        };
        let preface = read_preface(&mut io).await;
        if matches!(preface, Err(HandshakeError::Http1)) {
            refuse::http1(&mut io).await?;
        }
        preface?;
        let io = Replay::new(Bytes::from_static(PREFACE), io);
        match self.admit(via, remote) {
            Ok((permit, account)) => {
                let open = self.meter.open(via);
                let info = PeerInfo::new(via, remote, certificate, account);
                Ok(ServerIo::new(io, info, permit, open, self.limits.idle))
            }
            Err(error) => {
                // Rejected, whether the answer arrives or not.
                let _ = refuse::grpc(io, &error).await;
                Err(HandshakeError::Refused(error))
            }
        }
    }

    async fn encrypt<IO>(
        &self,
        io: IO,
    ) -> Result<(Box<dyn Duplex>, Option<Certificate>), HandshakeError>
    where
        IO: Duplex + 'static,
    {
        let tls = self.tls.as_ref().ok_or(HandshakeError::NoTls)?;
        let stream = match tls.accept(io).into_fallible().await {
            Ok(stream) => stream,
            Err((error, io)) => {
                // TLS has sent an alert. Whether that arrives changes nothing here.
                let _ = refuse::close(io).await;
                return Err(error.into());
            }
        };
        let session = stream.get_ref().1;
        if session.alpn_protocol() != Some(ALPN_H2) {
            // An end without a notice would look like data that was cut off (RFC 8446, 6.1).
            let _ = refuse::close(stream).await;
            return Err(HandshakeError::NoHttp2);
        }
        let shown = session.peer_certificates().and_then(|chain| chain.first());
        let certificate = shown.map(|der| Certificate::parse(der)).transpose()?;
        Ok((Box::new(stream), certificate))
    }

    fn admit(&self, via: Via, remote: SocketAddr) -> Result<(Permit, Arc<Account>), RequestError> {
        if via == Via::Plaintext {
            if !self.plaintext {
                return Err(RequestError::PlaintextRefused);
            }
            loopback::may_call(remote)?;
        }
        let permit = self.limiter.take(remote.ip(), &self.limits)?;
        Ok((permit, self.budget.open(remote.ip())))
    }
}

/// Reads the preface, and no byte more.
async fn read_preface(io: &mut (impl AsyncRead + Unpin)) -> Result<(), HandshakeError> {
    let mut read = [0; PREFACE.len()];
    let mut length = 0;
    while length < PREFACE.len() {
        let more = io.read(&mut read[length..]).await?;
        if more == 0 {
            return Err(HandshakeError::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
        length += more;
        if !PREFACE.starts_with(&read[..length]) {
            return Err(if is_http1(&read[..length]) {
                HandshakeError::Http1
            } else {
                HandshakeError::Garbage
            });
        }
    }
    Ok(())
}

/// Returns true if an HTTP/1 request can begin with these bytes.
fn is_http1(read: &[u8]) -> bool {
    HTTP1_METHODS.iter().any(|method| read.starts_with(method) || method.starts_with(read))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
    use tonic::transport::server::Connected;

    use super::*;

    fn handshaker(limiter: &Arc<ConnectionLimiter>) -> Handshaker {
        let limits = Limits::default();
        let (limiter, meter) = (limiter.clone(), Arc::default());
        let budget = Budget::default();
        Handshaker { tls: None, plaintext: true, limits, budget, limiter, meter }
    }

    /// Returns the result for a caller that sends these bytes, and then nothing.
    async fn receive(sent: &[u8], from: &str) -> (Result<ServerIo, HandshakeError>, DuplexStream) {
        let (mut caller, io) = duplex(64 * 1024);
        caller.write_all(sent).await.unwrap();
        let handshake = handshaker(&Arc::default());
        (handshake.handshake(io, from.parse().unwrap()).await, caller)
    }

    const LOCAL: &str = "127.0.0.1:1";

    #[tokio::test]
    async fn the_preface_is_replayed() {
        let sent = [&PREFACE[..], b"and more"].concat();
        let (received, _caller) = receive(&sent, LOCAL).await;
        let mut read = vec![0; sent.len()];
        received.unwrap().read_exact(&mut read).await.unwrap();
        assert_eq!(read, sent);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_callers_are_rejected_at_the_deadline() {
        for sent in [&b""[..], b"P", &PREFACE[..23], b"GET / HTTP/1.1\r\n"] {
            let begun = tokio::time::Instant::now();
            let (received, _caller) = receive(sent, LOCAL).await;
            assert!(matches!(received, Err(HandshakeError::TooSlow)), "{received:?}");
            assert_eq!(begun.elapsed(), Limits::DEADLINE);
        }
    }

    #[tokio::test]
    async fn http1_and_garbage_are_told_apart_by_their_first_bytes() {
        for sent in [&b"hello"[..], b"PRI * HTTP/1", b"\0", b"SSH-2.0-x\r\n"] {
            let (received, _caller) = receive(sent, LOCAL).await;
            assert!(matches!(received, Err(HandshakeError::Garbage)), "{received:?}");
        }
        for sent in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"PO", b"POST ", b"PATCH /", b"O"] {
            assert!(is_http1(sent));
        }
        for sent in [&b"PRX"[..], b"GETTING", b"\x16"] {
            assert!(!is_http1(sent));
        }
    }

    #[tokio::test]
    async fn a_connection_that_ends_early_is_lost() {
        for sent in [&b""[..], b"PRI * HTTP/2.0\r\n"] {
            let (mut caller, io) = duplex(64);
            caller.write_all(sent).await.unwrap();
            drop(caller);
            let received = handshaker(&Arc::default()).handshake(io, LOCAL.parse().unwrap()).await;
            assert!(matches!(received, Err(HandshakeError::Lost(_))), "{received:?}");
        }
    }

    /// An idle connection ends; a call in progress keeps it open.
    #[tokio::test(start_paused = true)]
    async fn idle_connections_end() {
        let (received, _caller) = receive(PREFACE, LOCAL).await;
        let mut io = received.unwrap();
        io.read_exact(&mut [0; PREFACE.len()]).await.unwrap();
        let call = io.connect_info().calls.begin();
        let long = tokio::time::timeout(10 * Limits::IDLE, io.read_u8()).await;
        assert!(long.is_err(), "{long:?}");
        drop(call);
        let begun = tokio::time::Instant::now();
        assert_eq!(io.read(&mut [0]).await.unwrap(), 0);
        assert!(begun.elapsed() <= 2 * Limits::IDLE, "{:?}", begun.elapsed());
    }

    /// Says why in a GOAWAY, which does not come in the middle of a frame.
    #[tokio::test(start_paused = true)]
    async fn a_connection_that_holds_too_much_ends_and_is_told_why() {
        let (received, mut caller) = receive(PREFACE, LOCAL).await;
        let mut io = received.unwrap();
        io.read_exact(&mut [0; PREFACE.len()]).await.unwrap();
        let frame = [0, 0, 4, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4];
        io.write_all(&frame[..11]).await.unwrap();
        let account = io.connect_info().account;
        let _held = account.charge(account.limit() + 1);
        // The end of the frame, and another one.
        let rest = [&frame[11..], &frame].concat();
        io.write_all(&rest).await.unwrap();
        io.write_all(&frame).await.unwrap();
        let mut read = Vec::new();
        caller.read_to_end(&mut read).await.unwrap();
        assert_eq!(read[..frame.len()], frame);
        let goaway = &read[frame.len()..];
        assert_eq!(usize::from(goaway[2]), goaway.len() - 9, "one frame");
        assert_eq!((goaway[3], goaway[16]), (7, 11), "GOAWAY, ENHANCE_YOUR_CALM");
        let why = String::from_utf8_lossy(&goaway[17..]).into_owned();
        assert!(why.starts_with("LIMIT_REACHED: ") && why.contains("your connection"), "{why}");
        caller.write_all(&[0; 1000]).await.unwrap();
        let begun = tokio::time::Instant::now();
        let ended = io.read(&mut [0; 100]).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::ConnectionAborted);
        assert!(begun.elapsed() < std::time::Duration::from_secs(1));
    }

    #[tokio::test]
    async fn a_permit_is_held_as_long_as_the_connection() {
        let limiter = Arc::default();
        let mut handshaker = handshaker(&limiter);
        handshaker.limits.open = 1;
        let (mut caller, io) = duplex(1024);
        caller.write_all(PREFACE).await.unwrap();
        let received = handshaker.handshake(io, LOCAL.parse().unwrap()).await.unwrap();
        let other = "127.0.0.1".parse().unwrap();
        assert!(limiter.take(other, &handshaker.limits).is_err());
        drop(received);
        limiter.take(other, &handshaker.limits).unwrap();
    }
}
