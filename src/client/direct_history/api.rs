//! The history in the interface of a client, and of its options for commands that need no hub.

use super::{
    DirectHistory, DirectPage, Forgotten, HistoryNotice, KeepFor, KeptConversation, KeptDirect,
    read, store,
};
use crate::{
    client::error::{Error, Result},
    client::{
        Client, ClientOptions, contact_store::ContactStore, inbox::DurableInbox, outbox::Outbox,
    },
    identity::ContactBook,
    model::Name,
};

impl DirectHistory {
    pub(super) async fn conversations(&self) -> Result<Vec<KeptConversation>> {
        if !self.0.keeps {
            return Ok(Vec::new());
        }
        self.flush().await;
        let found = self.with(read::conversations).await?;
        Ok(found.unwrap_or_default())
    }

    pub(super) async fn messages(&self, peer: &Name, page: DirectPage) -> Result<Vec<KeptDirect>> {
        if !self.0.keeps {
            return Ok(Vec::new());
        }
        self.flush().await;
        let peer = peer.clone();
        let found =
            self.with(move |file, owner, now| read::messages(file, owner, &peer, &page, now));
        Ok(found.await?.unwrap_or_default())
    }

    pub(super) async fn keep(&self, peer: &Name, keep: KeepFor) -> Result<u64> {
        if matches!(keep, KeepFor::Only(time) if time < KeepFor::SHORTEST) {
            return Err(Error::invalid(
                "keep",
                "less than a second; messages can be kept not at all",
            ));
        }
        if !self.0.keeps && keep != KeepFor::Never {
            return Err(self.why_off());
        }
        self.flush().await;
        let peer = peer.clone();
        let removed = self.with(move |file, owner, now| store::keep(file, owner, &peer, keep, now));
        removed.await?.ok_or_else(|| self.why_off())
    }

    pub(super) async fn kept_for(&self, peer: &Name) -> Result<KeepFor> {
        if !self.0.keeps {
            return Err(self.why_off());
        }
        let peer = peer.clone();
        self.with(move |file, owner, _| owner.kept_for(file, &peer))
            .await?
            .ok_or_else(|| self.why_off())
    }

    /// Returns why nothing is kept.
    fn why_off(&self) -> Error {
        let off = || Error::invalid("history", "direct messages are not kept: `keep = false`");
        self.0.problem.clone().unwrap_or_else(off)
    }

    pub(super) async fn forget(&self, peer: &Name) -> Result<u64> {
        if let Some(problem) = &self.0.problem {
            return Err(problem.clone());
        }
        self.flush().await;
        let peer = peer.clone();
        let removed = self.with(move |file, owner, _| store::forget(file, owner, &peer)).await?;
        Ok(removed.unwrap_or(0))
    }
}

fn as_refs<T>(opened: &Result<Option<T>>) -> Result<Option<&T>> {
    opened.as_ref().map(Option::as_ref).map_err(Clone::clone)
}

/// Removes a peer from the contact book, and what is kept for and of them. A file that cannot be used
/// does not hold up the rest.
async fn forget(
    contacts: &ContactStore,
    history: &DirectHistory,
    outbox: Result<Option<&Outbox>>,
    inbox: Result<Option<&DurableInbox>>,
    peer: &Name,
) -> Result<Forgotten> {
    // It tells which messages are those of the peer.
    contacts.book().await?;
    let kept = history.forget(peer).await;
    let queued = match outbox {
        Ok(Some(outbox)) => outbox.drop_all(peer).await,
        other => other.map(|_| 0),
    };
    let shown = match inbox {
        Ok(Some(inbox)) => inbox.forget(peer).await,
        other => other.map(drop),
    };
    let mut problems = Vec::new();
    problems.extend(kept.as_ref().err().cloned());
    problems.extend(queued.as_ref().err().cloned());
    problems.extend(shown.err());
    let (kept, queued) = (kept.unwrap_or(0), queued.unwrap_or(0));
    let name = peer.clone();
    let forget = move |book: &mut ContactBook, hub: &_| book.forget(hub, &name);
    let contact = match contacts.change(forget).await {
        Ok(()) => true,
        Err(Error::Invalid(_)) if kept + queued > 0 || !problems.is_empty() => false,
        Err(error) => return Err(error),
    };
    Ok(Forgotten { contact, kept, queued, problems })
}

impl Client {
    /// Returns the conversations of which messages are kept, the latest first. Errors with
    /// [`Error::Io`].
    pub async fn direct_conversations(&self) -> Result<Vec<KeptConversation>> {
        self.0.history.conversations().await
    }

