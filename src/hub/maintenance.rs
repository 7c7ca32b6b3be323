//! The background tasks of a hub: renewing leases, publishing changes, and cleaning up.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::MissedTickBehavior};

use super::{admission, peers::View, sessions::Sessions, state::HubState};
use crate::storage::Retention;

/// How often rooms without readers and idle rate limits are dropped.
const SWEEP: Duration = Duration::from_secs(30);

/// How often messages outside the retention are removed.
const RETAIN: Duration = Duration::from_secs(60);

/// How often it is recorded which names are in use.
const NAMES: Duration = Duration::from_secs(60 * 60);

/// Starts the tasks, which end when the result is dropped.
pub(super) fn start(
    state: &Arc<HubState>,
    retention: Retention,
    name_expiry: Option<Duration>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(renew_leases(state.clone()));
    let peers = state.peers.clone();
    tasks.spawn(async move { peers.publish().await });
    for view in [View::Basic, View::Full] {
        let peers = state.peers.clone();
        tasks.spawn(async move { peers.make_snapshots(view).await });
    }
    tasks.spawn(sweep(state.clone()));
    tasks.spawn(watch_names(state.clone()));
    tasks.spawn(expire_names(state.clone(), name_expiry));
    if retention != Retention::default() {
        tasks.spawn(retain(state.clone(), retention));
    }
    tasks
}

/// Renews the leases of sessions with an open stream, and shortens those of sessions that lost
/// their last one: two thirds of the lease had passed before the keepalive noticed. A lease never
/// ends before the time that the last Register or Renew promised.
async fn renew_leases(state: Arc<HubState>) {
    let mut ticks = tokio::time::interval(state.lease / 3);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let reconnect = state.lease / 3;
    loop {
        let leases: Vec<_> = tokio::select! {
            _ = ticks.tick() => {
                state.sessions.with_streams().into_iter().map(|id| (id, state.lease)).collect()
            }
            detached = state.sessions.detached() => {
                detached.into_iter().map(|(id, promised)| (id, promised.max(reconnect))).collect()
            }
        };
        for (id, lease) in leases {
            // Errors only if the session has ended in the meantime.
            let _ = state.directory.renew(id, lease).await;
        }
    }
}

async fn watch_names(state: Arc<HubState>) {
    let HubState { names, sessions, directory, .. } = &*state;
    admission::watch_names(&**names, sessions, &**directory).await;
}

async fn expire_names(state: Arc<HubState>, idle: Option<Duration>) {
    let mut ticks = tokio::time::interval(NAMES);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // At the start, none has passed.
    for hours in std::iter::once(0).chain(std::iter::repeat(1)) {
        ticks.tick().await;
        match state.names.expire(state.sessions.holders(), hours, idle).await {
            Ok(0) => {}
            Ok(freed) => tracing::info!(freed, "freed names that nobody used"),
            Err(error) => tracing::warn!(%error, "cannot record which names are in use"),
        }
    }
}

async fn sweep(state: Arc<HubState>) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        state.rooms.sweep();
        state.rate_limits.sweep();
    }
}

async fn retain(state: Arc<HubState>, retention: Retention) {
    let mut ticks = tokio::time::interval(RETAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match state.log.retain(retention).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed messages outside the retention"),
            Err(error) => tracing::warn!(%error, "cannot remove messages outside the retention"),
        }
    }
}

/// Returns once there was no session for `patience`; never if that is `None`.
pub(super) async fn idle(sessions: &Sessions, patience: Option<Duration>) {
    let Some(patience) = patience else { return std::future::pending().await };
    loop {
        sessions.wait_for_count(|count| *count == 0).await;
        let occupied = sessions.wait_for_count(|count| *count > 0);
        if tokio::time::timeout(patience, occupied).await.is_err() {
            return;
        }
    }
}
