//! Sends a direct message that survives a restart of both sides, and waits until it is delivered:
//! `cargo run --example durable HUB NAME PEER TEXT DIRECTORY`
//!
//! Run it again after an interruption: the messages in DIRECTORY are still delivered.

#![expect(clippy::print_stdout, reason = "an example may print")]

use std::path::Path;

use chinwag::client::{Client, ClientOptions, HubTrust};
use chinwag::identity::{Contacts, Identity};
use chinwag::model::{Name, PeerStatus, Text};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [hub, name, peer, text, directory] = &args[..] else {
        return Err("usage: durable HUB NAME PEER TEXT DIRECTORY".into());
    };
    let (peer, directory): (Name, _) = (peer.parse()?, Path::new(directory));
    let options = ClientOptions::new(hub.parse()?, name.parse()?)
        .status(PeerStatus::Invisible)
        .identity(Identity::load_or_create(directory)?)
        .contacts(Contacts::at(directory.join("contacts.toml")))
        .trust(HubTrust::FirstUse)
        .outbox(directory.join("outbox.db"));
    let (client, _events) = Client::start(options).await?;
    let queued = client.send(&peer, Text::parse(text.as_str())?).durable().await?;
    println!("queued {}", queued.id);
    let receipt = client.wait_delivered(queued.id).await?;
    println!("delivered to {}", receipt.receiver);
    client.stop().await;
    Ok(())
}
