//! What is done with what was typed.

use crate::{
    cli::chat::{
        actions::{IS_YOU, NO_ROOM},
        input::{self, Input, Request},
    },
    model::{MessageId, Name, RoomName, Text},
};

use super::{Command, Link, Now, Overlay, Place, State};

/// What is said of a text that has to wait.
const WAITS: &str = "the hub is away; what you say is kept and posted when it is back";

impl State {
    /// Takes what is typed: text for where one is, or a command.
    pub(super) fn submit(&mut self, now: Now) {
        self.toast = None;
        let typed = self.composer.text();
        let input = match self.short_command(&typed, now) {
            true => Input::Nothing,
            false => Input::parse(&typed),
        };
        match input {
            Input::Mistake(problem) => return self.toast(problem, true, now),
            Input::Ask(
                Request::Talk(to) | Request::Send { to, .. } | Request::Queue { to, .. },
            ) if to == self.me => return self.toast(IS_YOU, true, now),
            Input::Post(_) if self.current.is_none() => return self.toast(NO_ROOM, true, now),
            Input::Post(_) if let Link::Ended(why) = &self.link => {
                let said = format!("not sent: {why}");
                return self.toast(said, true, now);
            }
            _ => {}
        }
        let in_private = self.current_peer().is_some() && matches!(input, Input::Post(_));
        self.stop_typing(now);
        self.joining = None;
        let to = self.current_peer().filter(|_| in_private).cloned();
        let cut = self.composer.cut();
        let Some(typed) = self.composer.submit_to(to.as_ref()) else { return };
        let kept = !in_private && !input::is_private(&typed);
        if kept && self.remembered.as_ref() != Some(&typed) {
            self.remembered = Some(typed.clone());
            self.order(Command::Remember(typed));
        }
        self.obey(input, now);
        // Among the messages: a word in the last line goes with the next key, and more may come.
        if let Some(cut) = cut {
            self.say(&cut, false, now);
        }
    }

    /// What means something here and nothing elsewhere: it is about what one sees. Tells whether it
    /// was that.
    fn short_command(&mut self, typed: &str, now: Now) -> bool {
        match typed.trim() {
            "/retry" => self.retry(),
            "/queue" => self.queue_failed(now),
            _ => false,
        }
    }

    fn obey(&mut self, input: Input, now: Now) {
        match input {
            Input::Nothing | Input::Mistake(_) => {}
            Input::Quit => self.quit(now),
            Input::Help => self.overlay = Some(Overlay::help(&self.keymap, true)),
            Input::ShowStatus => self.show_status(),
            Input::Post(text) => self.say_here(text, now),
            Input::Ask(request) => self.ask(request, now),
        }
    }

    fn say_here(&mut self, text: Text, now: Now) {
        match self.current.clone() {
            Some(Place::Room(room)) => self.post(room, text, now),
            Some(Place::Peer(to)) => self.send(to, text, now),
            None => {}
        }
    }

    fn post(&mut self, name: RoomName, text: Text, now: Now) {
        let (id, me) = (MessageId::new(), self.me.clone());
        let Some(room) = self.room_mut(&name) else { return };
        room.say(id, text.clone(), &me, now);
        self.order(Command::Post { id, room: name, text });
        if matches!(self.link, Link::Lost { .. }) {
            self.toast(WAITS, false, now);
        }
    }

    fn send(&mut self, to: Name, text: Text, now: Now) {
        let (id, me) = (MessageId::new(), self.me.clone());
        self.talk_with(&to).say(id, text.clone(), &me, now);
        self.order(Command::Say { id, to, text });
    }

