//! Turns at something that only a few callers can do at a time.
//!
//! Whoever waits is in the queue of its peer, and the queues take turns. So a peer with many requests
//! delays its own, not those of others.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{
    error::{RequestError, Result},
    model::Name,
};

/// Requests of a peer that wait: those of a whole connection.
const MAX_WAITING_OF_PEER: usize = 128;

/// Requests of all peers that wait.
const MAX_WAITING: usize = 4_096;

/// When to try again while too many wait.
const FULL_DELAY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Turns {
    table: Mutex<Table>,
    closed: CancellationToken,
}

#[derive(Debug)]
struct Table {
    /// Turns that nobody has. If there is one, nobody waits.
    free: usize,
    waiting: usize,
    queues: HashMap<Name, VecDeque<oneshot::Sender<Turn>>>,
    /// The peers with a queue; the first is next.
    order: VecDeque<Name>,
}

/// Passes to the next caller on drop.
#[derive(Debug)]
struct Turn(Arc<Turns>);

impl Turns {
    /// Makes turns of which so many can be had at a time.
    pub(crate) fn new(count: usize) -> Arc<Self> {
        let (queues, order) = (HashMap::new(), VecDeque::new());
        let table = Table { free: count, waiting: 0, queues, order };
        Arc::new(Self { table: Mutex::new(table), closed: CancellationToken::new() })
    }

    /// Does the work of a request when it is the peer's turn. Errors:
    /// [`RequestError::RateLimited`] if too many wait, [`RequestError::ShuttingDown`] once closed, which
    /// drops the work.
    pub(crate) async fn run<T>(
        self: &Arc<Self>,
        peer: &Name,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let in_turn = async {
            let _turn = self.take(peer, MAX_WAITING_OF_PEER).await?;
            work.await
        };
        tokio::select! {
            biased;
            () = self.closed.cancelled() => Err(RequestError::ShuttingDown),
            done = in_turn => done,
        }
    }

    /// Does the work of a stream when it is the peer's turn. Each stream waits for one turn at a time, and
    /// streams are limited; so no other limit applies.
    pub(crate) async fn run_for_stream<T>(
        self: &Arc<Self>,
        peer: &Name,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let _turn = self.take(peer, usize::MAX).await?;
        work.await
    }

    /// Ends the work of requests, and refuses those that wait or come later.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    /// Waits for a turn, unless `limit` of this peer or too many in all wait.
    async fn take(self: &Arc<Self>, peer: &Name, limit: usize) -> Result<Turn> {
        let turn = {
            let mut table = self.table.lock();
            if table.free > 0 {
                table.free -= 1;
                return Ok(Turn(self.clone()));
            }
            let waiting = table.forget_cancelled(peer);
            if limit < usize::MAX && (waiting >= limit || table.waiting >= MAX_WAITING) {
                return Err(RequestError::RateLimited { what: "reads", retry_after: FULL_DELAY });
            }
            table.enqueue(peer)
        };
        turn.await.map_err(|_| RequestError::ShuttingDown)
    }
}

impl Table {
    /// Drops the requests of a peer that were cancelled. Returns how many of it wait.
    fn forget_cancelled(&mut self, peer: &Name) -> usize {
        let Some(queue) = self.queues.get_mut(peer) else { return 0 };
        let before = queue.len();
        queue.retain(|next| !next.is_closed());
        self.waiting -= before - queue.len();
        queue.len()
    }

    fn enqueue(&mut self, peer: &Name) -> oneshot::Receiver<Turn> {
        let (next, turn) = oneshot::channel();
        self.waiting += 1;
        let queue = self.queues.entry(peer.clone()).or_insert_with(|| {
            self.order.push_back(peer.clone());
            VecDeque::new()
        });
        queue.push_back(next);
        turn
    }

