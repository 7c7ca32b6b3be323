//! `grpc.testing.TestService`: what gRPC's interoperability tests call.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    task::{Context, Poll, ready as poll},
};

use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;
use tokio_stream::Stream;
use tonic::{
    Code, Status, Streaming,
    body::Body,
    server::{Grpc, NamedService},
};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use super::messages::{
    EchoStatus, Payload, SimpleRequest, SimpleResponse, StreamingInputCallRequest,
    StreamingInputCallResponse, StreamingOutputCallRequest, StreamingOutputCallResponse,
};

/// Metadata that the answer repeats: in its headers, and in its trailers.
const INITIAL: &str = "x-grpc-test-echo-initial";
const TRAILING: &str = "x-grpc-test-echo-trailing-bin";

#[derive(Debug, Clone)]
pub(crate) struct TestService;

impl NamedService for TestService {
    const NAME: &'static str = "grpc.testing.TestService";
}

impl Service<Request<Body>> for TestService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            let [initial, trailing] =
                [INITIAL, TRAILING].map(|name| request.headers().get(name).cloned());
            Ok(echo(answer(request).await, initial, trailing))
        })
    }
}

/// Adds metadata to a response.
fn echo(
    mut response: Response<Body>,
    initial: Option<HeaderValue>,
    trailing: Option<HeaderValue>,
) -> Response<Body> {
    if let Some(value) = initial {
        response.headers_mut().insert(INITIAL, value);
    }
    response.map(|body| {
        Body::new(body.map_frame(move |mut frame| {
            if let (Some(trailers), Some(value)) = (frame.trailers_mut(), &trailing) {
                trailers.insert(TRAILING, value.clone());
            }
            frame
        }))
    })
}

async fn answer(request: Request<Body>) -> Response<Body> {
    let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
    match method.as_str() {
        "EmptyCall" => {
            let empty = service_fn(|_: tonic::Request<()>| answered(Ok(())));
            Grpc::new(ProstCodec::default()).unary(empty, request).await
        }
        "UnaryCall" => Grpc::new(ProstCodec::default()).unary(service_fn(unary), request).await,
        "StreamingInputCall" => {
            Grpc::new(ProstCodec::default()).client_streaming(service_fn(input), request).await
        }
        "StreamingOutputCall" => {
            Grpc::new(ProstCodec::default()).server_streaming(service_fn(output), request).await
        }
        "FullDuplexCall" => {
            Grpc::new(ProstCodec::default()).streaming(service_fn(duplex), request).await
        }
        _ => Status::unimplemented(method).into_http(),
    }
}

fn answered<T>(result: Result<T, Status>) -> Ready<Result<tonic::Response<T>, Status>> {
    ready(result.map(tonic::Response::new))
}

fn checked(wanted: Option<EchoStatus>) -> Result<(), Status> {
    match wanted {
        Some(status) if status.code != 0 => {
            Err(Status::new(Code::from_i32(status.code), status.message))
        }
        _ => Ok(()),
    }
}

fn unary(
    request: tonic::Request<SimpleRequest>,
) -> Ready<Result<tonic::Response<SimpleResponse>, Status>> {
    let request = request.into_inner();
    answered(checked(request.response_status).map(|()| SimpleResponse {
        payload: Payload::of(request.response_size),
        server_id: "chinwag".into(),
    }))
}

async fn input(
    request: tonic::Request<Streaming<StreamingInputCallRequest>>,
) -> Result<tonic::Response<StreamingInputCallResponse>, Status> {
    let mut requests = request.into_inner();
    let mut aggregated_payload_size = 0;
    while let Some(request) = requests.message().await? {
        aggregated_payload_size += Payload::size(request.payload);
    }
    Ok(tonic::Response::new(StreamingInputCallResponse { aggregated_payload_size }))
}

type Output = Result<StreamingOutputCallResponse, Status>;

fn of_size(size: i32) -> Output {
    Ok(StreamingOutputCallResponse { payload: Payload::of(size) })
}

fn output(
    request: tonic::Request<StreamingOutputCallRequest>,
) -> Ready<Result<tonic::Response<impl Stream<Item = Output>>, Status>> {
    let responses = request.into_inner().response_parameters.into_iter();
    answered(Ok(tokio_stream::iter(responses.map(|wanted| of_size(wanted.size)))))
}

fn duplex(
    request: tonic::Request<Streaming<StreamingOutputCallRequest>>,
) -> Ready<Result<tonic::Response<Duplex>, Status>> {
    answered(Ok(Duplex { requests: request.into_inner(), sizes: VecDeque::new() }))
}

/// The responses to a stream of requests, each of which asks for some.
struct Duplex {
    requests: Streaming<StreamingOutputCallRequest>,
    /// The sizes of the responses to the last request.
    sizes: VecDeque<i32>,
}

impl Stream for Duplex {
    type Item = Output;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Output>> {
        loop {
            if let Some(size) = self.sizes.pop_front() {
                return Poll::Ready(Some(of_size(size)));
            }
            match poll!(Pin::new(&mut self.requests).poll_next(cx)) {
                None => return Poll::Ready(None),
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                Some(Ok(request)) => {
                    if let Err(status) = checked(request.response_status) {
                        return Poll::Ready(Some(Err(status)));
                    }
                    let wanted = request.response_parameters.iter();
                    self.sizes.extend(wanted.map(|response| response.size));
                }
            }
        }
    }
}
