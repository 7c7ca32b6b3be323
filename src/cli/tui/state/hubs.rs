//! `/hub`: listing the hubs, and leaving for another one.

use crate::cli::{chat::hubs::HubChoice, config::ProfileName};

use super::{Moment, Overlay, State};

impl State {
    /// Takes the hub to go to after this one; `None` if the user leaves the chat.
    pub(crate) fn take_next_hub(&mut self) -> Option<ProfileName> {
        self.next_hub.take()
    }

    /// Handles what `/hub` leads to: the chat leaves once the messages that are being sent have arrived.
    pub(crate) fn on_hub_choice(&mut self, choice: Result<HubChoice, String>, now: Moment) {
        match choice {
            Ok(HubChoice::List(lines)) => self.open_overlay(Overlay::lines("hubs", lines)),
            Ok(HubChoice::Here(notice)) => self.toast(notice, false, now),
            Ok(HubChoice::Go(profile)) => {
                self.next_hub = Some(profile);
                self.leave(now);
            }
            Err(problem) => self.toast(problem, true, now),
        }
    }

    /// Leaves the chat, once the messages that are being sent have arrived.
    pub(super) fn quit(&mut self, now: Moment) {
        self.next_hub = None;
        self.leave(now);
    }
}
