//! Chinwag: a hybrid chat on gRPC.
//!
//! A *hub* knows which peers are online and keeps the rooms. Private messages go from client to
//! client, over a small gRPC server that every client runs. The programs `chinwagd` (the hub) and
//! `chinwag` (the client) are thin wrappers around this library.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | none | [`client`]: the client library, for bots and bridges |
//! | `hub` | [`hub`] and [`storage`]: a hub inside your program |
//! | `cli` | [`cli`]: the command lines and the terminal chat |
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
