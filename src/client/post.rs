//! Posting to a room.

use std::pin::Pin;

use super::{Client, session::SessionCommand};
use crate::{
    client::error::{Error, Result},
    model::{Draft, MessageId, Posted, RoomName, Text},
    proto::{self, broadcast_client::BroadcastClient},
};

/// A post to a room, made by [`Client::post`]. Nothing is sent before it is awaited.
#[must_use = "a post is sent when it is awaited"]
#[derive(Debug, Clone)]
pub struct Post<'a> {
    client: &'a Client,
    draft: Draft,
}

impl Client {
    /// Posts to a room. Await the result to wait until the hub has stored the message:
    ///
    /// ```no_run
    /// # async fn f(client: chinwag::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use chinwag::model::{RoomName, Text};
    ///
    /// let posted = client.post(RoomName::lobby(), Text::parse("hello")?).await?;
    /// println!("stored at {:?}", posted.position);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Read [`Events`](super::Events) meanwhile: the acknowledgement comes on the same stream as
    /// the messages. While the hub is away the post waits. It is sent again after a reconnect,
    /// under the same id, so that it is stored once. Dropping the future does not take it back.
    /// Errors with [`Error::LimitReached`] if 1,024 posts are waiting already; [`Error::Refused`],
    /// for example with the reason `NOT_JOINED`; [`Error::Stopped`]. With an id that was used for
    /// another message: [`Error::MessageIdReused`], or [`Error::Refused`] with the reason
    /// `MESSAGE_ID_REUSED`.
    pub fn post(&self, room: RoomName, text: Text) -> Post<'_> {
        let draft = Draft { id: MessageId::new(), room, sender: self.name(), text };
        Post { client: self, draft }
    }
}

impl<'a> Post<'a> {
    /// Sets the id, to repeat a post: the hub stores it once. The default is a new id.
    pub fn id(mut self, id: MessageId) -> Self {
        self.draft.id = id;
        self
    }

    /// Posts in two steps: this returns when the post is queued behind those begun before it, and
    /// the returned future when it is stored. So many posts can be under way at once and stay in
    /// order, unlike posts that are awaited side by side. Errors with [`Error::Stopped`]; the
    /// returned future has those of [`Client::post`].
    pub async fn begin(self) -> Result<impl Future<Output = Result<Posted>> + Send + use<>> {
        let (client, draft) = (self.client, self.draft);
        let count = client.0.status.count_post();
        let answer = client.begin(|reply| SessionCommand::Post { draft, reply, count }).await?;
        Ok(async move { answer.await.map_err(|_| Error::Stopped)? })
    }

    /// Posts by a call of its own instead of the stream, so that [`Events`](super::Events) need not
    /// be read meanwhile. The client has to be in the room. Tries once: on an error the same id may
    /// be posted again. Errors as [`Client::peer`].
    pub async fn unary(self) -> Result<Posted> {
        let rpc =
            |channel, request| async move { BroadcastClient::new(channel).post(request).await };
        let posted = self.client.0.hub.call(proto::PostRequest::from(&self.draft), rpc).await?;
        Ok(posted.try_into()?)
    }
}

impl<'a> IntoFuture for Post<'a> {
    type Output = Result<Posted>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.begin().await?.await })
    }
}
