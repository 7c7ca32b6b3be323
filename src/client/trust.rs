//! How a client makes sure that it talks to the right hub.

use tonic::Code;

use super::{blocking::blocking, contact_store::ContactStore};
use crate::{
    client::error::{Error, Result},
    identity::Identity,
    model::{Endpoint, Fingerprint},
    transport::{Authorities, Dial, DialFailure, Trust, certificate_on_loopback},
};

/// How the hub proves that it is the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum HubTrust {
    /// It does not: the connection is not encrypted. For loopback only.
    #[default]
    Plaintext,
    /// It has this key, as its join link says. If the contact book has another one for the hub,
    /// nothing is sent, and the error is [`Error::HubKeyChanged`].
    Pinned(Fingerprint),
    /// It has this key, which a person has confirmed. Once the hub has proved it, it replaces any
    /// other that the contact book has for the hub.
    Accepted(Fingerprint),
    /// It has the key that it had before. On the first connection, a hub on loopback is trusted as
    /// it is, and any other needs a certificate of an authority that this machine trusts.
    FirstUse,
    /// It has a certificate for its name by an authority that this machine trusts.
    Authorities,
}

/// How to dial the hub, and what to record of it once it was reached.
pub(super) struct HubDialer {
    pub(super) dial: Dial,
    /// The key that the hub must have; `None`: no particular one.
    pub(super) key: Option<Fingerprint>,
    /// Whether a person has accepted the key.
    accepted: bool,
}

impl HubTrust {
    /// Returns the dialer for a hub. On first use on loopback it asks the hub for its key. Errors
    /// with [`Error::HubKeyChanged`] if the contact book has another key than the pinned one.
    pub(super) async fn dialer(
        self,
        own: Option<&Identity>,
        hub: &Endpoint,
        contacts: &ContactStore,
    ) -> Result<HubDialer> {
        let remembered = contacts.book().await?.hub(hub).and_then(|known| known.key);
        let pinned = match self {
            Self::Plaintext => {
                return Ok(HubDialer { dial: Dial::plaintext(), key: None, accepted: false });
            }
            Self::Pinned(offered) => match remembered {
                Some(known) if known != offered => {
                    return Err(Error::HubKeyChanged { hub: hub.clone(), known, offered });
                }
                _ => Some(offered),
            },
            Self::Accepted(key) => Some(key),
            Self::FirstUse => match remembered {
                None if hub.is_loopback() => Some(ask_key(hub).await?),
                remembered => remembered,
            },
            Self::Authorities => None,
        };
        let trust = match pinned {
            Some(key) => Trust::Pinned(key),
            None => Trust::Authorities(blocking(Authorities::of_this_machine).await?),
        };
        let dial = Dial::tls(own.map(Identity::credentials), &trust)?;
        Ok(HubDialer { dial, key: pinned, accepted: matches!(self, Self::Accepted(_)) })
    }
}

impl HubDialer {
    /// Returns true if the contact book has this hub with this key, so that its contacts count.
    pub(super) async fn is_known(&self, contacts: &ContactStore) -> Result<bool> {
        let book = contacts.book().await?;
        Ok(book.hub(contacts.hub()).is_some_and(|known| known.key == self.key))
    }

    /// Records the hub in the contact book, after it was reached and has proved its key.
    pub(super) async fn record(&self, contacts: &ContactStore) -> Result<()> {
        contacts.meet_hub(self.key, self.accepted).await
    }
}

async fn ask_key(hub: &Endpoint) -> Result<Fingerprint> {
    let shown = certificate_on_loopback(hub).await;
    shown.map(|shown| shown.fingerprint()).map_err(|failure| hub_error(hub, None, failure))
}

/// Returns true if an error means only that the hub cannot be reached for now.
pub(super) fn is_hub_unreachable(error: &Error) -> bool {
    match error {
        Error::HubUnreachable { .. } => true,
        Error::Refused(refusal) => refusal.code == Code::Unavailable,
        _ => false,
    }
}

/// Converts a failure to reach the hub. `known` is the key that the hub should have. If the failure
/// is about keys, trying again does not help.
pub(super) fn hub_error(hub: &Endpoint, known: Option<Fingerprint>, failure: DialFailure) -> Error {
    let hub = hub.clone();
    match failure {
        DialFailure::KeyChanged(mismatch) => {
            Error::HubKeyChanged { hub, known: mismatch.want, offered: mismatch.got }
        }
        failure => {
            let cause = crate::text::one_line(&failure.to_string()).into_owned();
            match failure.is_transient() {
                true => Error::HubUnreachable { hub, cause },
                false => Error::HubUntrusted { hub, known, cause },
            }
        }
    }
}
