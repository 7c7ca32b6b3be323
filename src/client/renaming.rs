//! What happens to the files of a client that has another name now.

use super::{direct_history::DirectHistory, inbox::DurableInbox, outbox::Outbox};
use crate::{client::error::Result, model::Name};

/// The files with messages of this client by its name.
pub(super) struct NamedFiles {
    pub(super) outbox: Option<Outbox>,
    pub(super) inbox: Option<DurableInbox>,
    pub(super) history: DirectHistory,
}

impl NamedFiles {
    /// Gives the messages of a former name the present one.
    pub(super) async fn rename_from(&self, former: &Name) {
        let report = |renamed: Result<()>| {
            if let Err(error) = renamed {
                tracing::warn!(%error, %former, "messages keep the former name");
            }
        };
        if let Some(outbox) = &self.outbox {
            report(outbox.rename_from(former).await);
        }
        if let Some(inbox) = &self.inbox {
            report(inbox.rename_from(former).await);
        }
        report(self.history.rename_from(former).await);
    }
}
