//! A server under attack, its attackers, and what it holds meanwhile.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use chinwag::{
    identity::Identity,
    model::Endpoint,
    transport::{Channel, Dial, Trust, client_config},
};
use tokio::task::JoinSet;

use super::{
    super::{
        P99,
        attack::{Attacker, Tally, attack},
        honest::{Honest, Suffered},
        own_network::address,
    },
    Cell, MIB, Who,
};
use crate::support::{
    hub::{memory_of, reset_peak_of},
    keyed,
    metrics_page::Page,
    peer::named,
    within::{PATIENCE, within},
};

/// A server under attack.
pub(super) struct Target {
    pub(super) pid: u32,
    pub(super) at: SocketAddr,
    /// The most that it may take.
    pub(super) most: usize,
    pub(super) page: Option<Page>,
    /// The hub that the attackers register at.
    pub(super) hub: SocketAddr,
    pub(super) trust: Trust,
    /// The key of the server.
    pub(super) key: Trust,
    pub(super) honest: Honest,
    /// Counts the registrations of the attackers.
    pub(super) generation: usize,
    pub(super) everybody: Option<Vec<Attacker>>,
}

impl Target {
    pub(super) fn channel(at: SocketAddr, trust: &Trust, own: &Identity) -> Channel {
        let dial = Dial::tls(Some(own.credentials()), trust).unwrap();
        dial.channel(&Endpoint::from(at)).unwrap()
    }

    /// Returns the attackers, registered if they have keys.
    async fn attackers(&mut self, who: Who) -> Vec<Attacker> {
        if self.everybody.is_none() {
            self.generation += 1;
            let mut all = vec![Attacker {
                from: address(10),
                tls: client_config(None, &self.key).unwrap(),
                tokens: [].into(),
            }];
            for host in 0..9 {
                all.push(self.register(host).await);
            }
            self.everybody = Some(all);
        }
        let all = self.everybody.as_ref().unwrap();
        match who {
            Who::Stranger => all[..1].to_vec(),
            Who::Identity => all[1..2].to_vec(),
            Who::Addresses => all[2..].to_vec(),
            Who::Everybody => all.clone(),
        }
    }

    async fn register(&self, host: u8) -> Attacker {
        let own = Identity::generate().unwrap();
        let name = format!("mallory{host}.{}", self.generation);
        let channel = Self::channel(self.hub, &self.trust, &own);
        let mut tokens = Vec::new();
        for _ in 0..32 {
            let session = keyed::register_on(channel.clone(), None, named(&name)).await.unwrap();
            tokens.push(session.registered.token);
        }
        let tls = client_config(Some(own.credentials()), &self.key).unwrap();
        Attacker { from: address(11 + host), tls, tokens: tokens.into() }
    }

    /// Attacks in some way. A slow run is repeated twice, because the machine may have been busy.
    pub(super) async fn suffer(&mut self, cell: &Cell) {
        for left in (0..3).rev() {
            let attackers = self.attackers(cell.who).await;
            self.honest.suffered();
            reset_peak_of(self.pid);
            let watch = Watch::start(self.page);
            let tally =
                attack(self.at, attackers, cell.connections, cell.calls.clone(), cell.lasts).await;
            let held = watch.most();
            let peak = memory_of(self.pid, "VmHWM:");
            let suffered = self.honest.suffered();
            if cell.calls.iter().any(|call| call.path.ends_with("/Unregister")) {
                self.everybody = None;
            }
            row(cell, peak, held, &suffered, &tally);
            assert!(peak <= self.most, "{}: it took {peak} bytes", cell.what);
            assert!(tally.untold.is_empty(), "{}: {:?}", cell.what, tally.untold);
            assert!(tally.streams > 0, "{}: no call was made", cell.what);
            assert!(!self.honest.is_gone(), "{}: the honest client is gone", cell.what);
            self.recover().await;
            if suffered.p99() <= P99 {
                return;
            }
            assert!(left > 0, "{}: {suffered}", cell.what);
        }
    }

    /// Waits until the attackers' connections are gone, and with them what they held.
    async fn recover(&self) {
        let Some(page) = self.page else { return };
        let gone = async {
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            while page.value("chinwag_hub_connections{kind=\"tls\"}") > 1.0 {
                pace.tick().await;
            }
        };
        within(PATIENCE, "the end of the attackers' connections", gone).await;
        let (held, limit) = (
            page.value("chinwag_hub_memory_held_bytes"),
            page.value("chinwag_hub_memory_limit_bytes"),
        );
        assert!(held < limit / 2.0, "{held} of {limit} bytes are still held");
    }
}

/// Watches what a hub holds.
struct Watch {
    most: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Watch {
    fn start(page: Option<Page>) -> Self {
        let most = Arc::new(AtomicUsize::new(0));
        let seen = most.clone();
        let watch = async move {
            let Some(page) = page else { return };
            let mut pace = tokio::time::interval(Duration::from_millis(100));
            loop {
                let held = tokio::task::spawn_blocking(move || {
                    page.value("chinwag_hub_memory_held_bytes")
                });
                seen.fetch_max(held.await.unwrap() as usize, Relaxed);
                pace.tick().await;
            }
        };
        let mut task = JoinSet::new();
        task.spawn(watch);
        Self { most, _task: task }
    }

    fn most(&self) -> usize {
        self.most.load(Relaxed)
    }
}

fn row(cell: &Cell, peak: usize, held: usize, suffered: &Suffered, tally: &Tally) {
    eprintln!(
        "| {:<70} | {:>4} | {:>4} | {:>6.1} | {:>7} | {:>5} | {:>5} | {:>7} |",
        cell.what,
        peak / MIB,
        held / MIB,
        suffered.p99().as_secs_f64() * 1000.0,
        tally.refused,
        tally.ended,
        tally.connections,
        tally.streams,
    );
}

pub(super) fn head(what: &str) {
    eprintln!(
        "\n{what}\n| {:<70} | peak MiB | held MiB | p99 ms | refused | ended | connections | streams |",
        "cell"
    );
}
