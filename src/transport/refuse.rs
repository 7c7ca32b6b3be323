//! Refuses callers in their own protocol, so that people can read why.

use bytes::Bytes;
use http::Response;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::MAX_HEADER_LIST;
use crate::{error::RequestError, wire};

/// Concurrent calls that are answered. A caller has one, or a few.
const MAX_CALLS: u32 = 8;

/// Bytes that are read from a caller after it was refused: a request with its body.
const MAX_DRAINED_BYTES: u64 = 256 * 1024;

/// The answer to HTTP/1. The status and the header are those of RFC 9110, section 15.5.22.
const UPGRADE_REQUIRED: &[u8] = b"HTTP/1.1 426 Upgrade Required\r\n\
    Upgrade: TLS/1.3, HTTP/2.0\r\n\
    Connection: upgrade, close\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 57\r\n\
    \r\n\
    This port speaks gRPC: HTTP/2, and TLS from other hosts.\n";

/// Answers every call with the same error until the caller is gone. Errors if it is not HTTP/2.
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

/// Answers a browser, or another HTTP/1 client. Errors if the connection is lost.
pub(super) async fn http1<IO>(mut io: IO) -> std::io::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    io.write_all(UPGRADE_REQUIRED).await?;
    close(io).await
}

/// Closes a connection so that the last bytes arrive: closing while the other side still sends
/// would reset the connection and discard them. Errors if the connection is lost.
pub(super) async fn close<IO>(mut io: IO) -> std::io::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    io.shutdown().await?;
    tokio::io::copy(&mut io.take(MAX_DRAINED_BYTES), &mut tokio::io::sink()).await.map(drop)
}
