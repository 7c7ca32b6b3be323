//! Callers with a key, over TLS, with generated stubs only.

use chinwag::{
    identity::{Credentials, Identity},
    model::{Endpoint, JoinLink},
    proto::{RegisterRequest, presence_client::PresenceClient},
    transport::{Channel, Dial, Trust},
};
use tonic::{Request, Status, metadata::MetadataValue};

use crate::support::{
    hub::TestHub,
    peer::{Session, named},
    within::{PATIENCE, within},
};

/// Returns a new key.
pub(crate) fn new_key() -> Identity {
    Identity::generate().unwrap()
}

/// Opens a separate connection to the hub of the printed link, with or without a key.
pub(crate) fn connect(hub: &TestHub, key: Option<&Identity>) -> Channel {
    connect_as(hub, key.map(Identity::credentials))
}

/// Opens a connection with a certificate of any kind.
pub(crate) fn connect_as(hub: &TestHub, own: Option<&Credentials>) -> Channel {
    let link = JoinLink::parse(hub.link()).unwrap();
    let trust = Trust::Pinned(link.fingerprint.unwrap());
    let dial = Dial::tls(own, &trust).unwrap();
    dial.channel(&Endpoint::from(hub.address())).unwrap()
}

/// Registers over TLS.
pub(crate) async fn register(
    hub: &TestHub,
    key: Option<&Identity>,
    request: RegisterRequest,
) -> Result<Session, Status> {
    register_on(connect(hub, key), None, request).await
}

/// Registers a name over TLS, with a key.
pub(crate) async fn enter(hub: &TestHub, key: &Identity, name: &str) -> Result<Session, Status> {
    register(hub, Some(key), named(name)).await
}

/// Registers on a connection with a token.
pub(crate) async fn register_on(
    channel: Channel,
    token: Option<&str>,
    request: RegisterRequest,
) -> Result<Session, Status> {
    let mut request = Request::new(request);
    if let Some(token) = token {
        let bearer: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
    }
    let mut presence = PresenceClient::new(channel.clone());
    let registered = within(PATIENCE, "Register", presence.register(request)).await?.into_inner();
    Ok(Session { registered, channel })
}
