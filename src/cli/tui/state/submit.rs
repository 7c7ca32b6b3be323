//! Submitting the input: sending it, or running it as a command.

use crate::{
    cli::{
        chat::{
            actions::{IS_YOU, KEEP_WHOSE, NO_ROOM, POST_WAITS, join_waits},
            input::{self, Input, Request, ScreenCommand},
        },
        theme::{Theme, ThemeName},
        words,
    },
    model::{MessageId, Name, RoomName, Text},
};

use super::{ChatId, DirectChat, Effect, HubStatus, Moment, Overlay, RoomChat, State};

/// The command that queues a failed message.
const QUEUE: &str = "/queue";

impl State {
    /// Submits the input: a text for the current chat, or a command.
    pub(super) fn submit(&mut self, now: Moment) {
        self.toast = None;
        let typed = self.composer.text();
        let input = match self.screen_command(&typed, now) {
            true => Input::Nothing,
            false => Input::parse(&typed),
        };
        self.offer = None;
        let input = self.confirmed(input, &typed);
        match input {
            Input::Invalid(problem) => return self.refuse(problem, typed, now),
            Input::Ask(
                Request::Talk(to) | Request::Send { to, .. } | Request::Queue { to, .. },
            ) if to == self.me => return self.toast(IS_YOU, true, now),
            Input::Post(_) if self.current.is_none() => return self.toast(NO_ROOM, true, now),
            Input::Post(_) if let HubStatus::Ended(why) = &self.hub_status => {
                return self.toast(format!("not sent: {why}"), true, now);
            }
            _ => {}
        }
        let in_private = self.current_peer().is_some() && matches!(input, Input::Post(_));
        self.stop_typing(now);
        self.joining = None;
        let to = self.current_peer().filter(|_| in_private).cloned();
        let truncation = self.composer.truncation();
        let Some(typed) = self.composer.submit(to.as_ref()) else { return };
        let private_search =
            self.current_peer().is_some() && matches!(input, Input::Ask(Request::Search(_)));
        let may_store = !in_private && !private_search && !input::is_private(&typed);
        if may_store && self.stored_input.as_ref() != Some(&typed) {
            self.stored_input = Some(typed.clone());
            self.emit(Effect::StoreInput(typed));
        }
        self.run_input(input, now);
        // Not as a toast, which the rest of the paste would close.
        if let Some(truncation) = truncation {
            self.announce(&truncation, false, now);
        }
    }

    /// Replaces a refused input by its text if the user has pressed Enter again for the same chat.
    fn confirmed(&mut self, input: Input, typed: &str) -> Input {
        let refused = self.refused.take();
        let again = refused
            .is_some_and(|(chat, text)| Some(&chat) == self.current.as_ref() && text == typed);
        match (input, Text::parse(typed)) {
            (Input::Invalid(_), Ok(text)) if again => Input::Post(text),
            (input, _) => input,
        }
    }

    /// Shows why an input is refused. Pasted lines may still be sent as text, by a second Enter. What was
    /// typed or changed is not, and neither is a single line, because a mistyped command may be private.
    fn refuse(&mut self, problem: String, typed: String, now: Moment) {
        let target = self.current.clone().filter(|_| self.composer.is_pasted_lines());
        let (Some(chat), Ok(_)) = (target, Text::parse(typed.as_str())) else {
            return self.toast(problem, true, now);
        };
        let name = match &chat {
            ChatId::Room(room) => room.to_string(),
            ChatId::Peer(peer) => peer.to_string(),
        };
        let question = format!("like a command; Enter again sends it to {name} as text");
        self.toast(question, true, now);
        self.refused = Some((chat, typed));
    }

    /// Runs a command that only the full screen has. Returns false if the input is something else.
    fn screen_command(&mut self, typed: &str, now: Moment) -> bool {
        match typed.trim() {
            "/retry" => self.retry(),
            QUEUE => self.queue_failed(now),
            _ => false,
        }
    }

    fn run_input(&mut self, input: Input, now: Moment) {
        match input {
            Input::Nothing | Input::Invalid(_) => {}
            Input::Quit => self.quit(now),
            Input::Hub(profile) => self.emit(Effect::ChooseHub(profile)),
            Input::Help => self.overlay = Some(Overlay::help(&self.keymap, true)),
            Input::ShowStatus => self.show_status(),
            Input::Theme(theme) => self.set_theme(theme, now),
            Input::OnScreen(ScreenCommand::Copy(count)) => self.copy_messages(count, now),
            Input::OnScreen(ScreenCommand::Open(number)) => self.list_links(number, now),
            Input::Post(text) => self.send_here(text, now),
            Input::Ask(request) => self.run_request(request, now),
        }
    }