    /// Returns the next that waits: the first of the first queue, which is the last one then.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        while let Some(peer) = self.order.pop_front() {
            let Some(queue) = self.queues.get_mut(&peer) else { continue };
            let next = queue.pop_front();
            self.waiting -= usize::from(next.is_some());
            if queue.is_empty() {
                self.queues.remove(&peer);
            } else {
                self.order.push_back(peer);
            }
            if let Some(next) = next.filter(|next| !next.is_closed()) {
                return Some(next);
            }
        }
        None
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut table = self.0.table.lock();
            let next = table.next();
            table.free += usize::from(next.is_none());
            next
        };
        if let Some(next) = next {
            // One that was just cancelled passes its turn on.
            let _ = next.send(Self(self.0.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin, task::Poll};

    use tokio::sync::Notify;

    use super::*;
    use crate::error::Reason;

    fn peer(name: &str) -> Name {
        Name::parse(name).unwrap()
    }

    /// Lets a request run until it waits. Returns the answer if it is done.
    async fn advance<T>(request: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        let mut request = pin!(request);
        poll_fn(|cx| match request.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    #[tokio::test]
    async fn a_peer_with_many_requests_delays_only_its_own() {
        let (turns, order, end) = (Turns::new(1), Mutex::new(Vec::new()), Notify::new());
        let request = |name: &'static str| {
            let (turns, order) = (turns.clone(), &order);
            Box::pin(async move {
                let work = async {
                    order.lock().push(name);
                    Ok(())
                };
                turns.run(&peer(name), work).await
            })
        };
        let first = async {
            end.notified().await;
            Ok(())
        };
        let zoe = peer("zoe");
        let mut first = pin!(turns.run(&zoe, first));
        assert!(advance(&mut first).await.is_none());
        let mut waiting: Vec<_> = (0..9).map(|_| request("mallory")).collect();
        waiting.extend([request("alice"), request("bob"), request("alice")]);
        for request in &mut waiting {
            assert!(advance(request).await.is_none());
        }
        // A cancelled request has no turn.
        drop(waiting.remove(10));
        end.notify_one();
        first.await.unwrap();
        while !waiting.is_empty() {
            let mut left = Vec::new();
            for mut request in waiting {
                match advance(&mut request).await {
                    Some(done) => done.unwrap(),
                    None => left.push(request),
                }
            }
            waiting = left;
        }
        let first_four = ["mallory", "alice", "mallory", "alice"];
        assert_eq!(order.lock()[..4], first_four);
        assert_eq!(order.lock().len(), 11);
        assert_eq!(turns.table.lock().free, 1);
    }

    #[tokio::test]
    async fn few_wait_and_none_after_the_end() {
        let turns = Turns::new(1);
        let (mallory, alice) = (peer("mallory"), peer("alice"));
        let never = || Box::pin(std::future::pending::<Result<()>>());
        let mut held = Box::pin(turns.run(&alice, never()));
        assert!(advance(&mut held).await.is_none());
        let mut waiting: Vec<_> =
            (0..MAX_WAITING_OF_PEER).map(|_| Box::pin(turns.run(&mallory, never()))).collect();
        for request in &mut waiting {
            assert!(advance(request).await.is_none());
        }
        let refused = turns.run(&mallory, never()).await.unwrap_err();
        assert_eq!(crate::wire::reason(&refused), Reason::RateLimited);
        let mut stream = Box::pin(turns.run_for_stream(&mallory, never()));
        assert!(advance(&mut stream).await.is_none(), "streams wait");
        // Those that are cancelled make room.
        waiting.truncate(9);
        let mut another = Box::pin(turns.run(&mallory, never()));
        assert!(advance(&mut another).await.is_none());

        turns.close();
        for mut request in waiting.into_iter().chain([held, another]) {
            let ended = advance(&mut request).await.unwrap().unwrap_err();
            assert!(matches!(ended, RequestError::ShuttingDown), "{ended}");
        }
        assert!(matches!(turns.run(&alice, never()).await, Err(RequestError::ShuttingDown)));
    }

    #[tokio::test]
    async fn all_peers_together_wait_within_a_limit() {
        let turns = Turns::new(0);
        let peers: Vec<_> = (0..MAX_WAITING).map(|at| peer(&format!("peer{at}"))).collect();
        let mut waiting: Vec<_> =
            peers.iter().map(|peer| Box::pin(turns.run(peer, async { Ok(()) }))).collect();
        for request in &mut waiting {
            assert!(advance(request).await.is_none());
        }
        let refused = turns.run(&peer("alice"), async { Ok(()) }).await.unwrap_err();
        assert_eq!(crate::wire::reason(&refused), Reason::RateLimited);
    }
}
