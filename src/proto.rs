//! What the compiler makes of `proto/`: messages, clients, and servers.
//!
//! Nothing is written by hand here. The contracts stand in the comments of the proto files, which
//! become the documentation of these items.

#![allow(missing_docs, unreachable_pub, clippy::pedantic)]

tonic::include_proto!("chinwag.v1");

/// The descriptors of what a hub serves, for reflection.
pub const HUB_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hub.bin"));

/// The descriptors of what a client serves, for reflection.
pub const PEER_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/peer.bin"));

/// The servers of the unary methods of the services that a hub answers with shared frames.
///
/// The streaming methods are missing on purpose: [`crate::hub`] serves them itself, and a method
/// that nobody calls should not have to be written.
#[cfg(feature = "hub")]
pub mod unary {
    include!(concat!(env!("OUT_DIR"), "/unary/chinwag.v1.rs"));
}
