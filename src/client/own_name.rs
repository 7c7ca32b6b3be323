//! The name of this client, which the operator of the hub may change while it runs.

use std::sync::Arc;

use tokio::sync::watch;

use crate::model::Name;

/// The name. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct OwnName(Arc<watch::Sender<Name>>);

impl From<Name> for OwnName {
    fn from(name: Name) -> Self {
        Self(Arc::new(watch::Sender::new(name)))
    }
}

impl OwnName {
    pub(super) fn get(&self) -> Name {
        self.0.borrow().clone()
    }

    pub(super) fn is(&self, name: &Name) -> bool {
        *self.0.borrow() == *name
    }

    /// Replaces the name, and returns the one before.
    pub(super) fn set(&self, name: Name) -> Name {
        self.0.send_replace(name)
    }

    /// Returns once the name is another.
    pub(super) async fn changed_from(&self, name: &Name) {
        // Never fails: this owns the sender.
        let _ = self.0.subscribe().wait_for(|now| now != name).await;
    }
}
