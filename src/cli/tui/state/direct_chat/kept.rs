//! The kept messages of a direct chat, which are loaded in pages.

use super::DirectChat;
use crate::{
    cli::tui::transcript::{EntryBody, EntryKey, Mark, TranscriptEntry},
    client::{DirectState, KeptDirect, Verification},
};

/// How far the kept messages of a chat are loaded.
#[derive(Debug, Default)]
pub(super) struct KeptPages {
    oldest: Option<i64>,
    is_loading: bool,
    is_complete: bool,
    /// Whether there are any.
    pub(super) is_listed: bool,
    /// The message to go to, once it is loaded.
    sought: Option<EntryKey>,
}

impl DirectChat {
    /// Returns from where to load older kept messages, if that is to be done now.
    pub(in crate::cli::tui::state) fn begin_loading(&mut self) -> Option<Option<i64>> {
        let kept = &mut self.kept;
        let wanted = !kept.is_loading
            && !kept.is_complete
            && (kept.sought.is_some() || self.transcript.wants_older());
        wanted.then(|| {
            kept.is_loading = true;
            kept.oldest
        })
    }

    /// Adds a page of kept messages before the others.
    pub(in crate::cli::tui::state) fn add_kept(&mut self, messages: &[KeptDirect], more: bool) {
        let oldest = messages.first().map(|first| first.position);
        let is_first_page = self.kept.oldest.is_none();
        let is_listed = self.kept.is_listed || oldest.is_some();
        let sought = self.kept.sought;
        self.kept = KeptPages { oldest, is_loading: false, is_complete: !more, is_listed, sought };
        if messages.iter().any(|kept| kept.receiver.is_some()) {
            self.matters = true;
            self.transcript.raise_limits();
        }
        let is_unread =
            |kept: &&KeptDirect| kept.receiver.is_none() && kept.state != DirectState::Read;
        if is_first_page && let Some(unread) = messages.iter().rfind(is_unread) {
            let at = messages.iter().position(|kept| is_unread(&kept)).unwrap_or(0);
            let read = at.checked_sub(1).map(|last| entry_of(&messages[last]).key);
            self.transcript.set_new_line(read);
            // Those before it count as seen with it.
            self.unseen_ids.push(unread.message.id);
            self.received = self.received.or(Some(unread.message.id));
        }
        self.transcript.merge(messages.iter().map(entry_of).collect());
        self.kept.sought.take_if(|key| self.transcript.jump(*key));
    }

    /// Goes to a kept message: at once, or as soon as it is loaded.
    pub(in crate::cli::tui::state) fn seek(&mut self, kept: &KeptDirect) {
        let key = key_of(kept);
        self.kept.sought = Some(key).filter(|key| !self.transcript.jump(*key));
    }

    /// Records that no more kept messages can be loaded.
    pub(in crate::cli::tui::state) fn on_load_failed(&mut self) {
        (self.kept.is_loading, self.kept.is_complete) = (false, true);
    }
}

fn key_of(kept: &KeptDirect) -> EntryKey {
    match kept.receiver {
        Some(_) => EntryKey::Own(kept.message.id),
        None => EntryKey::Theirs(kept.message.id),
    }
}

fn entry_of(kept: &KeptDirect) -> TranscriptEntry {
    let (message, own) = (&kept.message, kept.receiver.is_some());
    let mark = match (kept.state, kept.verification) {
        (DirectState::Read, _) if own => Some(Mark::Read(String::new())),
        (_, _) if own => Some(Mark::Delivered(String::new())),
        (_, Verification::Unverified(_)) => Some(Mark::Unverified),
        _ => None,
    };
    let key = key_of(kept);
    let body = EntryBody::Message {
        sender: message.sender.clone(),
        own,
        mention: false,
        text: message.text.as_str().to_owned(),
        mark,
    };
    TranscriptEntry { key, at: kept.kept_at, body }
}
