//! Two clients and nobody between them, beside two ends of a bare socket.
//!
//! Both ends run in this process, on the same threads, and so do both ends of the bare socket.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use chinwag::{
    client::{Client, ClientOptions, Conversation, Error, Event, Events, HubTrust},
    error::Reason,
    identity::Identity,
    model::{Endpoint, Name, Text},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{Scale, TEXT_BYTES};
use crate::{
    contender::Contender,
    figure::{Figures, Metric, median},
    over::{Certified, Over, Stream},
    server::{Keeping, Server, folder},
};

/// How long each part takes.
const TIME: Duration = Duration::from_secs(3);

/// Messages that nobody measures: the first of all finds the other client and connects.
const WARM_UP: usize = 200;

/// Calls under way at once where the rate of `Send` is measured: more would fill the inbox faster
/// than it is read.
const CALLS: usize = 64;

/// Lines under way at once where theirs is: what a conversation lets through without waiting.
const LINES: usize = 1024;

pub(super) async fn run(over: Over, contender: Contender, scale: Scale) -> Result<Figures> {
    let time = scale.time(TIME);
    if contender == Contender::Tcp {
        let round_trip = ping_pong(over, time).await?;
        // One bare round trip stands beside both kinds of ours.
        let metrics = [Metric::SendRoundTrip, Metric::ConverseRoundTrip];
        return Ok(metrics.map(|metric| (metric, round_trip)).into());
    }
    let hub = Server::start_over(over, Contender::Chinwag, Keeping::Rooms).await?;
    let (ann, _ann_hears) = client(over, &hub, "ann").await?;
    let (ben, ben_hears) = client(over, &hub, "ben").await?;
    let mut reading = JoinSet::new();
    reading.spawn(read(ben_hears));
    let pair = Arc::new(Pair { conversation: ann.converse(ben.name()).await?, ann, ben });

    let figures = Figures::from([
        (Metric::SendRoundTrip, round_trip(&pair, Way::Send, time).await?),
        (Metric::Sends, rate(&pair, Way::Send, time).await?),
        (Metric::ConverseRoundTrip, round_trip(&pair, Way::Converse, time).await?),
        (Metric::Lines, rate(&pair, Way::Converse, time).await?),
    ]);
    Ok(figures)
}

/// Two clients who talk.
struct Pair {
    ann: Client,
    ben: Client,
    /// Ann's, with Ben.
    conversation: Conversation,
}

/// How a message goes.
#[derive(Clone, Copy)]
enum Way {
    Send,
    Converse,
}

impl Pair {
    /// One message, until its receipt is there. False where Ben has not read enough to take it.
    async fn talk(&self, way: Way) -> Result<bool> {
        let text = Text::parse("x".repeat(TEXT_BYTES))?;
        let receipt = match way {
            Way::Send => self.ann.send(self.ben.name(), text).await,
            Way::Converse => self.conversation.send(text).await,
        };
        match receipt {
            Err(Error::Refused(refusal)) if refusal.reason == Reason::InboxFull => Ok(false),
            receipt => Ok(receipt.map(|_| true)?),
        }
    }
}

async fn client(over: Over, hub: &Server, name: &str) -> Result<(Client, Events)> {
    let address = hub.address();
    let hub = Endpoint::parse(&address.to_string())?;
    let mut options = ClientOptions::new(hub, Name::parse(name)?);
    options.listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    if over == Over::Tls {
        options.identity = Some(Identity::generate()?);
        options.trust = HubTrust::FirstUse;
    }
    Ok(Client::start(options).await?)
}

/// Reads what arrives, as a person's client does.
async fn read(mut events: Events) {
    while let Some(event) = events.next().await {
        if matches!(event, Event::Ended { .. }) {
            break;
        }
    }
}

/// Microseconds of one message and its receipt, one after the other.
async fn round_trip(pair: &Pair, way: Way, time: Duration) -> Result<f64> {
    for _ in 0..WARM_UP {
        pair.talk(way).await?;
    }
    let mut took = Vec::new();
    let began = Instant::now();
    while began.elapsed() < time {
        let sent = Instant::now();
        pair.talk(way).await?;
        took.push(microseconds(sent));
    }
    Ok(median(took))
}

/// Messages a second, each with its receipt, many at once.
async fn rate(pair: &Arc<Pair>, way: Way, time: Duration) -> Result<f64> {
    let began = Instant::now();
    let mut senders = JoinSet::new();
    let at_once = match way {
        Way::Send => CALLS,
        Way::Converse => LINES,
    };
    for _ in 0..at_once {
        let pair = pair.clone();
        let sender = async move {
            let mut sent = 0;
            while began.elapsed() < time {
                sent += u32::from(pair.talk(way).await?);
            }
            anyhow::Ok(sent)
        };
        senders.spawn(sender);
    }
    let mut sent = 0_u32;
    while let Some(sender) = senders.join_next().await {
        sent += sender??;
    }
    Ok(f64::from(sent) / began.elapsed().as_secs_f64())
}

/// Microseconds for a text to go over a bare socket and back.
async fn ping_pong(over: Over, time: Duration) -> Result<f64> {
    let (mut near, mut far) = ends(over).await?;
    let mut echo = JoinSet::new();
    echo.spawn(async move {
        let mut bytes = [0; TEXT_BYTES];
        while far.read_exact(&mut bytes).await.is_ok() {
            if far.write_all(&bytes).await.is_err() || far.flush().await.is_err() {
                break;
            }
        }
    });
    let mut took = Vec::new();
    let mut bytes = [b'x'; TEXT_BYTES];
    let began = Instant::now();
    while began.elapsed() < time {
        let sent = Instant::now();
        near.write_all(&bytes).await?;
        near.flush().await?;
        near.read_exact(&mut bytes).await.context("no echo")?;
        took.push(microseconds(sent));
    }
    Ok(median(took))
}

/// Both ends of a connection, with keys on both sides where it is TLS.
async fn ends(over: Over) -> Result<(Stream, Stream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let near = TcpStream::connect(listener.local_addr()?).await?;
    near.set_nodelay(true)?;
    let (far, _) = listener.accept().await?;
    far.set_nodelay(true)?;
    if over == Over::Plaintext {
        return Ok((Stream::Plaintext(near), Stream::Plaintext(far)));
    }
    let folder = folder()?;
    let certified = Certified::new(folder.path())?;
    tokio::try_join!(certified.secure(near), certified.accept(far))
}

fn microseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6
}
