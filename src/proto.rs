//! The generated code of `proto/`: messages, clients, and servers.
//!
//! The contracts are in the comments of the proto files, which are also the documentation of these
//! items.

#![allow(missing_docs, unreachable_pub, clippy::pedantic)]

tonic::include_proto!("chinwag.v1");

/// The descriptors of a hub's services, for reflection.
pub const HUB_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hub.bin"));

/// The descriptors of a client's services, for reflection.
pub const PEER_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/peer.bin"));

/// The servers of the unary methods of the services that a hub answers with shared frames.
///
/// The streaming methods are left out: [`crate::hub`] serves them itself.
#[cfg(feature = "hub")]
pub mod unary {
    include!(concat!(env!("OUT_DIR"), "/unary/chinwag.v1.rs"));
}
