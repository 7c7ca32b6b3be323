//! Turning a caller away in its own language, so that a person reads why.

use bytes::Bytes;
use http::Response;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::MAX_HEADER_LIST;
use crate::{error::RequestError, wire};

/// Calls that are answered at once. A caller has one, or a few that it began together.
const MAX_CALLS: u32 = 8;

/// Bytes that a caller may still say after it was turned away: a request with its body.
const LAST_WORDS: u64 = 256 * 1024;

/// What an HTTP/1 caller gets. The status and the header are those of RFC 9110, section 15.5.22.
const UPGRADE_REQUIRED: &[u8] = b"HTTP/1.1 426 Upgrade Required\r\n\
    Upgrade: TLS/1.3, HTTP/2.0\r\n\
    Connection: upgrade, close\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 57\r\n\
    \r\n\
    This port speaks gRPC: HTTP/2, and TLS from other hosts.\n";

/// Answers every call with the same error until the caller has gone.
///
/// # Errors
///
/// That the connection was lost, or is no HTTP/2.
pub(super) async fn grpc<IO>(io: IO, why: &RequestError) -> Result<(), h2::Error>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = h2::server::Builder::new()
        .max_concurrent_streams(MAX_CALLS)
        .max_header_list_size(MAX_HEADER_LIST)
        .handshake::<_, Bytes>(io)
        .await?;
    while let Some(call) = connection.accept().await {
        let (_, mut respond) = call?;
        let answer: Response<()> = wire::status(why).into_http();
        respond.send_response(answer, true)?;
        connection.graceful_shutdown();
    }
    Ok(())
}

/// Tells a browser, or whatever else speaks HTTP/1, that this is not for it.
///
/// # Errors
///
/// That the connection was lost.
pub(super) async fn http1<IO>(mut io: IO) -> std::io::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    io.write_all(UPGRADE_REQUIRED).await?;
    part(io).await
}

/// Closes a connection so that what was said last arrives: while the other side still talks, a
/// plain close would reset the connection, and what is on its way with it.
///
/// # Errors
///
/// That the connection was lost.
pub(super) async fn part<IO>(mut io: IO) -> std::io::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    io.shutdown().await?;
    tokio::io::copy(&mut io.take(LAST_WORDS), &mut tokio::io::sink()).await.map(drop)
}
