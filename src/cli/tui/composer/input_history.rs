//! The input history, and the draft that one returns to from it.

use crate::{
    cli::chat::history_file::MAX_LINES,
    model::{MAX_TEXT_BYTES, Name},
};

/// The inputs of this chat and earlier ones.
pub(super) struct InputHistory {
    /// Oldest first, at most [`MAX_LINES`]. A direct message is stored with the peer, and recalled only
    /// in the chat with that peer.
    texts: Vec<(String, Option<Name>)>,
    /// The peer of the current direct chat.
    peer: Option<Name>,
    at: Option<usize>,
    /// What was typed before, or a recalled input that was changed.
    draft: String,
}

impl InputHistory {
    pub(super) fn new(texts: impl Iterator<Item = String>) -> Self {
        let fit = |text: &String| !text.trim().is_empty() && text.len() <= MAX_TEXT_BYTES;
        let mut texts: Vec<String> = texts.filter(fit).collect();
        texts.dedup();
        let mut texts: Vec<_> = texts.into_iter().map(|text| (text, None)).collect();
        texts.drain(..texts.len().saturating_sub(MAX_LINES));
        Self { texts, peer: None, at: None, draft: String::new() }
    }

    /// Sets the peer of the current direct chat.
    pub(super) fn set_peer(&mut self, peer: Option<&Name>) {
        if self.peer.as_ref() != peer {
            self.reset();
            self.peer = peer.cloned();
        }
    }

    /// Appends an input, unless it is the last one already; `to` is the peer of a direct message.
    pub(super) fn add(&mut self, text: &str, to: Option<&Name>) {
        self.reset();
        if self.texts.last().is_some_and(|(last, peer)| last == text && peer.as_ref() == to) {
            return;
        }
        if self.texts.len() == MAX_LINES {
            self.texts.remove(0);
        }
        self.texts.push((text.to_owned(), to.cloned()));
    }

    /// The input before the recalled one. `typed` is the current input.
    pub(super) fn older(&mut self, typed: String) -> Option<String> {
        let end = self.at.unwrap_or(self.texts.len());
        let at = (0..end).rev().find(|at| self.can_recall(*at))?;
        self.keep_draft(typed);
        self.at = Some(at);
        self.text(at).cloned()
    }

    /// The input after the recalled one; after the last one, the draft.
    pub(super) fn newer(&mut self, typed: String) -> Option<String> {
        let next = self.at? + 1;
        self.keep_draft(typed);
        self.at = (next..self.texts.len()).find(|at| self.can_recall(*at));
        match self.at.and_then(|at| self.text(at)) {
            Some(text) => Some(text.clone()),
            None => Some(std::mem::take(&mut self.draft)),
        }
    }

    fn text(&self, at: usize) -> Option<&String> {
        self.texts.get(at).map(|(text, _)| text)
    }

    fn can_recall(&self, at: usize) -> bool {
        self.texts.get(at).is_some_and(|(_, to)| to.is_none() || *to == self.peer)
    }

    /// Makes the current input the draft if it was changed.
    fn keep_draft(&mut self, typed: String) {
        if self.at.and_then(|at| self.text(at)) != Some(&typed) {
            self.draft = typed;
        }
    }

    /// Ends recalling.
    pub(super) fn reset(&mut self) {
        self.at = None;
        self.draft.clear();
    }
}