    /// Changes the colours until the chat ends, or shows which theme they are of.
    fn set_theme(&mut self, theme: Option<ThemeName>, now: Moment) {
        if let Some(name) = theme {
            self.theme_name = name;
            self.theme = Theme::new(name, &self.colours);
        }
        self.toast(format!("theme: {}", self.theme_name), false, now);
    }

    fn send_here(&mut self, text: Text, now: Moment) {
        self.found_from = None;
        match self.current.clone() {
            Some(ChatId::Room(room)) => self.post(room, text, now),
            Some(ChatId::Peer(to)) => _ = self.send(to, text, now),
            None => {}
        }
    }

    fn post(&mut self, name: RoomName, text: Text, now: Moment) {
        let (id, me) = (MessageId::new(), self.me.clone());
        let Some(room) = self.room_mut(&name) else { return };
        room.post(id, text.clone(), &me, now);
        self.emit(Effect::Post { id, room: name, text });
        if matches!(self.hub_status, HubStatus::Lost { .. }) {
            self.toast(POST_WAITS, false, now);
        }
    }

    fn send(&mut self, to: Name, text: Text, now: Moment) -> MessageId {
        let (id, me) = (MessageId::new(), self.me.clone());
        self.ensure_direct_chat(&to).send(id, text.clone(), &me, now);
        self.emit(Effect::Send { id, to, text });
        id
    }

    /// Closes the toast that a direct message is being sent. Returns false if it is not shown any more.
    pub(super) fn end_sending(&mut self, id: MessageId) -> bool {
        self.toast.take_if(|toast| toast.sending == Some(id)).is_some()
    }

    pub(super) fn run_request(&mut self, request: Request, now: Moment) {
        let room = self.current_room().cloned();
        match request {
            Request::Send { to, text } => {
                let is_elsewhere = self.current_peer() != Some(&to);
                let id = self.send(to.clone(), text, now);
                if is_elsewhere {
                    self.toast(
                        format!("sending to {to} only: see the list on the left"),
                        false,
                        now,
                    );
                    self.toast.iter_mut().for_each(|toast| toast.sending = Some(id));
                }
            }
            Request::Talk(name) => {
                self.ensure_direct_chat(&name);
                self.go_to(ChatId::Peer(name), now);
            }
            Request::Queue { to, text } => {
                let (id, me) = (MessageId::new(), self.me.clone());
                self.ensure_direct_chat(&to).send(id, text.clone(), &me, now);
                self.emit(Effect::Queue { id, to, text });
            }
            Request::Join(name) if self.room(&name).is_some() => {
                self.go_to(ChatId::Room(name), now);
            }
            Request::Join(name) if matches!(self.hub_status, HubStatus::Lost { .. }) => {
                self.announce(&join_waits(&name), false, now);
                self.emit(Effect::Run { request: Request::Join(name), room });
            }
            Request::Search(terms)
                if let Some(peer) =
                    self.current_peer().filter(|_| terms.room.is_none()).cloned() =>
            {
                self.emit(Effect::SearchDirect { peer, terms, token: String::new() });
            }
            Request::Search(terms) => {
                self.emit(Effect::Search { terms, token: String::new() });
            }
            Request::Keep { name: None, .. } | Request::ShowKeep(None)
                if self.current_peer().is_none() =>
            {
                self.toast(KEEP_WHOSE, true, now);
            }
            Request::Keep { name, keep } => {
                let name = name.or_else(|| self.current_peer().cloned());
                self.emit(Effect::Run { request: Request::Keep { name, keep }, room });
            }
            Request::ShowKeep(None) => {
                let request = Request::ShowKeep(self.current_peer().cloned());
                self.emit(Effect::Run { request, room });
            }
            Request::Leave(None) if self.current_peer().is_some() => self.close_direct_chat(now),
            Request::History(_) if let Some(peer) = self.current_peer() => {
                let text = format!("/history is for rooms; earlier messages with {peer} are above");
                self.announce(&text, false, now);
            }
            Request::Mute { room: None, .. } if let Some(peer) = self.current_peer() => {
                let text = format!(
                    "only rooms can be muted, as in /mute lobby; /block {peer} stops direct messages"
                );
                self.announce(&text, false, now);
            }
            request => {
                if let Request::Join(name) = &request {
                    self.joining = Some(name.clone());
                }
                if let Request::Leave(named) = &request {
                    let left = named.as_ref().or(room.as_ref()).cloned();
                    left.into_iter().for_each(|room| self.emit(Effect::ForgetRoom(room)));
                }
                if let Request::SetStatus(status) = request {
                    self.on_status_chosen(status);
                }
                self.emit(Effect::Run { request, room });
            }
        }
    }