    /// Returns kept messages with a peer, oldest first; none if the name belongs to another key than
    /// before. Errors with [`Error::Io`].
    pub async fn direct_messages(&self, peer: &Name, page: DirectPage) -> Result<Vec<KeptDirect>> {
        self.0.history.messages(peer, page).await
    }

    /// Sets how long messages with a peer are kept from now on, and removes older ones. Returns how
    /// many were removed. The setting stays with the name if a new key is accepted for it. Errors
    /// with [`Error::Invalid`] if the time is shorter than [`KeepFor::SHORTEST`], or no messages
    /// are kept at all; [`Error::Io`].
    pub async fn keep_direct(&self, peer: &Name, keep: KeepFor) -> Result<u64> {
        self.0.history.keep(peer, keep).await
    }

    /// Returns how long messages with a peer are kept. Errors with [`Error::Invalid`] if no messages
    /// are kept at all; [`Error::Io`].
    pub async fn kept_for(&self, peer: &Name) -> Result<KeepFor> {
        self.0.history.kept_for(peer).await
    }

    /// Takes what a person should know about the history: `Some` once for each piece of news.
    pub fn history_notice(&self) -> Option<HistoryNotice> {
        self.0.history.notice()
    }

    /// Waits for the next [`Client::history_notice`]. Cancel safe.
    pub async fn next_history_notice(&self) -> HistoryNotice {
        self.0.history.next_notice().await
    }

    /// Removes a contact with its key, its note and its block, and the kept messages with it: in the
    /// history, in the outbox, where they would wait for the next peer of the name, and in the
    /// inbox, whatever name this client had at the hub. The next peer with the name is met for the
    /// first time. A damaged file does not hold up the rest: see [`Forgotten::problems`]. Errors with [`Error::Invalid`] if nothing was
    /// known; [`Error::Io`].
    pub async fn forget(&self, name: &Name) -> Result<Forgotten> {
        let (outbox, inbox) = (Ok(self.0.outbox.as_ref()), Ok(self.0.durable.as_ref()));
        forget(&self.0.contacts, &self.0.history, outbox, inbox, name).await
    }
}

impl ClientOptions {
    /// Returns what [`Client::direct_conversations`] does, without a client. Errors also if the
    /// file cannot be used.
    pub async fn direct_conversations(&self) -> Result<Vec<KeptConversation>> {
        self.history_without_client().await?.conversations().await
    }

    /// Returns what [`Client::direct_messages`] does, without a client. Errors also if the file
    /// cannot be used.
    pub async fn direct_messages(&self, peer: &Name, page: DirectPage) -> Result<Vec<KeptDirect>> {
        self.history_without_client().await?.messages(peer, page).await
    }

    /// Returns the other names of this person at the hub under which messages with a peer are kept.
    /// Errors also if the file cannot be used.
    pub async fn other_own_names(&self, peer: &Name) -> Result<Vec<Name>> {
        let peer = peer.clone();
        let history = self.history_without_client().await?;
        let names = history.with(move |file, owner, _| read::other_own_names(file, owner, &peer));
        Ok(names.await?.unwrap_or_default())
    }

    /// Removes a contact and what is kept of it, as [`Client::forget`] does, without a client.
    pub async fn forget(&self, name: &Name) -> Result<Forgotten> {
        let contacts = self.contacts_without_client();
        // Only what is there: forgetting creates no files.
        let mut there = self.clone();
        for file in [&mut there.history, &mut there.outbox, &mut there.inbox] {
            file.take_if(|file| !file.exists());
        }
        let history = there.open_history(&contacts).await;
        let outbox = there.open_outbox(&contacts, &history).await;
        let inbox = there.open_inbox_of(&contacts).await;
        let (outbox, inbox) = (as_refs(&outbox), as_refs(&inbox));
        forget(&contacts, &history, outbox, inbox, name).await
    }

    /// Opens the history; see [`DirectHistory::open`].
    pub(in crate::client) async fn open_history(&self, contacts: &ContactStore) -> DirectHistory {
        let (path, keeps) = (self.history.clone(), self.keeps_history);
        DirectHistory::open(path, keeps, contacts.clone(), self.clock.clone()).await
    }

    pub(in crate::client) fn contacts_without_client(&self) -> ContactStore {
        let key = self.identity.as_ref().map(crate::identity::Identity::fingerprint);
        ContactStore::new(self.hub.clone(), self.name.clone(), key, self.contacts.clone())
    }

    async fn history_without_client(&self) -> Result<DirectHistory> {
        let history = self.open_history(&self.contacts_without_client()).await;
        history.0.problem.clone().map_or(Ok(history), Err)
    }
}
