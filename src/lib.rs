//! Chinwag: a hybrid chat on gRPC.
//!
//! A *hub* knows which peers are online and keeps the rooms. Private messages go from client to
//! client, over a small gRPC server that every client runs. The programs `chinwagd` (the hub) and
//! `chinwag` (the client) are thin wrappers around this library.
//!
//! A bot that repeats what is said (`examples/echo.rs`):
//!
//! ```no_run
//! use chinwag::client::{Client, ClientOptions, Event};
//! use chinwag::model::RoomName;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let hub = std::env::args().nth(1).unwrap_or("127.0.0.1:50051".into());
//!     let options = ClientOptions::new(hub.parse()?, "echo".parse()?)
//!         .room(RoomName::lobby())
//!         .listen("127.0.0.1:0".parse()?);
//!     let (client, mut events) = Client::start(options).await?;
//!     while let Some(event) = events.next().await {
//!         match event {
//!             // Queued only: the hub confirms posts among the events, which are read here.
//!             Event::Message(message) if message.sender != client.name() => {
//!                 drop(client.post(message.room, message.text).begin().await?);
//!             }
//!             Event::Direct(direct) => {
//!                 client.send(&direct.message.sender, direct.message.text).await?;
//!             }
//!             _ => {}
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! A hub inside your program, for tests or as a part of a service:
//!
//! ```
//! # #[cfg(feature = "hub")] {
//! use chinwag::hub::{Hub, HubOptions};
//! use chinwag::storage::embedded::Store;
//! # use chinwag::client::{Client, ClientOptions};
//! # use chinwag::model::{RoomName, Text};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let hub = Hub::new(HubOptions::new(Store::Memory)).await?;
//! let listener = hub.listen("127.0.0.1:0".parse()?).await?;
//! let address = listener.local_addr()?;
//! let stop = tokio_util::sync::CancellationToken::new();
//! let serving = tokio::spawn(hub.serve(listener, stop.clone()));
//! # let options = ClientOptions::new(address.into(), "bob".parse()?).room(RoomName::lobby());
//! # let (client, _events) = Client::start(options).await?;
//! # client.post(RoomName::lobby(), Text::parse("hello")?).await?;
//! # client.stop().await;
//!
//! stop.cancel();
//! serving.await??;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # }
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/` also has a bridge to standard input, and messages that survive restarts. The
//! [`client`] module describes the client library.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | none | [`client`]: the client library, for bots and bridges |
//! | `hub` | [`hub`] and [`storage`]: a hub inside your program |
//! | `cli` | [`cli`]: the command lines and the terminal chat; needs `hub` |
//!
//! `hub` and `cli` are on by default, because the two programs need them. A bot depends on the
//! crate with `default-features = false`.
//!
//! # Layers
//!
//! A module uses only layers below its own. `tests/tidy.rs` checks that. Within layer 0, `error`
//! uses `model`; within layer 1, `transport` uses `identity` and `wire`.
//!
//! | layer | modules |
//! |---|---|
//! | 0, pure | [`proto`], [`model`], [`error`], `limiter` |
//! | 1, mechanics | [`wire`], [`identity`], [`transport`], [`backoff`], [`shutdown`], `sqlite`, [`text`] |
//! | 2, storage | [`storage`]: messages, names and leases |
//! | 3, siblings | [`hub`] and [`client`], which never import each other |
//! | 4, user interfaces | [`cli`]: the commands and the terminal chat |
//!
//! `fuzz` is part of the tests and uses every layer: it feeds untrusted bytes to each parser.
#![cfg_attr(not(all(feature = "hub", feature = "cli")), allow(rustdoc::broken_intra_doc_links))]

pub mod error;
mod limiter;
pub mod model;
pub mod proto;

pub mod backoff;
pub mod identity;
pub mod shutdown;
mod sqlite;
pub mod text;
pub mod transport;
pub mod wire;

#[cfg(feature = "hub")]
pub mod storage;

pub mod client;
#[cfg(feature = "hub")]
pub mod hub;

#[cfg(feature = "cli")]
pub mod cli;

#[cfg(all(any(test, fuzzing), feature = "cli", feature = "hub"))]
pub mod fuzz;
