//! Histories of Post, ListMessages and Subscribe, recorded while the hub is killed, are
//! linearizable. The checker is porcupine, in `tools/go/linearizable`.

use std::process::Command;

use rand::{Rng, SeedableRng, rngs::StdRng};

mod calls;
mod clients;

use crate::support::{hub::TestHub, tools};
use calls::{Call, Kind, corrupted};
use clients::Clients;

/// Kills of the hub.
const KILLS: usize = 16;

/// The maximum number of acknowledged posts between a start of the hub and its kill.
const MOST_POSTS: usize = 120;

/// Returns the exit code of the checker, and what it prints.
fn checked(checker: &std::path::Path, calls: &[Call]) -> (Option<i32>, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    serde_json::to_writer(&file, calls).unwrap();
    let output = Command::new(checker).arg(file.path()).output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(printed).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_histories_are_linearizable() {
    let Some(checker) = tools::fetched("linearizable") else { return };
    let mut rng = StdRng::from_rng(&mut rand::rng());
    let data = tempfile::tempdir().unwrap();
    let mut hub = TestHub::with(&["--data-dir", data.path().to_str().unwrap()]);
    let clients = Clients::start(hub.address());
    for _ in 0..KILLS {
        clients.acknowledged(rng.random_range(1..=MOST_POSTS)).await;
        hub.kill9();
        hub.restart();
        clients.hub_is_back();
    }
    let calls = clients.stop().await;

    let count = |kind| calls.iter().filter(|call| call.kind == kind).count();
    let unanswered = calls.iter().filter(|call| call.end.is_none()).count();
    let (code, printed) = checked(&checker, &calls);
    println!(
        "{KILLS} kills, {} posts, {unanswered} of them without an answer, {} lists, {} deliveries: \
         {printed}",
        count(Kind::Post),
        count(Kind::List),
        count(Kind::Deliver),
    );
    assert_eq!(code, Some(0), "{printed}");
    assert!(unanswered > 0, "no kill met a post");

    // A checker that accepts everything would prove nothing.
    for (what, history) in corrupted(&calls) {
        let (code, printed) = checked(&checker, &history);
        print!("{what}: {printed}");
        assert_eq!(code, Some(1), "{what}: {printed}");
    }
}
