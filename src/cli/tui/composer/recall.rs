//! What was typed before, and what was being typed when a person went to look for it.

use crate::{cli::chat::typed::MAX_LINES, model::MAX_TEXT_BYTES};

/// The texts of this chat and earlier ones.
#[derive(Debug)]
pub(super) struct Recall {
    /// Oldest first, at most [`MAX_LINES`].
    texts: Vec<String>,
    /// Which one is shown.
    at: Option<usize>,
    /// What was being typed.
    draft: String,
}

impl Recall {
    pub(super) fn new(mut texts: Vec<String>) -> Self {
        texts.retain(|text| !text.trim().is_empty() && text.len() <= MAX_TEXT_BYTES);
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

    /// The text before the one that is shown; `draft` is kept when the first one is.
    pub(super) fn older(&mut self, draft: impl FnOnce() -> String) -> Option<String> {
        let at = self.at.unwrap_or(self.texts.len()).checked_sub(1)?;
        if self.at.is_none() {
            self.draft = draft();
        }
        self.at = Some(at);
        self.texts.get(at).cloned()
    }

    /// The text after the one that is shown; after the last one, the draft.
    pub(super) fn newer(&mut self) -> Option<String> {
        let next = self.at? + 1;
        match self.texts.get(next) {
            Some(text) => {
                self.at = Some(next);
                Some(text.clone())
            }
            None => {
                self.at = None;
                Some(std::mem::take(&mut self.draft))
            }
        }
    }

    /// What is typed now is a text of its own.
    pub(super) fn stop(&mut self) {
        self.at = None;
        self.draft.clear();
    }
}
