//! A hub inside of a program, here for the test of a bot: `cargo test --example embedded_hub`

use std::{error::Error, net::SocketAddr};

use chinwag::client::{Client, ClientOptions, Event};
use chinwag::hub::{Hub, HubOptions};
use chinwag::model::{RoomName, Text};
use chinwag::storage::embedded::Store;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Starts a hub that keeps everything in memory. It stops when the guard is dropped.
async fn start_hub() -> Result<(SocketAddr, DropGuard), Box<dyn Error>> {
    let hub = Hub::new(HubOptions::new(Store::Memory)).await?;
    let listener = hub.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    tokio::spawn(hub.serve(listener, stop.clone()));
    Ok((address, stop.drop_guard()))
}

/// The story of the test: what one client posts, another one receives.
async fn run() -> Result<Text, Box<dyn Error>> {
    let (hub, _guard) = start_hub().await?;
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
