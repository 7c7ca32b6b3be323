//! Every rpc of both servers, attacked in every way by every kind of caller, each alone and all at
//! once. The rpcs are those of the descriptors: a new one is attacked without a change here.

mod requests;
mod target;

use std::{collections::BTreeMap, net::SocketAddr, path::Path, time::Duration};

use chinwag::{
    identity::Identity,
    model::JoinLink,
    proto::{self, HUB_DESCRIPTORS, PEER_DESCRIPTORS, chat_request::Request},
    transport::Trust,
};
use prost::Message;
use prost_types::FileDescriptorSet;
use tempfile::TempDir;

use self::{
    requests::requests,
    target::{Target, head},
};
use super::{
    attack::{Calls, Rpc, Way},
    honest::Honest,
    own_network::address,
};
use crate::support::{
    cli::{self, Running},
    hub::TestHub,
    keyed,
    metrics_page::Page,
    peer::{Chat, Session, named, new_id},
};

const MIB: usize = 1024 * 1024;

/// What a process may take beyond its budget.
const BESIDES: usize = 64 * MIB;

/// The memory of a client with its PeerChat server.
const CLIENT: usize = 64 * MIB;

/// The room with much history.
const DEN: &str = "den";

/// The address of the servers and of the honest client.
const SERVER: u8 = 1;

/// Who attacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// One address without a key or a session.
    Stranger,
    /// One key with all of its sessions.
    Identity,
    /// Eight addresses, each with a key and sessions of its own.
    Addresses,
    Everybody,
}

/// A part of the matrix.
struct Cell {
    what: String,
    calls: Calls,
    who: Who,
    /// Connections of each attacker.
    connections: usize,
    lasts: Duration,
}

/// As many connections as one address may have.
const CONNECTIONS: usize = 256;

/// Enough to exceed the limits of an address, a peer and the whole. A program that is not optimized
/// needs seconds of processor time for more.
const FEW_CONNECTIONS: usize = 8;

fn cell(rpc: &Rpc, way: Way, who: Who, connections: usize, lasts: Duration) -> Cell {
    let what = format!("{} {way:?} {who:?}", rpc.path.trim_start_matches('/'));
    Cell { what, calls: [rpc.call(way)].into(), who, connections, lasts }
}

/// All cells, and then all at once.
fn whole(rpcs: &[Rpc]) -> Vec<Cell> {
    let lasts = Duration::from_secs(2);
    let mut cells = Vec::new();
    for rpc in rpcs {
        for way in Way::ALL {
            for who in [Who::Stranger, Who::Identity, Who::Addresses] {
                cells.push(cell(rpc, way, who, CONNECTIONS, lasts));
            }
        }
    }
    cells.push(at_once(rpcs, CONNECTIONS, Duration::from_secs(10)));
    cells
}

fn at_once(rpcs: &[Rpc], connections: usize, lasts: Duration) -> Cell {
    let calls = rpcs.iter().flat_map(|rpc| Way::ALL.map(|way| rpc.call(way)));
    let (what, calls) = ("all at once".into(), calls.collect());
    Cell { what, calls, who: Who::Everybody, connections, lasts }
}

/// The cells that took most memory when the whole matrix ran, and then all at once.
fn worst(rpcs: &[Rpc], which: &[(&str, Way, Who)]) -> Vec<Cell> {
    let lasts = Duration::from_secs(3);
    let one = |(name, way, who): &(&str, Way, Who)| {
        let rpc = rpcs.iter().find(|rpc| rpc.path.ends_with(name)).expect(name);
        cell(rpc, *way, *who, FEW_CONNECTIONS, lasts)
    };
    which.iter().map(one).chain([at_once(rpcs, FEW_CONNECTIONS, lasts)]).collect()
}

/// Returns the rpcs of some descriptors, and of health and reflection.
fn rpcs(descriptors: &[u8], target: &str) -> Vec<Rpc> {
    let sets = [
        descriptors,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let mut rpcs = BTreeMap::new();
    for file in sets.iter().flat_map(|set| FileDescriptorSet::decode(*set).unwrap().file) {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                let is_stream = method.client_streaming();
                let requests = requests(&path, target);
                let largest = match &path {
                    path if path.contains("/grpc.") => 4 * 1024,
                    path if path.contains(".Presence/") => 16 * 1024,
                    path if path.contains(".PeerChat/") => 32 * 1024,
                    _ => 256 * 1024,
                };
                let rpc = Rpc { path: path.clone(), is_stream, requests, largest };
                rpcs.insert(path, rpc);
            }
        }
    }
    assert!(rpcs.len() >= 6, "{:?}", rpcs.keys());
    rpcs.into_values().collect()
}

/// Runs the attackers at a low priority: the time that they take for themselves is not the hub's.
fn run(future: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let builder = builder.enable_all().on_thread_start(|| {
        // Of this thread only (setpriority(2), "C library/kernel differences").
        rustix::process::nice(10).unwrap();
    });
    builder.build().unwrap().block_on(future);
}

/// A directory in memory: what other programs write to the disk is not measured.
fn in_memory() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

fn start_hub(data: &Path, memory: Option<&str>) -> (TestHub, SocketAddr, Trust) {
    let data = data.to_str().unwrap();
    let metrics = ["--metrics-listen", "127.0.0.1:0", "--lease", "600s", "--data-dir", data];
    let memory = memory.map(|memory| ["--memory", memory]);
    let args: Vec<_> = metrics.into_iter().chain(memory.into_iter().flatten()).collect();
    let hub = TestHub::at("0.0.0.0:0", &args);
    let at = SocketAddr::from((address(SERVER), hub.address().port()));
    let trust = Trust::Pinned(JoinLink::parse(hub.link()).unwrap().fingerprint.unwrap());
    (hub, at, trust)
}

