//! Text that leaves the screen: copying, opening links, and the view of the text alone.

use super::{Effect, Moment, Overlay, State};
use crate::{cli::tui::escape::MAX_COPY_BYTES, text};

/// What the last line of the view of the text alone says.
const BACK: &str = "— any key goes back —";

impl State {
    /// Copies the latest `count` messages with their senders or, without a count, the text of the message
    /// that was jumped to or of the latest one.
    pub(super) fn copy_messages(&mut self, count: Option<usize>, now: Moment) {
        let transcript = self.transcript();
        let text = match count {
            None => transcript.and_then(|transcript| transcript.current_text()),
            Some(count) => transcript
                .map(|transcript| transcript.latest_texts(count).join("\n"))
                .filter(|text| !text.is_empty()),
        };
        match text {
            Some(text) => self.copy(text, now),
            None => self.toast("there is no message to copy", true, now),
        }
    }

    /// Copies what is selected in the overlay, or all of its text.
    pub(super) fn copy_overlay(&mut self, now: Moment) {
        let text = match &self.overlay {
            Some(Overlay::Links { links, selected }) => links.get(*selected).cloned(),
            Some(Overlay::Hits(found)) => {
                found.hits.get(found.selected).map(|hit| text::copyable(hit.text()).into_owned())
            }
            Some(Overlay::Lines { lines, .. }) => {
                Some(lines.iter().map(|line| text::copyable(line)).collect::<Vec<_>>().join("\n"))
            }
            Some(Overlay::Quit | Overlay::Switch(_)) | None => None,
        };
        if let Some(text) = text {
            self.overlay = None;
            self.copy(text, now);
        }
    }

    fn copy(&mut self, text: String, now: Moment) {
        if text.len() > MAX_COPY_BYTES {
            let problem = format!("not copied: more than {} KiB", MAX_COPY_BYTES / 1024);
            return self.toast(problem, true, now);
        }
        self.toast(format!("copied: {text}"), false, now);
        self.emit(Effect::Copy(text));
    }

    /// Lists the links of the current chat, with the `number`th selected. The link is shown whole before
    /// it can be opened.
    pub(super) fn list_links(&mut self, number: usize, now: Moment) {
        let links = self.transcript().map(|it| it.web_links()).unwrap_or_default();
        match links.len() {
            0 => self.toast("there is no link in this chat", false, now),
            1 if number > 1 => self.toast("this chat has only one link", true, now),
            count if number > count => {
                self.toast(format!("this chat has {count} links"), true, now);
            }
            _ => self.open_overlay(Overlay::Links { links, selected: number - 1 }),
        }
    }

    /// Shows only the text of the messages in view, for the terminal's own selection.
    pub(super) fn show_text_only(&mut self) {
        let screen = self.areas.screen;
        let rows = usize::from(screen.height).saturating_sub(1);
        let transcript = self.transcript();
        let lines = transcript.map(|it| it.text_only_lines(screen.width.into(), rows));
        let mut lines = lines.unwrap_or_default();
        lines.push(BACK.to_owned());
        self.is_text_only = true;
        self.emit(Effect::ShowTextOnly(lines));
    }

    /// Shows the whole screen again. Returns false if it was shown.
    pub(super) fn end_text_only(&mut self) -> bool {
        let was_text_only = std::mem::take(&mut self.is_text_only);
        if was_text_only {
            self.emit(Effect::Redraw);
        }
        was_text_only
    }
}
