//! How others reach this client, and how they join the hub: the join link to pass on.

use crate::{client::Client, model::JoinLink};

/// Says where direct messages are accepted.
pub(crate) fn reached_at(client: &Client) -> String {
    if client.direct_address().is_none() {
        return "no direct messages come in".into();
    }
    let at: Vec<String> = client.advertised().iter().map(ToString::to_string).collect();
    format!("direct messages come in at {}", at.join(", "))
}

/// Returns what to tell others who want to join, as lines.
pub(crate) fn lines(client: &Client) -> Vec<String> {
    let hub = client.hub().clone();
    let is_local = hub.is_loopback();
    let command = match client.fingerprint() {
        None => format!("chinwag --plaintext --hub {hub} chat"),
        Some(_) => {
            let link = JoinLink { hub, fingerprint: client.hub_key(), invite: None };
            format!("chinwag chat '{link}'")
        }
    };
    let mut lines = vec![format!("others join with: {command}")];
    if is_local {
        lines.push("this address leads to the hub on this machine only".into());
    }
    if client.registered().is_some_and(|registered| registered.invite_only) {
        lines.push(
            "newcomers need an invitation too: the operator of the hub makes one with chinwagd invite"
                .into(),
        );
    }
    lines
}