/// Attacks a hub.
fn attack_hub_with(memory: Option<&str>, budget: usize, cells: impl FnOnce(&[Rpc]) -> Vec<Cell>) {
    let data = in_memory();
    let (hub, at, trust) = start_hub(data.path(), memory);
    run(async {
        let local = SocketAddr::from(([127, 0, 0, 1], at.port()));
        fill(local).await;
        let own = Identity::generate().unwrap();
        let channel = Target::channel(at, &trust, &own);
        let honest = Honest::chatting(async move {
            keyed::register_on(channel, None, named("alice")).await.unwrap()
        });
        let mut target = Target {
            pid: hub.pid(),
            at,
            most: budget + BESIDES,
            page: Some(Page::of(&hub)),
            hub: at,
            key: trust.clone(),
            trust,
            honest,
            generation: 0,
            everybody: None,
        };
        head(&format!("hub, --memory {}", memory.unwrap_or("of the default")));
        for cell in cells(&rpcs(HUB_DESCRIPTORS, "")) {
            target.suffer(&cell).await;
            assert!(!hub.log().contains("panicked"), "{}", cell.what);
        }
        target.honest.leave();
    });
}

/// Fills the hub: history with texts of 1 KiB, and peers with many endpoints.
pub(crate) async fn fill(hub: SocketAddr) {
    let filler = Session::of(hub, "filler").await;
    let mut chat: Chat = filler.chat().await;
    let join = proto::Join { room: DEN.into(), start: None };
    chat.say(Request::Join(join)).await;
    let text = "walnut ".repeat(140);
    for _ in 0..15 {
        for _ in 0..100 {
            chat.post(DEN, &new_id(), &text).await;
        }
        let mut posted = 0;
        while posted < 100 {
            let is_posted = matches!(chat.next().await, proto::chat_response::Event::Posted(_));
            posted += usize::from(is_posted);
        }
    }
    let endpoint = |i: usize| proto::Endpoint {
        host: format!("{i}.{}", "squirrel.".repeat(27)) + "example",
        port: 50_051,
    };
    for i in 0..300 {
        let endpoints = (0..8).map(endpoint).collect();
        let request =
            proto::RegisterRequest { name: format!("crowd{i}"), endpoints, ..Default::default() };
        crate::support::peer::register_on(&filler, request).await;
    }
}

/// Attacks the PeerChat server of a client.
fn attack_client_with(cells: impl FnOnce(&[Rpc]) -> Vec<Cell>) {
    let (data, home) = (in_memory(), in_memory());
    let (hub, at, trust) = start_hub(data.path(), None);
    let link = hub.link().replace("0.0.0.0", &address(SERVER).to_string());
    let listen = format!("{}:0", address(SERVER));
    let args = ["--name", "walnut", "--hub", &link, "--listen", &listen, "listen"];
    let walnut = Running::start(cli::homeless(home.path(), &args));
    let port = walnut.direct_address().port();
    run(async {
        let own = Identity::generate().unwrap();
        let session = keyed::register_on(Target::channel(at, &trust, &own), None, named("alice"));
        let session = session.await.unwrap();
        let request = proto::GetPeerRequest { name: "walnut".into(), ..Default::default() };
        let peer = session.presence().get_peer(request).await.unwrap().into_inner().peer.unwrap();
        let key = Trust::Pinned(
            chinwag::model::Certificate::parse(&peer.certificate).unwrap().fingerprint(),
        );
        let direct = SocketAddr::from((address(SERVER), port));
        let channel = Target::channel(direct, &key, &own);
        let mut target = Target {
            pid: walnut.pid(),
            at: direct,
            most: CLIENT,
            page: None,
            hub: at,
            trust,
            key,
            honest: Honest::sending(channel, "alice", "walnut"),
            generation: 0,
            everybody: None,
        };
        head("a client's PeerChat");
        for cell in cells(&rpcs(PEER_DESCRIPTORS, "walnut")) {
            target.suffer(&cell).await;
        }
        target.honest.leave();
        drop(session);
    });
}

/// Returns true if the whole matrix is to run (`make abuse`).
pub(crate) fn is_whole() -> bool {
    std::env::var("CHINWAG_ABUSE").is_ok_and(|which| which == "whole")
}

/// Attacks a hub with the whole matrix, or with the worst of it.
pub(crate) fn attack_hub(is_whole: bool) {
    use Way::*;
    use Who::*;
    let least = (Some("192MiB"), 192 * MIB);
    if is_whole {
        attack_hub_with(least.0, least.1, whole);
        attack_hub_with(None, chinwag::transport::Budget::DEFAULT_LIMIT, whole);
    } else {
        let which = [
            ("Broadcast/Chat", Unread, Identity),
            ("Broadcast/Chat", Unfinished, Addresses),
            ("Broadcast/ListMessages", Unread, Addresses),
            ("v1.ServerReflection/ServerReflectionInfo", Unread, Stranger),
        ];
        attack_hub_with(least.0, least.1, |rpcs| worst(rpcs, &which));
    }
}

/// The same for a client's PeerChat.
pub(crate) fn attack_client(is_whole: bool) {
    use Way::*;
    use Who::*;
    let which = [("PeerChat/Send", Unfinished, Addresses), ("PeerChat/Converse", Unread, Identity)];
    if is_whole {
        attack_client_with(whole);
    } else {
        attack_client_with(|rpcs| worst(rpcs, &which));
    }
}
