//! The workloads, their contenders and the goals of chinwag.

mod catch_up;
mod direct;
mod durable;
mod fan_out;
mod idle;
mod restart;
mod rooms;
mod stalled;
mod storm;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;
use tokio::time::{sleep, timeout};

use crate::{
    contender::Contender,
    figure::{Bound, Figures, Goal, Metric},
    over::Over,
};

/// The maximum time of a run; joiners have four times as much.
const PATIENCE: Duration = Duration::from_secs(240);

/// The pause between preparation and measurement.
const REST: Duration = Duration::from_millis(500);

/// The bytes of a usual text.
const TEXT_BYTES: usize = 100;

/// The room of workloads with one room.
const ROOM: &str = "bench";

/// The amount of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scale {
    /// The amount that the goals refer to.
    Full,
    /// A tenth of everything, to check that it runs.
    Small,
}

impl Scale {
    /// Returns the number, or a tenth of it.
    pub(crate) fn of(self, full: usize) -> usize {
        match self {
            Self::Full => full,
            Self::Small => full.div_ceil(10),
        }
    }

    /// Returns the time, or a tenth of it.
    fn time(self, full: Duration) -> Duration {
        full * u32::try_from(self.of(100)).unwrap_or(100) / 100
    }
}

/// A workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Work {
    /// 1,000 subscribers, 10,000 messages of 100 bytes, as fast as possible
    Burst,
    /// 1,000 subscribers, 40 messages per second for 10 s
    Paced,
    /// 100 subscribers, 1,000 messages of 16 KiB, as fast as possible
    Large,
    /// 200 rooms of 10 members, each posting 50 messages
    Rooms,
    /// 64 publishers that wait for each acknowledgement, synced to disk
    Waiting,
    /// One publisher with 4,096 unacknowledged posts, synced to disk
    Pipelined,
    /// 100,000 stored messages to one late subscriber
    CatchUp,
    /// 5,000 subscribers without messages
    Idle,
    /// 1,000 subscribers of which 100 stop reading
    Stalled,
    /// Restart after SIGKILL with 1,000,000 stored messages
    Restart,
    /// 2,000 peers that register at once and watch the list
    JoinStorm,
    /// 500 peers with keys that join and watch the list, then 2,000, then 10,000
    Joiners,
    /// Direct messages between two clients
    Direct,
    /// burst over TLS
    BurstTls,
    /// idle over TLS
    IdleTls,
    /// direct over TLS with keys on both sides
    DirectTls,
}

impl Work {
    /// Returns its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Returns its description.
    pub(crate) fn describe(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// Returns its contenders.
    pub(crate) fn contenders(self) -> &'static [Contender] {
        use Contender::{Chinwag, Nats, Plain, Redis, Tcp};
        match self {
            Self::Burst | Self::Paced | Self::Large | Self::Rooms | Self::Idle => {
                &[Chinwag, Nats, Redis, Plain]
            }
            Self::Waiting | Self::Pipelined => &[Chinwag, Nats, Redis],
            Self::CatchUp | Self::Stalled => &[Chinwag, Nats],
            Self::Restart | Self::JoinStorm | Self::Joiners => &[Chinwag],
            Self::BurstTls | Self::IdleTls => &[Chinwag, Nats],
            Self::Direct | Self::DirectTls => &[Chinwag, Tcp],
        }
    }

    /// Returns its goals.
    pub(crate) fn goals(self) -> Vec<Goal> {
        use Bound::{OrLess, OrMore, TimesOrLess, TimesOrMore};
        use Contender::{Nats, Plain, Tcp};
        let goals: &[(Metric, Bound)] = match self {
            Self::Burst => &[
                (Metric::Deliveries, TimesOrMore(4.0, Nats)),
                (Metric::Deliveries, TimesOrMore(3.0, Plain)),
                (Metric::CpuPerDelivery, TimesOrLess(0.2, Nats)),
            ],
            Self::Paced => &[
                (Metric::CpuPerDelivery, TimesOrLess(1.0, Nats)),
                (Metric::DelayP99, TimesOrLess(1.0, Nats)),
            ],
            Self::Large | Self::Rooms => &[],
            Self::Waiting => &[(Metric::Posts, TimesOrMore(10.0, Nats))],
            Self::Pipelined => &[(Metric::Posts, OrMore(100_000.0))],
            Self::CatchUp => &[(Metric::StoredReads, OrMore(500_000.0))],
            Self::Idle => &[(Metric::MemoryPerSubscriber, OrLess(24.0))],
            Self::Stalled => &[
                (Metric::DelayBesideStalled, OrLess(1.1)),
                (Metric::MemoryPerStalled, OrLess(1.0)),
            ],
            Self::Restart => &[(Metric::TimeToServe, OrLess(2.0))],
            Self::JoinStorm => {
                &[(Metric::TimeToComplete, OrLess(5.0)), (Metric::LargestMessage, OrLess(1024.0))]
            }
            Self::Joiners => {
                &[(Metric::MemoryGrowth, OrLess(2.0)), (Metric::CpuGrowth, OrLess(1.2))]
            }
            Self::Direct => &[
                (Metric::SendRoundTrip, TimesOrLess(1.5, Tcp)),
                (Metric::ConverseRoundTrip, TimesOrLess(1.5, Tcp)),
                (Metric::Lines, OrMore(200_000.0)),
            ],
            Self::BurstTls => &[],
            Self::IdleTls => &[(Metric::MemoryPerSubscriber, OrLess(32.0))],
            Self::DirectTls => &[
                (Metric::SendRoundTrip, TimesOrLess(1.5, Tcp)),
                (Metric::ConverseRoundTrip, TimesOrLess(1.5, Tcp)),
            ],
        };
        goals.iter().map(|&(metric, bound)| Goal { metric, bound }).collect()
    }

    /// Runs it once.
    pub(crate) async fn run(
        self,
        contender: Contender,
        scale: Scale,
        stocks: &mut restart::Stock,
    ) -> Result<Figures> {
        let run = async {
            match self {
                Self::Burst => fan_out::burst(Over::Plaintext, contender, scale).await,
                Self::Paced => fan_out::paced(contender, scale).await,
                Self::Large => fan_out::large(contender, scale).await,
                Self::Rooms => rooms::run(contender, scale).await,
                Self::Waiting => durable::waiting(contender, scale).await,
                Self::Pipelined => durable::pipelined(contender, scale).await,
                Self::CatchUp => catch_up::run(contender, scale).await,
                Self::Idle => idle::run(Over::Plaintext, contender, scale).await,
                Self::Stalled => stalled::run(contender, scale).await,
                Self::Restart => restart::run(contender, scale, stocks).await,
                Self::JoinStorm => storm::run(contender, scale).await,
                Self::Joiners => storm::joiners(contender, scale).await,
                Self::Direct => direct::run(Over::Plaintext, contender, scale).await,
                Self::BurstTls => fan_out::burst(Over::Tls, contender, scale).await,
                Self::IdleTls => idle::run(Over::Tls, contender, scale).await,
                Self::DirectTls => direct::run(Over::Tls, contender, scale).await,
            }
        };
        let patience = if self == Self::Joiners { 4 * PATIENCE } else { PATIENCE };
        timeout(patience, run).await.context("it took too long")?
    }
}

pub(crate) use restart::Stock;

async fn rest() {
    sleep(REST).await;
}