    fn close_direct_chat(&mut self, now: Moment) {
        let Some(peer) = self.current_peer().cloned() else { return };
        let has_unsent = |chat: &DirectChat| chat.unsent.iter().next().is_some();
        if self.direct_chat(&peer).is_some_and(has_unsent) {
            return self.toast(format!("a message to {peer} is not sent yet"), true, now);
        }
        self.direct_chats.retain(|chat| chat.name != peer);
        self.current = None;
        self.go_to_first_room(now);
    }

    /// Sends the first failed message of the current chat again. Returns false if there is none.
    pub(super) fn retry(&mut self) -> bool {
        let effect = match self.current.clone() {
            Some(ChatId::Room(name)) => self
                .room_mut(&name)
                .and_then(RoomChat::retry)
                .map(|(id, text)| Effect::Post { id, room: name, text }),
            Some(ChatId::Peer(to)) => self
                .direct_chat_mut(&to)
                .and_then(|chat| chat.retry(None))
                .map(|(id, text)| Effect::Send { id, to, text }),
            None => None,
        };
        self.offer = None;
        effect.map(|effect| self.emit(effect)).is_some()
    }

    /// Puts the offered message into the outbox, or the first failed one of the current direct chat.
    /// Returns false if nothing is offered in a room.
    fn queue_failed(&mut self, now: Moment) -> bool {
        if self.queue_offered() {
            return true;
        }
        let Some(to) = self.current_peer().cloned() else { return false };
        if !self.queue(to, None) {
            self.toast("no failed messages here", false, now);
        }
        true
    }

    /// Puts the offered message into the outbox. Returns false if there is none.
    pub(super) fn queue_offered(&mut self) -> bool {
        self.offer.take().is_some_and(|(to, id)| self.queue(to, Some(id)))
    }

    fn queue(&mut self, to: Name, id: Option<MessageId>) -> bool {
        let failed = self.direct_chat_mut(&to).and_then(|chat| chat.retry(id));
        failed.map(|(id, text)| self.emit(Effect::Queue { id, to, text })).is_some()
    }

    /// Handles a change of the input.
    pub(super) fn on_edit(&mut self, now: Moment) {
        self.menu = None;
        self.toast = None;
        let text = self.composer.text();
        if text.is_empty() || !QUEUE.starts_with(text.trim_end()) {
            self.offer = None;
        }
        if self.leaving.take().is_some() {
            self.toast("not leaving, because you typed", false, now);
        }
        self.joining = None;
        self.request_rooms_for_input(now);
        let is_message = !text.trim().is_empty() && !input::begins_like_a_command(&text);
        self.notify_typing(is_message, now);
    }

    /// Notifies the peer that the user has stopped typing.
    pub(super) fn stop_typing(&mut self, now: Moment) {
        self.notify_typing(false, now);
    }

    fn notify_typing(&mut self, active: bool, now: Moment) {
        let Some(to) = self.current_peer().cloned() else { return };
        if self
            .direct_chat_mut(&to)
            .is_some_and(|chat| chat.live && chat.notifies_typing(active, now))
        {
            self.emit(Effect::Typing { to, active });
        }
    }

    fn show_status(&mut self) {
        let (me, hub) = (&self.me, &self.hub);
        let rooms: Vec<&str> = self.rooms.iter().map(|room| room.name.as_str()).collect();
        let rooms = rooms.join(", ");
        let mut lines = match &self.hub_status {
            HubStatus::Up => {
                let status = self.peers.get(me).map(|listed| words::status(listed.status));
                let status = status.map(|it| format!("; others see you as {it}"));
                vec![format!("{me} on {hub}{}", status.unwrap_or_default())]
            }
            HubStatus::Lost { .. } => vec![format!("{me} is not connected: {hub} is unreachable")],
            HubStatus::Ended(why) => vec![format!("{me} is not connected: {why}")],
        };
        // A client that has ended is in no room and gets no messages.
        if !matches!(self.hub_status, HubStatus::Ended(_)) {
            lines.push(self.reached_at.clone());
            lines.push(match (rooms.is_empty(), &self.hub_status) {
                (true, _) => "in no room".into(),
                (false, HubStatus::Up) => format!("in {rooms}"),
                (false, _) => format!("to join again: {rooms}"),
            });
        }
        let sending = self.sending();
        let queued = self.direct_chats.iter().map(DirectChat::queued).sum();
        let counts = [
            (sending, "being sent"),
            (self.unsent().len() - sending, "not sent"),
            (queued, "queued"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<_> = counts.map(|(count, state)| format!("{count} {state}")).collect();
        lines.push(match counts.is_empty() {
            true => "all your messages have arrived".to_owned(),
            false => format!("your messages: {}", counts.join(", ")),
        });
        lines.extend(self.join_lines.iter().cloned());
        lines.extend(self.direct_chats.iter().map(DirectChat::summary));
        self.overlay = Some(Overlay::lines("status", lines));
    }
}
