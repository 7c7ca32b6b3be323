//! What is said of a direct message that was queued.

use crate::{client::Client, model::Name};

/// Returns false if the user has never met a peer, so that anybody may take its name.
pub(crate) async fn is_known(client: &Client, name: &Name) -> bool {
    // Without a key nobody is met.
    client.fingerprint().is_none() || !matches!(client.known(name).await, Ok(None))
}

/// Says that a message is in the outbox.
pub(crate) async fn queued(client: &Client, to: &Name) -> String {
    notice(to, is_known(client, to).await)
}

/// Says the same of a peer that is known, or not.
pub(crate) fn notice(to: &Name, is_known: bool) -> String {
    match is_known {
        true => format!("queued until {to} is back; /outbox lists queued messages"),
        false => for_stranger(to),
    }
}

/// Says that a message is queued for somebody who may never have existed.
pub(crate) fn for_stranger(to: &Name) -> String {
    format!("queued for {to}; you have never met {to}: whoever takes this name first gets it")
}