    fn ask(&mut self, request: Request, now: Now) {
        let room = self.current_room().cloned();
        match request {
            Request::Send { to, text } => {
                if self.current_peer() != Some(&to) {
                    self.toast(
                        format!("to {to} alone: see the conversation on the left"),
                        false,
                        now,
                    );
                }
                self.send(to, text, now);
            }
            Request::Talk(name) => {
                self.talk_with(&name);
                self.go_to(Place::Peer(name), now);
            }
            Request::Queue { to, text } => {
                let (id, me) = (MessageId::new(), self.me.clone());
                self.talk_with(&to).say(id, text.clone(), &me, now);
                self.order(Command::Queue { id, to, text });
            }
            Request::Join(name) if self.room(&name).is_some() => {
                self.go_to(Place::Room(name), now);
            }
            Request::Join(name) if matches!(self.link, Link::Lost { .. }) => {
                self.say(&format!("{name} will be joined when the hub is back"), false, now);
                self.order(Command::Ask { request: Request::Join(name), room });
            }
            Request::Search(query) => match room {
                Some(room) => self.order(Command::Search { room, query }),
                None => self.toast("go to a room to search in it", true, now),
            },
            Request::Leave(None) if self.current_peer().is_some() => self.close_talk(now),
            request => {
                if let Request::Join(name) = &request {
                    self.joining = Some(name.clone());
                }
                if let Request::SetStatus(status) = request {
                    self.says_status(status);
                }
                self.order(Command::Ask { request, room });
            }
        }
    }

    /// Takes the conversation one is in off the list.
    fn close_talk(&mut self, now: Now) {
        let Some(peer) = self.current_peer().cloned() else { return };
        let busy = self.talk(&peer).is_some_and(|talk| talk.unsent().next().is_some());
        if busy {
            return self.toast(format!("something is not sent to {peer} yet"), true, now);
        }
        self.talks.retain(|talk| talk.name != peer);
        self.current = None;
        if let Some(place) = self.places().into_iter().next() {
            self.go_to(place, now);
        }
    }

    /// Sends again what failed first, where one is. Tells whether something had failed.
    pub(super) fn retry(&mut self) -> bool {
        let command = match self.current.clone() {
            Some(Place::Room(name)) => self
                .room_mut(&name)
                .and_then(super::Room::retry)
                .map(|(id, text)| Command::Post { id, room: name, text }),
            Some(Place::Peer(to)) => self
                .talk_mut(&to)
                .and_then(super::Talk::retry)
                .map(|(id, text)| Command::Say { id, to, text }),
            None => None,
        };
        command.map(|command| self.order(command)).is_some()
    }

    /// Keeps what failed first until the peer is back. Tells whether one is in a conversation.
    fn queue_failed(&mut self, now: Now) -> bool {
        let Some(to) = self.current_peer().cloned() else { return false };
        match self.talk_mut(&to).and_then(super::Talk::retry) {
            Some((id, text)) => self.order(Command::Queue { id, to, text }),
            None => self.toast("nothing has failed here", false, now),
        }
        true
    }

    /// That something about the text has changed.
    pub(super) fn typed(&mut self, now: Now) {
        self.menu = None;
        self.toast = None;
        if self.leaving.take().is_some() {
            self.toast("you stay, as you type on", false, now);
        }
        self.joining = None;
        let text = self.composer.text();
        let writes = !text.trim().is_empty() && !text.starts_with('/');
        self.tell_typing(writes, now);
    }

    /// That nothing is being typed here any more.
    pub(super) fn stop_typing(&mut self, now: Now) {
        self.tell_typing(false, now);
    }

    fn tell_typing(&mut self, active: bool, now: Now) {
        let Some(to) = self.current_peer().cloned() else { return };
        if self.talk_mut(&to).is_some_and(|talk| talk.live && talk.tells_typing(active, now)) {
            self.order(Command::Typing { to, active });
        }
    }

    fn show_status(&mut self) {
        let connection = match &self.link {
            Link::Up => format!("on {}", self.hub),
            Link::Lost { .. } => format!("{} is away", self.hub),
            Link::Ended(why) => why.clone(),
        };
        let rooms: Vec<&str> = self.rooms.iter().map(|room| room.name.as_str()).collect();
        let rooms = match rooms.as_slice() {
            [] => "in no room".to_owned(),
            rooms => format!("in {}", rooms.join(", ")),
        };
        let waiting = match self.sending() {
            0 => "everything you said has arrived".to_owned(),
            1 => "one of your messages is under way".to_owned(),
            waiting => format!("{waiting} of your messages are under way"),
        };
        let lines =
            vec![format!("{} {connection}", self.me), self.reached_at.clone(), rooms, waiting];
        self.overlay = Some(Overlay::lines("status", lines));
    }
}
