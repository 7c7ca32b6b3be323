//! A hub inside of a program, here for the test of a bot: `cargo test --example embedded_hub`

#![expect(clippy::print_stdout, reason = "an example may print")]

use std::{error::Error, net::SocketAddr};

use chinwag::client::{Client, ClientOptions, Event};
use chinwag::hub::{self, Hub, HubOptions};
use chinwag::model::{RoomName, Text};
use chinwag::storage::embedded::Store;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The task of a hub.
type Serving = JoinSet<Result<(), hub::Error>>;

/// Starts a hub that keeps everything in memory. It stops when its task is dropped.
async fn start_hub() -> Result<(SocketAddr, Serving), Box<dyn Error>> {
    let hub = Hub::new(HubOptions::new(Store::Memory)).await?;
    let listener = hub.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = listener.local_addr()?;
    let mut serving = JoinSet::new();
    serving.spawn(hub.serve(listener, CancellationToken::new()));
    Ok((address, serving))
}

/// The story of the test: what one client posts, another one receives.
async fn run() -> Result<Text, Box<dyn Error>> {
    let (hub, _serving) = start_hub().await?;
    let options = |name: &str| {
        Ok::<_, Box<dyn Error>>(
            ClientOptions::new(hub.into(), name.parse()?).room(RoomName::lobby()),
        )
    };
    let (_reader, mut events) = Client::start(options("reader")?).await?;
    while !matches!(events.next().await, Some(Event::Joined { .. })) {}
    let (writer, _events) = Client::start(options("writer")?).await?;
    writer.post(RoomName::lobby(), Text::parse("hello")?).await?;
    loop {
        if let Some(Event::Message(message)) = events.next().await {
            return Ok(message.text);
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("received {:?}", run().await?.as_str());
    Ok(())
}

#[tokio::test]
async fn a_post_is_received() {
    assert_eq!(run().await.unwrap().as_str(), "hello");
}
