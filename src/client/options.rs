//! What a client is to be.

use std::{net::SocketAddr, path::PathBuf};

use super::{DirectPolicy, HubTrust};
use crate::{
    identity::{Contacts, Identity},
    model::{Endpoint, InviteCode, Name, PeerStatus, RoomName, Start},
};

/// What a client is called, where its hub is, and how others reach it.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Where the hub listens.
    pub hub: Endpoint,
    /// The name to take.
    pub name: Name,
    /// What others are told. [`PeerStatus::Invisible`] suits commands that are over in a moment.
    pub status: PeerStatus,
    /// Where the PeerChat server listens: the first free port from here upwards, 64 at most; port 0
    /// is any. `None`: no direct messages come in.
    pub listen: Option<SocketAddr>,
    /// How many private messages are accepted in all; those beyond are refused as by a client that
    /// is about to stop. `None`: there is no end.
    pub inbox_limit: Option<u64>,
    /// What the hub is told instead of the PeerChat server's own address; at most
    /// [`crate::model::MAX_ENDPOINTS`]. Empty: that address.
    pub advertise: Vec<Endpoint>,
    /// The rooms to be in from the start. Empty: none, though posting to the lobby is possible.
    pub rooms: Vec<(RoomName, Start)>,
    /// The key of one's own. Without one the client is a guest of the hub, where that has guests,
    /// and neither its PeerChat server nor what it says to other clients is encrypted, which is
    /// possible on loopback only.
    pub identity: Option<Identity>,
    /// How the hub is known to be the right one.
    pub trust: HubTrust,
    /// Where the keys of hubs and peers are kept. `None`: they are forgotten with the client.
    pub contacts: Option<Contacts>,
    /// Who may speak directly to this client.
    pub direct: DirectPolicy,
    /// What lets a newcomer into a closed hub.
    pub invite: Option<InviteCode>,
    /// The file with the messages for peers who are away; other clients of the same person may
    /// share it. `None`: there is no [`Client::queue`](super::Client::queue).
    pub outbox: Option<PathBuf>,
    /// The file in which this client remembers what it accepted of messages that their senders
    /// keep: they are shown once, whoever was started again in between. `None`: it remembers them
    /// as long as it runs.
    pub inbox: Option<PathBuf>,
    /// Whether the hub may be away at the start, where the contact book has it: the client begins
    /// as after a loss, and contacts are reached at the places that the book has.
    pub may_start_away: bool,
}

impl ClientOptions {
    /// Online, without a PeerChat server, in no room, and without a key: everything in plaintext.
    pub fn new(hub: Endpoint, name: Name) -> Self {
        Self {
            hub,
            name,
            status: PeerStatus::Online,
            listen: None,
            inbox_limit: None,
            advertise: Vec::new(),
            rooms: Vec::new(),
            identity: None,
            trust: HubTrust::default(),
            contacts: None,
            direct: DirectPolicy::default(),
            invite: None,
            outbox: None,
            inbox: None,
            may_start_away: false,
        }
    }
}
