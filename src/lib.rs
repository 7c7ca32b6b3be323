//! Chinwag: a hub for the crowd, a direct line for the pair.
//!
//! A *hub* knows who is here and keeps the rooms; private messages go from client to client over
//! a small gRPC server that every client runs. This library is all of it; the binaries `chinwagd`
//! (the hub) and `chinwag` (the client) are thin.
//!
//! # Floors
//!
//! A module uses only what stands on a floor below its own; `tests/tidy.rs` holds that. Of two on
//! one floor, `error` knows `model`, and `transport` knows `identity` and `wire`.
//!
//! | floor | modules |
//! |---|---|
//! | 0, pure | [`proto`], [`model`], [`error`], `limiter` |
//! | 1, mechanics | [`wire`], [`identity`], [`transport`], [`backoff`], [`shutdown`], `sqlite`, [`text`] |
//! | 2, storage | [`storage`]: where messages and leases are kept |
//! | 3, two siblings | [`hub`] and [`client`], which never import each other |
//! | 4, faces | [`cli`]: the commands and the chat in a terminal |
//!
//! `fuzz`, above all of them, is part of the tests: what is done with bytes that strangers wrote.

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

pub mod storage;

pub mod client;
pub mod hub;

pub mod cli;

#[cfg(any(test, fuzzing))]
pub mod fuzz;
