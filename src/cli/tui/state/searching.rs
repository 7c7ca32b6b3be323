//! Searching: the hits, page by page, and going to one.

use super::{ChatId, Effect, FoundMessage, FoundMessages, Moment, Overlay, State};
use crate::{
    cli::{chat::input::Request, search_terms::SearchTerms, tui::transcript::EntryKey, words},
    client::{KeptDirect, Page, Result},
    model::{Message, Name},
};

/// The most hits that are loaded: more than anybody looks through.
const MAX_HITS: usize = 1000;

/// The next page is loaded when so few hits are below the selected one.
const NEAR_END: usize = 10;

impl State {
    /// Handles a page of hits: the first one opens the list, the others are added to it if it is still
    /// open.
    pub(super) fn on_hits(
        &mut self,
        peer: Option<Name>,
        terms: SearchTerms,
        token: &str,
        result: Result<Page<FoundMessage>>,
        now: Moment,
    ) {
        let page = match result {
            Ok(page) => page,
            Err(error) => {
                if let Some(Overlay::Hits(found)) = &mut self.overlay {
                    found.is_loading = false;
                }
                return self.announce(&words::problem(&error), true, now);
            }
        };
        let is_shown = |hit: &FoundMessage| !self.blocked.contains(hit.sender());
        let hits: Vec<FoundMessage> = page.items.into_iter().filter(is_shown).collect();
        if token.is_empty() {
            if hits.is_empty() && page.next.is_none() {
                let (with, terms) = (with(peer.as_ref()), terms.show(&self.zone));
                return self.announce(&format!("nothing found{with}: {terms}"), false, now);
            }
            let found =
                FoundMessages { peer, terms, hits, next: page.next, ..FoundMessages::default() };
            self.open_overlay(Overlay::Hits(found));
        } else if let Some(Overlay::Hits(found)) = &mut self.overlay
            && (&found.peer, &found.terms) == (&peer, &terms)
            && found.is_loading
        {
            found.is_loading = false;
            found.next = page.next.filter(|_| found.hits.len() + hits.len() < MAX_HITS);
            found.hits.extend(hits);
        }
        self.request_hits();
    }

    /// Requests the next page of hits if the selected one is close to the end of those that are loaded.
    pub(super) fn request_hits(&mut self) {
        let Some(Overlay::Hits(found)) = &mut self.overlay else { return };
        let is_near = found.selected + NEAR_END >= found.hits.len();
        if is_near
            && !found.is_loading
            && let Some(token) = found.next.clone()
        {
            found.is_loading = true;
            let terms = found.terms.clone();
            let effect = match found.peer.clone() {
                Some(peer) => Effect::SearchDirect { peer, terms, token },
                None => Effect::Search { terms, token },
            };
            self.emit(effect);
        }
    }

    /// The chat to which Esc goes back from a found message.
    pub(crate) fn found_from(&self) -> Option<&ChatId> {
        self.found_from.as_ref().filter(|chat| self.chats().contains(chat))
    }

    /// Goes to a direct message, which is loaded if necessary.
    pub(super) fn show_direct(&mut self, peer: Name, kept: &KeptDirect, now: Moment) {
        self.go_to(ChatId::Peer(peer.clone()), now);
        self.ensure_direct_chat(&peer).seek(kept);
        self.request_history(now);
    }

    /// Goes to a message. Its room is joined, and the message loaded, if necessary.
    pub(super) fn show_message(&mut self, message: Message, now: Moment) {
        let room = message.room.clone();
        if self.room(&room).is_none() {
            self.sought = Some(message);
            return self.run_request(Request::Join(room), now);
        }
        let here = self.current.clone().filter(|chat| *chat != ChatId::Room(room.clone()));
        self.go_to(ChatId::Room(room.clone()), now);
        self.found_from = here.or(self.found_from.take());
        let key = EntryKey::Posted(message.position);
        let Some(shown) = self.room_mut(&room) else { return };
        if shown.live.transcript.jump(key) {
            shown.past = None;
        } else if !shown.transcript_mut().jump(key) {
            self.emit(Effect::LoadContext(Box::new(message)));
        }
    }
}

/// Returns with whom the messages are that were searched, for a title.
pub(crate) fn with(peer: Option<&Name>) -> String {
    peer.map(|peer| format!(" with {peer}")).unwrap_or_default()
}
