//! A bot that repeats what is said, in the lobby and directly: `cargo run --example echo HUB`

use chinwag::client::{Client, ClientOptions, Event};
use chinwag::model::RoomName;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = std::env::args().nth(1).unwrap_or("127.0.0.1:50051".into());
    let options = ClientOptions::new(hub.parse()?, "echo".parse()?)
        .room(RoomName::lobby())
        .listen("127.0.0.1:0".parse()?);
    let (client, mut events) = Client::start(options).await?;
    while let Some(event) = events.next().await {
        match event {
            // Queued only: the hub confirms posts among the events, which are read here.
            Event::Message(message) if message.sender != client.name() => {
                drop(client.post(message.room, message.text).begin().await?);
            }
            Event::Direct(direct) => {
                client.send(&direct.message.sender, direct.message.text).await?;
            }
            _ => {}
        }
    }
    Ok(())
}
