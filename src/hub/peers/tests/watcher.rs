//! A watcher that follows the comments of the proto.

use std::{future::poll_fn, pin::Pin, task::Poll};

use bytes::{Buf, Bytes};
use http_body::Body;

use super::super::*;
use crate::{
    hub::fanout::{EventStream, StreamCommand, StreamQueue},
    proto::watch_peers_response::Event,
};

/// A watcher that follows the comments of the proto.
pub(super) struct Watcher {
    peers: Arc<Peers>,
    pub(super) view: View,
    pub(super) stream: Option<EventStream<()>>,
    /// Received bytes that are not yet handled.
    raw: Vec<u8>,
    pub(super) list: BTreeMap<String, proto::Peer>,
    /// The revision of the list so far; 0 while a list is not complete.
    pub(super) seq: u64,
    pub(super) snapshots: usize,
    pub(super) listing: bool,
    pub(super) end: Option<String>,
}

impl Watcher {
    pub(super) fn new(peers: &Arc<Peers>, view: View) -> Self {
        Self {
            peers: peers.clone(),
            view,
            stream: None,
            raw: Vec::new(),
            list: BTreeMap::new(),
            seq: 0,
            snapshots: 0,
            listing: false,
            end: None,
        }
    }

    pub(super) fn open(&mut self) {
        let resumed = match self.seq {
            0 => Ok(NOTHING),
            seq => self.peers.resume(Position { epoch: self.peers.epoch, seq }, self.view),
        };
        let seq = resumed.unwrap_or(NOTHING);
        let queue = StreamQueue::new(None);
        let source = Arc::new(ListReader::new(self.peers.clone(), self.view));
        queue.push(StreamCommand::Join { source, seq, answer: Bytes::new() });
        (self.stream, self.end) = (Some(EventStream::new(queue, ())), None);
    }

    pub(super) fn close(&mut self) {
        self.stream = None;
        self.raw.clear();
        if std::mem::take(&mut self.listing) {
            self.seq = 0;
        }
    }

    /// Reads up to `limit` frames of the stream. Returns how many there were.
    pub(super) async fn read(&mut self, limit: usize) -> usize {
        for count in 0..limit {
            let Some(stream) = &mut self.stream else { return count };
            let mut polls = 0;
            let frame = poll_fn(|cx| match Pin::new(&mut *stream).poll_frame(cx) {
                // A snapshot takes a few polls.
                Poll::Pending if polls < 100 => {
                    polls += 1;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Poll::Pending => Poll::Ready(None),
                ready => ready,
            });
            match frame.await {
                None => return count,
                Some(frame) => match frame.unwrap().into_data() {
                    Ok(data) => self.take(&data),
                    Err(trailers) => {
                        let trailers = trailers.into_trailers().unwrap();
                        self.close();
                        self.end = Some(trailers["grpc-status"].to_str().unwrap().into());
                        return count;
                    }
                },
            }
        }
        limit
    }

    pub(super) fn take(&mut self, data: &[u8]) {
        self.raw.extend_from_slice(data);
        while let Some(length) = self.raw.get(1..5).map(|mut length| length.get_u32() as usize)
            && let Some(message) = self.raw.get(5..5 + length)
        {
            let answer = proto::WatchPeersResponse::decode(message).unwrap();
            self.raw.drain(..5 + length);
            self.handle(answer.event.unwrap());
        }
    }

    pub(super) fn handle(&mut self, event: Event) {
        match event {
            Event::Snapshot(part) => {
                if !std::mem::replace(&mut self.listing, true) {
                    self.list.clear();
                    self.snapshots += 1;
                }
                for peer in part.peers {
                    let name = peer.name.clone();
                    assert_eq!(self.list.insert(name, peer), None, "in an earlier part");
                }
                self.seq = part.revision.unwrap().seq;
                self.listing = !part.last;
                assert_eq!(part.current.is_some(), part.last);
            }
            Event::Delta(delta) => {
                let revision = delta.revision.unwrap();
                assert_eq!(
                    (revision.epoch, revision.seq),
                    (self.peers.epoch, self.seq + 1),
                    "a gap"
                );
                self.seq = revision.seq;
                for peer in delta.updated {
                    self.list.insert(peer.name.clone(), peer);
                }
                for change in delta.changed {
                    assert_eq!(self.view, View::Basic);
                    let old = self.list.get_mut(&change.name).unwrap();
                    let mut peer = Peer::try_from(old.clone()).unwrap();
                    wire::apply_change(&mut peer, &change).unwrap();
                    *old = self.view.of(&peer);
                }
                for name in delta.removed {
                    self.list.remove(&name).unwrap();
                }
            }
            Event::Goodbye(goodbye) => panic!("{goodbye:?}"),
        }
    }

    pub(super) async fn read_all(&mut self) {
        while self.read(1).await > 0 {}
    }
}
