//! Which hub is believed to be the hub.

use tonic::Code;

use super::contact_store::{ContactStore, blocking};
use crate::{
    error::{Error, Result},
    identity::Identity,
    model::{Endpoint, Fingerprint},
    transport::{Authorities, Dial, DialFailure, Trust, certificate_on_loopback},
};

/// How the hub is known to be the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HubTrust {
    /// It is not: there is no encryption. For loopback only.
    #[default]
    Plaintext,
    /// It has this key, as somebody said who should know: it takes the place of any other key that
    /// the contact book has for it.
    Pinned(Fingerprint),
    /// It has the key that it had before. One that was never met is believed where it is on
    /// loopback, and has to have a certificate of an authority where it is not.
    FirstUse,
    /// An authority that this machine trusts vouches for its name.
    Authorities,
}

/// How to dial the hub, and what to remember of it once it was reached.
pub(super) struct HubDialer {
    pub(super) dial: Dial,
    /// The key that it must have; `None`: it has none that is known.
    pub(super) key: Option<Fingerprint>,
    /// Whether a person named the key.
    said: bool,
}

impl HubTrust {
    /// The way to the hub at an endpoint, which is asked for its key where that is to be believed.
    pub(super) async fn way(
        self,
        own: Option<&Identity>,
        hub: &Endpoint,
        people: &ContactStore,
    ) -> Result<HubDialer> {
        let remembered = people.book().await?.hub(hub).and_then(|known| known.key);
        let pinned = match self {
            Self::Plaintext => {
                return Ok(HubDialer { dial: Dial::plaintext(), key: None, said: false });
            }
            Self::Pinned(key) => Some(key),
            Self::FirstUse => match remembered {
                None if hub.is_loopback() => Some(ask(hub).await?),
                remembered => remembered,
            },
            Self::Authorities => None,
        };
        let trust = match pinned {
            Some(key) => Trust::Pinned(key),
            None => Trust::Authorities(blocking(Authorities::of_this_machine).await?),
        };
        let dial = Dial::tls(own.map(Identity::credentials), &trust)?;
        Ok(HubDialer { dial, key: pinned, said: matches!(self, Self::Pinned(_)) })
    }
}

impl HubDialer {
    /// Whether the contact book has this very hub, so that its people are whom the book says.
    pub(super) async fn is_known(&self, people: &ContactStore) -> Result<bool> {
        let book = people.book().await?;
        Ok(book.hub(people.hub()).is_some_and(|known| known.key == self.key))
    }

    /// Remembers the hub. It was reached, so it has the key that it should have.
    pub(super) async fn remember(&self, people: &ContactStore) -> Result<()> {
        people.meet_hub(self.key, self.said).await
    }
}

async fn ask(hub: &Endpoint) -> Result<Fingerprint> {
    let shown = certificate_on_loopback(hub).await;
    shown.map(|shown| shown.fingerprint()).map_err(|failure| no_hub(hub, None, failure))
}

/// Whether an error says that the hub is away, and nothing worse.
pub(super) fn is_away(error: &Error) -> bool {
    match error {
        Error::HubUnreachable { .. } => true,
        Error::Refused(refusal) => refusal.code == Code::Unavailable,
        _ => false,
    }
}

/// What it means that the hub cannot be reached. Where it is about keys, trying again does not help.
/// `known` is the key that the hub should have.
pub(super) fn no_hub(hub: &Endpoint, known: Option<Fingerprint>, failure: DialFailure) -> Error {
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
