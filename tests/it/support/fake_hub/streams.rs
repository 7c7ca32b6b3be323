//! The streams of the fake hub, which the test answers.

use chinwag::proto::{
    self, ChatRequest, ChatResponse, WatchPeersRequest, WatchPeersResponse,
    chat_request::Request as Asked, chat_response::Event as Answer,
};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::{at, refusal};
use crate::support::within::{PATIENCE, within};

/// A Chat stream.
pub(crate) struct FakeChat {
    pub(crate) token: Option<String>,
    pub(super) requests: Streaming<ChatRequest>,
    pub(super) answers: mpsc::Sender<Result<ChatResponse, Status>>,
}

impl FakeChat {
    /// Answers joins and leaves until the stream ends. All rooms are empty.
    pub(super) async fn serve_rooms(mut self) {
        while let Ok(Some(request)) = self.requests.message().await {
            match request.request {
                Some(Asked::Join(join)) => self.joined(&join.room, 0, 0).await,
                Some(Asked::Leave(leave)) => {
                    self.say(Answer::Left(proto::Left { room: leave.room, refusal: None })).await;
                }
                _ => {}
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Asked {
        let request = within(PATIENCE, "a request", self.requests.message()).await.unwrap();
        request.unwrap().request.unwrap()
    }

    pub(crate) async fn join(&mut self) -> proto::Join {
        match self.next().await {
            Asked::Join(join) => join,
            other => panic!("not a join: {other:?}"),
        }
    }

    pub(crate) async fn leave(&mut self) -> String {
        match self.next().await {
            Asked::Leave(leave) => leave.room,
            other => panic!("not a leave: {other:?}"),
        }
    }

    pub(crate) async fn post(&mut self) -> proto::PostRequest {
        match self.next().await {
            Asked::Post(post) => post,
            other => panic!("not a post: {other:?}"),
        }
    }

    pub(crate) async fn say(&self, event: Answer) {
        self.answers.send(Ok(ChatResponse { event: Some(event) })).await.unwrap();
    }

    pub(crate) async fn joined(&self, room: &str, position: u64, head: u64) {
        let [position, head] = [position, head].map(|seq| Some(at(seq)));
        self.say(Answer::Joined(proto::Joined { room: room.into(), position, head })).await;
    }

    /// Sends message `seq` of a room; `prev_seq` is the message before it.
    pub(crate) async fn message(&self, room: &str, seq: u64, prev_seq: u64) {
        self.say(Answer::Message(proto::Message {
            id: uuid::Uuid::now_v7().to_string(),
            room: room.into(),
            position: Some(at(seq)),
            prev_seq,
            sender: "somebody".into(),
            created_at: Some(prost_types::Timestamp::default()),
            text: format!("number {seq}"),
        }))
        .await;
    }

    pub(crate) async fn posted(&self, post: &proto::PostRequest, seq: u64) {
        self.say(Answer::Posted(proto::PostResponse {
            id: post.id.clone(),
            room: post.room.clone(),
            position: Some(at(seq)),
            created_at: Some(prost_types::Timestamp::default()),
            duplicate: false,
        }))
        .await;
    }

    pub(crate) async fn refused(
        &self,
        request: proto::refused::Request,
        code: tonic::Code,
        reason: &str,
    ) {
        let refusal = refusal(code, reason, None);
        let request = Some(request);
        self.say(Answer::Refused(proto::Refused { request, refusal: Some(refusal) })).await;
    }

    pub(crate) async fn end(self, status: Status) {
        self.answers.send(Err(status)).await.unwrap();
    }
}

/// A WatchPeers stream.
pub(crate) struct FakeWatch {
    pub(crate) request: WatchPeersRequest,
    pub(super) answers: mpsc::Sender<Result<WatchPeersResponse, Status>>,
}

impl FakeWatch {
    pub(crate) async fn say(&self, event: proto::watch_peers_response::Event) {
        self.answers.send(Ok(WatchPeersResponse { event: Some(event) })).await.unwrap();
    }

    pub(crate) async fn end(self, status: Status) {
        self.answers.send(Err(status)).await.unwrap();
    }
}
