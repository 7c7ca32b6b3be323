//! How others join the hub: the join link to pass on.

use crate::{client::Client, model::JoinLink};

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
