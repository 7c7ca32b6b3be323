//! What was typed before, and what was being typed when a person went to look for it.

use crate::{cli::chat::typed::MAX_LINES, model::MAX_TEXT_BYTES};

/// The texts of this chat and earlier ones.
#[derive(Debug)]
pub(super) struct Recall {
    /// Oldest first, at most [`MAX_LINES`].
    texts: Vec<String>,
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
        texts.drain(..texts.len().saturating_sub(MAX_LINES));
        Self { texts, at: None, draft: String::new() }
    }

    /// Adds a text at the end, unless it is there already.
    pub(super) fn remember(&mut self, text: &str) {
        self.stop();
        if self.texts.last().is_some_and(|last| last == text) {
            return;
        }
        if self.texts.len() == MAX_LINES {
            self.texts.remove(0);
        }
        self.texts.push(text.to_owned());
    }

    /// The text before the one that is shown; `typed` is what stands in the input now.
    pub(super) fn older(&mut self, typed: String) -> Option<String> {
        let at = self.at.unwrap_or(self.texts.len()).checked_sub(1)?;
        self.keep(typed);
        self.at = Some(at);
        self.texts.get(at).cloned()
    }

    /// The text after the one that is shown; after the last one, the draft.
    pub(super) fn newer(&mut self, typed: String) -> Option<String> {
        let next = self.at? + 1;
        self.keep(typed);
        self.at = Some(next).filter(|next| *next < self.texts.len());
        match self.at.and_then(|at| self.texts.get(at)) {
            Some(text) => Some(text.clone()),
            None => Some(std::mem::take(&mut self.draft)),
        }
    }

    /// Keeps what was typed last, also in the place of what had been typed before.
    fn keep(&mut self, typed: String) {
        if self.at.and_then(|at| self.texts.get(at)) != Some(&typed) {
            self.draft = typed;
        }
    }

    /// What is typed now is a text of its own.
    pub(super) fn stop(&mut self) {
        self.at = None;
        self.draft.clear();
    }
}
