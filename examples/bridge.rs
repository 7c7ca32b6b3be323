//! Connects a room with standard input and output, for example of another chat or of a log:
//! `tail -f log | cargo run --example bridge HUB NAME ROOM`

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is for a pipe")]

use std::error::Error;

use chinwag::client::{Client, ClientOptions, Event, Events};
use chinwag::model::{RoomName, Text};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [hub, name, room] = &args[..] else { return Err("usage: bridge HUB NAME ROOM".into()) };
    let room: RoomName = room.parse()?;
    let options = ClientOptions::new(hub.parse()?, name.parse()?).room(room.clone());
    let (client, events) = Client::start(options).await?;
    // In a task of its own: events have to be read while posts wait for their confirmation.
    let mut printing = JoinSet::new();
    printing.spawn(print(events));
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match Text::parse(line) {
            Ok(text) => drop(client.post(room.clone(), text).await?),
            Err(problem) => eprintln!("not posted: {problem}"),
        }
    }
    client.stop().await;
    printing.join_all().await;
    Ok(())
}

/// Prints what is said in the room, one quoted text a line, so that no text can pass for another
/// line or for a command to the terminal.
async fn print(mut events: Events) {
    while let Some(event) = events.next().await {
        if let Event::Message(message) = event {
            println!("{} {:?}", message.sender, message.text.as_str());
        }
    }
}
