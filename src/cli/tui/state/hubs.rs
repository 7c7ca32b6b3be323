//! `/hub`: listing the hubs, and leaving for another one.

use crate::{
    cli::{
        config::{ProfileName, hubs::HubEntry},
        view,
    },
    text,
};

use super::{Moment, Overlay, State};

impl State {
    pub(crate) fn set_hubs(&mut self, hubs: Vec<HubEntry>) {
        self.hubs = hubs;
    }

    /// Takes the hub to go to after this one; `None` if the user leaves the chat.
    pub(crate) fn take_next_hub(&mut self) -> Option<ProfileName> {
        self.next_hub.take()
    }

    /// Leaves for a hub, once the messages that are being sent have arrived. Without one, lists all.
    pub(super) fn go_to_hub(&mut self, wanted: Option<String>, now: Moment) {
        let Some(wanted) = wanted else {
            self.overlay = Some(Overlay::lines("hubs", view::hubs(&self.hubs)));
            return;
        };
        match self.hubs.iter().find(|entry| entry.profile.as_str() == wanted) {
            Some(entry) if entry.is_current => {
                self.toast(format!("you are at {wanted}"), false, now);
            }
            Some(entry) => {
                self.next_hub = Some(entry.profile.clone());
                self.leave(now);
            }
            None => {
                let wanted = text::one_line(&wanted);
                self.toast(format!("there is no hub {wanted}: /hub lists them"), true, now);
            }
        }
    }

    /// Leaves the chat, once the messages that are being sent have arrived.
    pub(super) fn quit(&mut self, now: Moment) {
        self.next_hub = None;
        self.leave(now);
    }
}
