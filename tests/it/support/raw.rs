//! Calls with raw bytes as messages, to compare exact bytes and to send invalid ones.

use bytes::{Buf, BufMut, Bytes};
use chinwag::transport::Channel;
use tokio_stream::Stream;
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use crate::support::{
    peer::Session,
    within::{PATIENCE, within},
};

/// A codec that passes bytes through.
#[derive(Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// Calls `/chinwag.v1.SERVICE/METHOD` with a stream of messages.
pub(crate) async fn call(
    session: &Session,
    method: &str,
    requests: impl Stream<Item = Bytes> + Send + 'static,
) -> Result<Streaming<Bytes>, Status> {
    let authorization = format!("Bearer {}", session.registered.token);
    let path = format!("/chinwag.v1.{method}");
    within(PATIENCE, method, open(session.channel.clone(), Some(authorization), &path, requests))
        .await
}

/// Calls any path, with or without an authorization.
pub(crate) async fn open(
    channel: Channel,
    authorization: Option<String>,
    path: &str,
    requests: impl Stream<Item = Bytes> + Send + 'static,
) -> Result<Streaming<Bytes>, Status> {
    let mut request = Request::new(requests);
    if let Some(authorization) = authorization {
        request.metadata_mut().insert("authorization", authorization.parse().unwrap());
    }
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let call = grpc.streaming(request, path.parse().unwrap(), Raw);
    Ok(call.await?.into_inner())
}
