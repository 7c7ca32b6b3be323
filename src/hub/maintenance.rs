//! What a hub does without being asked: it keeps leases, publishes changes, and tidies up.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::MissedTickBehavior};

use super::{State, admission, sessions::Sessions};
use crate::storage::Retention;

/// How often rooms that nobody reads are forgotten.
const SWEEP: Duration = Duration::from_secs(30);

/// How often messages that need not be kept are removed.
const RETAIN: Duration = Duration::from_secs(60);

/// Begins all of it. It ends when the answer is dropped.
pub(super) fn begin(state: &Arc<State>, retention: Retention) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(keep_leases(state.clone()));
    tasks.spawn(publish_peers(state.clone()));
    tasks.spawn(sweep_rooms(state.clone()));
    tasks.spawn(watch_members(state.clone()));
    if retention != Retention::default() {
        tasks.spawn(retain(state.clone(), retention));
    }
    tasks
}

/// Prolongs the leases of the sessions that have a stream, and cuts short those that lost their
/// last: the keepalive has used up two thirds of the lease before it noticed. Never before the time
/// that a registration or a Renew has promised, which were signs of life themselves.
async fn keep_leases(state: Arc<State>) {
    let mut ticks = tokio::time::interval(state.lease / 3);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let comeback = state.lease / 3;
    loop {
        let leases: Vec<_> = tokio::select! {
            _ = ticks.tick() => {
                state.sessions.held().into_iter().map(|id| (id, state.lease)).collect()
            }
            loosened = state.sessions.loosened() => {
                loosened.into_iter().map(|(id, promised)| (id, promised.max(comeback))).collect()
            }
        };
        for (id, lease) in leases {
            // A session that has ended meanwhile needs no lease.
            let _ = state.directory.renew(id, lease).await;
        }
    }
}

async fn publish_peers(state: Arc<State>) {
    state.peers.publish().await;
}

async fn watch_members(state: Arc<State>) {
    let State { members, sessions, directory, .. } = &*state;
    admission::watch_members(&**members, sessions, &**directory).await;
}

async fn sweep_rooms(state: Arc<State>) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        state.rooms.sweep();
        state.gates.sweep();
    }
}

async fn retain(state: Arc<State>, retention: Retention) {
    let mut ticks = tokio::time::interval(RETAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match state.log.retain(retention).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "messages that need not be kept are removed"),
            Err(error) => tracing::warn!(%error, "no messages could be removed"),
        }
    }
}

/// Ends when there was no session for `patience`.
pub(super) async fn idle(sessions: &Sessions, patience: Option<Duration>) {
    let Some(patience) = patience else { return std::future::pending().await };
    let mut count = sessions.count();
    loop {
        // The sender is part of `sessions`: it cannot be gone.
        let _ = count.wait_for(|count| *count == 0).await;
        let somebody = count.wait_for(|count| *count > 0);
        if tokio::time::timeout(patience, somebody).await.is_err() {
            return;
        }
    }
}
