//! What was typed before, and what was being typed when a person went to look for it.

use crate::{
    cli::chat::typed::MAX_LINES,
    model::{MAX_TEXT_BYTES, Name},
};

/// The texts of this chat and earlier ones.
#[derive(Debug)]
pub(super) struct Recall {
    /// Oldest first, at most [`MAX_LINES`], each with whom it was said to where that was one peer
    /// alone: it comes back only there.
    texts: Vec<(String, Option<Name>)>,
    /// Whom one talks with, where that is one peer.
    with: Option<Name>,
    /// Which one is shown.
    at: Option<usize>,
    /// What was being typed, or made of a text from before.
    draft: String,
}

impl Recall {
    pub(super) fn new(texts: impl Iterator<Item = String>) -> Self {
        let fit = |text: &String| !text.trim().is_empty() && text.len() <= MAX_TEXT_BYTES;
        let mut texts: Vec<String> = texts.filter(fit).collect();
        texts.dedup();
        let mut texts: Vec<_> = texts.into_iter().map(|text| (text, None)).collect();
        texts.drain(..texts.len().saturating_sub(MAX_LINES));
        Self { texts, with: None, at: None, draft: String::new() }
    }

    /// That one talks with this peer alone from now on, or with nobody alone.
    pub(super) fn be_with(&mut self, peer: Option<&Name>) {
        if self.with.as_ref() != peer {
            self.stop();
            self.with = peer.cloned();
        }
    }

    /// Adds a text at the end, unless it is there already; `to` one peer alone, or to nobody alone.
    pub(super) fn remember(&mut self, text: &str, to: Option<&Name>) {
        self.stop();
        if self.texts.last().is_some_and(|(last, with)| last == text && with.as_ref() == to) {
            return;
        }
        if self.texts.len() == MAX_LINES {
            self.texts.remove(0);
        }
        self.texts.push((text.to_owned(), to.cloned()));
    }

    /// The text before the one that is shown; `typed` is what stands in the input now.
    pub(super) fn older(&mut self, typed: String) -> Option<String> {
        let end = self.at.unwrap_or(self.texts.len());
        let at = (0..end).rev().find(|at| self.is_for_here(*at))?;
        self.keep(typed);
        self.at = Some(at);
        self.text(at).cloned()
    }

    /// The text after the one that is shown; after the last one, the draft.
    pub(super) fn newer(&mut self, typed: String) -> Option<String> {
        let next = self.at? + 1;
        self.keep(typed);
        self.at = (next..self.texts.len()).find(|at| self.is_for_here(*at));
        match self.at.and_then(|at| self.text(at)) {
            Some(text) => Some(text.clone()),
            None => Some(std::mem::take(&mut self.draft)),
        }
    }

    fn text(&self, at: usize) -> Option<&String> {
        self.texts.get(at).map(|(text, _)| text)
    }

    fn is_for_here(&self, at: usize) -> bool {
        self.texts.get(at).is_some_and(|(_, to)| to.is_none() || *to == self.with)
    }

    /// Keeps what was typed last, also in the place of what had been typed before.
    fn keep(&mut self, typed: String) {
        if self.at.and_then(|at| self.text(at)) != Some(&typed) {
            self.draft = typed;
        }
    }

    /// What is typed now is a text of its own.
    pub(super) fn stop(&mut self) {
        self.at = None;
        self.draft.clear();
    }
}
