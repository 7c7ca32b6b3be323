//! Futures that begin in the order in which they are made, wherever they are finished.

use std::{
    future::poll_fn,
    task::Poll::{Pending, Ready},
};

use tokio::task::unconstrained;

/// Polls `future` once and returns what is left of it, to be spawned as a task.
///
/// Tasks are first polled in any order. A future that queues up in a fair queue (a channel, a
/// semaphore) when it is first polled has its place there once this returns, and so posts are
/// sent in the order in which they were typed.
pub(crate) async fn begin<T: Send>(
    future: impl Future<Output = T> + Send,
) -> impl Future<Output = T> + Send {
    // Without this, a caller that used up its time slice would make the first poll do nothing.
    let mut future = Box::pin(unconstrained(future));
    let first = poll_fn(|context| Ready(future.as_mut().poll(context))).await;
    async move {
        match first {
            Ready(value) => value,
            Pending => future.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{sync::mpsc, task::JoinSet};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn what_was_begun_first_comes_first() {
        const COUNT: usize = 2000;
        let (sender, mut receiver) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        for i in 0..COUNT {
            let sender = sender.clone();
            tasks.spawn(begin(async move { sender.send(i).await.is_ok() }).await);
        }
        for i in 0..COUNT {
            assert_eq!(receiver.recv().await, Some(i));
        }
        assert!(tasks.join_all().await.into_iter().all(|sent| sent));
    }
}
