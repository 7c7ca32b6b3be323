//! Errors about the key of a hub, explained by what the settings know of it.

use super::Settings;
use crate::{
    cli::failure::{ACCEPT_LINK, Failure, GET_LINK},
    client::Error,
};

impl Settings {
    /// Improves an error message: a key that is only in the join link, or in the link and not in the
    /// contact book.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        let Failure::Chat(Error::HubKeyChanged { hub, known, offered }) = &failure else {
            return failure;
        };
        let book = self.contacts().read().unwrap_or_default();
        let in_book = book.hub(&self.hub.hub).and_then(|hub| hub.key);
        let (message, remedy) = match self.hub.fingerprint {
            Some(linked) if linked == *offered => (
                format!(
                    "the join link has another key for the hub at {hub} than your contact book, and \
                     nothing was sent; known: {known}; in the link: {offered}"
                ),
                ACCEPT_LINK,
            ),
            Some(linked) if linked == *known => {
                let but = match in_book {
                    None => "",
                    Some(key) if key == *offered => " but the one in your contact book,",
                    Some(_) => return failure,
                };
                let message = format!(
                    "the hub at {hub} does not have the key in the join link,{but} and nothing was \
                     sent to it; expected: {known}; actual: {offered}"
                );
                (message, GET_LINK)
            }
            _ => return failure,
        };
        match failure {
            Failure::Chat(error) => Failure::Explained { error: Box::new(error), message, remedy },
            failure => failure,
        }
    }
}
