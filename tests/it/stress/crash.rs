//! The hub is killed repeatedly while fifty clients chat: no acknowledged message is lost,
//! duplicated or moved, and everyone receives each once.
//!
//! `make crash-test CYCLES=1000` kills it more often than the usual run. The moments are random;
//! CHINWAG_CRASH_SEED=N repeats those of another run.

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::support::{audit::Log, crowd::Crowd, hub::TestHub};

/// The default number of kills.
const CYCLES: u64 = 30;

const MEMBERS: usize = 50;

/// The size of a member's post.
const TEXT_BYTES: usize = 100;

/// The maximum number of acknowledged posts between a start of the hub and its kill.
const MOST_POSTS: usize = 300;

/// Every `FULL`th crash waits for all members to reconnect. The others do not: after a few losses
/// clients wait for up to five seconds.
const FULL: u64 = 5;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect(name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_posts_survive_crashes_of_the_hub() {
    let cycles = setting("CHINWAG_CRASH_CYCLES").unwrap_or(CYCLES);
    let seed = setting("CHINWAG_CRASH_SEED").unwrap_or_else(rand::random);
    println!("CHINWAG_CRASH_CYCLES={cycles} CHINWAG_CRASH_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let data = tempfile::tempdir().unwrap();
    let mut hub = TestHub::with(&["--data-dir", data.path().to_str().unwrap()]);
    let began = Instant::now();
    let crowd = Crowd::gather(hub.address(), MEMBERS, TEXT_BYTES).await;
    let mut log = Log::default();
    for cycle in 0..cycles {
        if cycle % FULL == 0 {
            crowd.complete().await;
        }
        crowd.acknowledged(rng.random_range(0..=MOST_POSTS)).await;
        hub.kill9();
        hub.restart();
        log.read_on(hub.address()).await;
    }
    let accounts = log.question(crowd, hub.address()).await;

    let complaints = log.complaints(&accounts);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_eq!(log, Log::read(hub.address()).await, "what was read before is not the same now");
    let returns = accounts.heard.iter().map(|heard| heard.returns);
    assert!(returns.clone().all(|returns| returns > 0), "somebody did not have to come back");
    let resent = accounts.said.iter().flatten().filter(|posted| posted.duplicate).count();
    println!(
        "{cycles} crashes in {:.0?}: {} messages stored, {resent} of them acknowledged only after a \
         crash, {} heard, {} returns",
        Duration::from_secs(began.elapsed().as_secs()),
        log.count(),
        log.count() * MEMBERS,
        returns.sum::<usize>(),
    );
}
