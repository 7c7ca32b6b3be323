//! Attacks on a real hub while an honest client chats beside them: the hub stays up, its memory is
//! bounded, the honest client is served in time, and refusals name a reason where the protocol
//! allows.
#![cfg(target_os = "linux")]

use std::{future::Future, net::SocketAddr, time::Duration};

use parking_lot::{Mutex, MutexGuard};

mod attack;
mod charges;
mod connections;
mod floods;
mod frames;
mod honest;
mod matrix;
mod own_network;
mod streams;

use crate::support::{hub::TestHub, metrics_page};
use honest::Honest;

/// The maximum 99th percentile of the honest client's latency, from posting to receiving.
const P99: Duration = Duration::from_millis(250);

/// The maximum peak memory of the hub under any of these attacks.
const MEMORY: usize = 256 * 1024 * 1024;

/// The network of the attackers. The honest client is at 127.0.0.1, and limits apply per address.
const AFAR: [u8; 4] = [127, 0, 0, 2];

/// Serializes the attacks, so that the honest client is affected by one only.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock()
}

/// Starts a hub with the limits for remote callers, and with metrics.
fn hub(files: Option<u32>) -> TestHub {
    let args = ["--ephemeral", "--rate-loopback", "--metrics-listen", "127.0.0.1:0"];
    TestHub::with_files(&args, files)
}

/// Attacks a hub while an honest client uses it.
///
/// A slow run is repeated once, because the machine may have been busy.
fn under_attack<F: Future<Output = ()>>(
    what: &str,
    files: Option<u32>,
    attack: impl Fn(SocketAddr, metrics_page::Page) -> F,
) {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for again in [true, false] {
        let hub = hub(files);
        let page = metrics_page::Page::of(&hub);
        let honest = Honest::enter(hub.address());
        runtime.block_on(attack(hub.address(), page));
        let suffered = honest.leave();
        let memory = hub.peak_memory();
        eprintln!("{what}: {suffered}, the hub's memory at most {} MiB", memory >> 20);
        assert!(memory < MEMORY, "{what}: the hub took {memory} bytes");
        assert!(!hub.log().contains("panicked"), "{what}");
        if suffered.p99() < P99 {
            return;
        }
        assert!(again, "{what}: {suffered}");
    }
}

#[test]
fn two_thousand_silent_connections() {
    under_attack("2,000 silent connections", None, connections::silent);
}

#[test]
fn slow_prefaces() {
    under_attack("slow prefaces", None, connections::slow_prefaces);
}

#[test]
fn garbage_and_tls_garbage() {
    under_attack("garbage", None, connections::garbage);
}

#[test]
fn more_connections_than_files() {
    under_attack("256 files", Some(256), connections::more_than_files);
}

#[test]
fn ten_thousand_streams() {
    under_attack("10,000 streams", None, streams::ten_thousand);
}

#[test]
fn rapid_resets() {
    under_attack("rapid resets", None, streams::rapid_resets);
}

#[test]
fn forced_resets() {
    under_attack("forced resets", None, streams::forced_resets);
}

#[test]
fn oversized_headers() {
    under_attack("oversized headers", None, streams::oversized_headers);
}

#[test]
fn oversized_messages() {
    under_attack("oversized messages", None, floods::oversized_messages);
}

#[test]
fn a_flood_of_posts() {
    under_attack("a flood of posts", None, floods::posts);
}

#[test]
fn a_flood_of_registrations() {
    under_attack("a flood of registrations", None, floods::registrations);
}

#[test]
fn five_hundred_readers_that_stop_reading() {
    under_attack("500 readers that stop reading", None, floods::readers_that_stop);
}

/// Every rpc in every way. The memory and the latency are not within their limits yet.
#[test]
#[ignore = "fails; `make abuse` runs it"]
fn all_calls_of_a_hub() {
    let _alone = alone();
    if own_network::within("stress::abuse::all_calls_of_a_hub") {
        matrix::attack_hub(matrix::is_whole());
    }
}

#[test]
#[ignore = "fails; `make abuse` runs it"]
fn all_calls_of_a_client() {
    let _alone = alone();
    if own_network::within("stress::abuse::all_calls_of_a_client") {
        matrix::attack_client(matrix::is_whole());
    }
}

#[test]
fn charges_match_the_memory_of_a_hub() {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(charges::match_memory());
}
