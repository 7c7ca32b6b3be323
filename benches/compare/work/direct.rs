//! Direct messages between two clients, beside an echo over a bare socket.
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

/// The time of each part.
const TIME: Duration = Duration::from_secs(3);

/// Messages before the measurement: the first one finds the other client and connects.
const WARM_UP: usize = 200;

/// Concurrent calls for the rate of `Send`: more would fill the inbox faster than it is read.
const CALLS: usize = 64;

/// Messages in flight for the rate of a conversation: the most it accepts without waiting.
const LINES: usize = 1024;

pub(super) async fn run(over: Over, contender: Contender, scale: Scale) -> Result<Figures> {
    let time = scale.time(TIME);
    if contender == Contender::Tcp {
        let round_trip = ping_pong(over, time).await?;
        // The same bare round trip is compared with both kinds of messages.
        let metrics = [Metric::SendRoundTrip, Metric::ConverseRoundTrip];
        return Ok(metrics.map(|metric| (metric, round_trip)).into());
    }
    let hub = Server::start_over(over, Contender::Chinwag, Keeping::Rooms).await?;
    let (ann, _ann_hears) = client(over, &hub, "ann").await?;
    let (ben, ben_hears) = client(over, &hub, "ben").await?;
    let mut reading = JoinSet::new();
    reading.spawn(read(ben_hears));
    let pair = Arc::new(Pair { conversation: ann.converse(&ben.name()).await?, ann, ben });

    let figures = Figures::from([
        (Metric::SendRoundTrip, round_trip(&pair, Way::Send, time).await?),
        (Metric::Sends, rate(&pair, Way::Send, time).await?),
        (Metric::ConverseRoundTrip, round_trip(&pair, Way::Converse, time).await?),
        (Metric::Lines, rate(&pair, Way::Converse, time).await?),
    ]);
    Ok(figures)
}

/// Two connected clients.
struct Pair {
    ann: Client,
    ben: Client,
    /// Ann's conversation with Ben.
    conversation: Conversation,
}

/// The rpc of a message.
#[derive(Clone, Copy)]
enum Way {
    Send,
    Converse,
}

impl Pair {
    /// Sends one message and waits for its receipt. Returns false if Ben's inbox was full.
    async fn talk(&self, way: Way) -> Result<bool> {
        let text = Text::parse("x".repeat(TEXT_BYTES))?;
        let receipt = match way {
            Way::Send => self.ann.send(&self.ben.name(), text).await,
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
    let mut options = ClientOptions::new(hub, Name::parse(name)?)
        .listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    if over == Over::Tls {
        options = options.identity(Identity::generate()?).trust(HubTrust::FirstUse);
    }
    Ok(Client::start(options).await?)
}

/// Reads all messages that arrive.
async fn read(mut events: Events) {
    while let Some(event) = events.next().await {
        if matches!(event, Event::Ended { .. }) {
            break;
        }
    }
}

/// Measures the microseconds of a message and its receipt, one message at a time.
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

/// Measures messages per second, each with its receipt, many at a time.
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

/// Measures the microseconds of an echo over a bare socket.
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

/// Returns both ends of a connection; over TLS, both sides have keys.
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
