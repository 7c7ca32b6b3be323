//! What came of what took a while.

use std::collections::BTreeSet;

use tonic::Code;

use crate::{
    cli::{chat::actions::Done, tui::tasks::Outcome, view, words},
    client::Page,
    error::{Error, Result},
    model::{Message, MessageId, Name, Posted, Receipt, RoomName, SearchHit},
};

use super::{Command, Now, Overlay, State, Way, timeline::Timeline};

impl State {
    /// Takes an outcome.
    pub(crate) fn done(&mut self, outcome: Outcome, now: Now) {
        match outcome {
            Outcome::Posted { id, room, result } => self.posted(id, &room, result, now),
            Outcome::Done { title, done } => self.done_asked(title, done, now),
            Outcome::Page { room, way, result } => self.page(&room, way, result, now),
            Outcome::Around { message, result } => self.around(*message, result, now),
            Outcome::Hits { query, result } => self.hits(query, result, now),
            Outcome::Known { name, known } => {
                if let Some(talk) = self.talk_mut(&name) {
                    talk.is_known(known);
                }
            }
            Outcome::Census(rooms) => self.census(&rooms),
            Outcome::Files { muted, blocked, settled, problem } => {
                self.files(muted, blocked, settled);
                problem.iter().for_each(|problem| self.say(problem, true, now));
            }
            Outcome::Members { room, names } => {
                let few = self.is_no_crowd();
                if let Some(room) = self.room_mut(&room) {
                    room.names = names.filter(|_| few);
                }
            }
            Outcome::Pong(latency) => self.latency = latency,
            Outcome::Queued { id, to, result } => self.queued(id, &to, result, now),
            Outcome::Nothing => {}
            Outcome::Lost(why) => self.say(&format!("something went wrong: {why}"), true, now),
        }
        self.leave_in_time(now);
        self.look();
    }

    fn posted(&mut self, id: MessageId, room: &RoomName, result: Result<Posted>, now: Now) {
        if result.is_ok() {
            // It arrived in a room that one has left since.
            self.lost.retain(|(lost, _)| *lost != Some(id));
        }
        let Some(found) = self.room_mut(room) else { return };
        match result {
            Ok(posted) => found.posted(id, posted.position),
            // Why the client has stopped is told by itself, and says more.
            Err(Error::Stopped) => {}
            Err(error) => {
                let why = words::problem(&error);
                found.failed(id, why.clone());
                let said = format!("not posted in {room}: {why}; Ctrl-R tries again");
                self.toast(said, true, now);
            }
        }
    }

    fn done_asked(&mut self, title: &str, done: Done, now: Now) {
        // Something of it may be different now.
        self.count();
        if let Some(peer) = self.current_peer().cloned() {
            self.order(Command::Know(peer));
        }
        match done {
            // Posts are made in another way here.
            Done::Posted(_) => {}
            Done::Joined(room) => self.is_joined(room, now),
            Done::Left(room) => {
                if self.leave(&room, now) {
                    self.say(&format!("left {room}"), false, now);
                }
            }
            Done::Blocked { name, blocked, said } => {
                let mut all = self.blocked.clone();
                match blocked {
                    true => all.insert(name),
                    false => all.remove(&name),
                };
                self.block(all);
                self.say(&said, false, now);
            }
            Done::Messages(messages) => {
                let shown = messages.iter().filter(|said| !self.blocked.contains(&said.sender));
                let lines = shown.map(|message| view::message(&self.clock, message, None));
                let lines: Vec<String> = lines
                    .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
                    .collect();
                self.show(title, lines, now);
            }
            Done::Shown(lines) => self.show(title, lines, now),
            Done::Said(said) => self.say(&said, false, now),
            Done::Failed(why) => self.say(&why, true, now),
        }
    }

    /// Shows lines over everything; a single one that is no list, among the messages.
    fn show(&mut self, title: &str, lines: Vec<String>, now: Now) {
        match lines.as_slice() {
            [] => self.toast(none(title), false, now),
            [line] if title.is_empty() => self.say(line, false, now),
            _ => self.lay(Overlay::lines(title, lines)),
        }
    }

    fn page(&mut self, room: &RoomName, way: Way, result: Result<Page<Message>>, now: Now) {
        let (me, notice) = (self.me.clone(), self.notice_key());
        let Some(found) = self.room_mut(room) else { return };
        let strand = match found.strand().loading {
            Some(loading) if loading == way => found.strand(),
            // It was asked for by a view that was left meanwhile.
            _ => &mut found.live,
        };
        match (result, way) {
            (Ok(page), Way::Older) => {
                strand.add_older(&page.items, page.next.is_some(), &me, notice);
            }
            (Ok(page), Way::Newer) => {
                if strand.add_newer(&page.items, page.next.is_some(), &me) {
                    found.come_back();
                }
            }
            (Err(error), way) => {
                // What a hub cannot do now is asked again when it is wanted again.
                let gone = matches!(&error, Error::Refused(refusal) if matches!(
                    refusal.code, Code::OutOfRange | Code::NotFound | Code::InvalidArgument
                ));
                strand.failed(now);
                if gone && way == Way::Older {
                    strand.end_here();
                }
                self.toast(words::problem(&error), true, now);
            }
        }
    }

    fn around(
        &mut self,
        message: Message,
        result: Result<(Page<Message>, Page<Message>)>,
        now: Now,
    ) {
        let (me, notice) = (self.me.clone(), self.notice_key());
        let (older, newer) = match result {
            Ok(pages) => pages,
            Err(error) => return self.toast(words::problem(&error), true, now),
        };
        let mut past = Timeline::new();
        past.add(&message, &me, None);
        past.add_older(&older.items, older.next.is_some(), &me, notice);
        past.add_newer(&newer.items, newer.next.is_some(), &me);
        past.transcript.block(&self.blocked);
        past.transcript.jump(crate::cli::tui::transcript::Key::Posted(message.position));
        let Some(room) = self.room_mut(&message.room) else { return };
        room.past = Some(past);
        self.toast("the past: Esc goes back to now", false, now);
    }

    fn hits(&mut self, query: String, result: Result<Vec<SearchHit>>, now: Now) {
        let blocked = &self.blocked;
        let shown = |hit: &SearchHit| !blocked.contains(&hit.message.sender);
        match result.map(|hits| hits.into_iter().filter(shown).collect::<Vec<_>>()) {
            Ok(hits) if hits.is_empty() => self.say(&format!("nothing found: {query}"), false, now),
            Ok(hits) => self.lay(Overlay::Hits { query, hits, chosen: 0 }),
            Err(error) => self.say(&words::problem(&error), true, now),
        }
    }

    fn census(&mut self, rooms: &[crate::model::Room]) {
        for listed in rooms {
            if let Some(room) = self.room_mut(&listed.name) {
                room.members = Some(listed.members);
            }
        }
        if !rooms.is_empty() {
            self.listed = rooms.iter().map(|room| room.name.clone()).collect();
        }
    }

    fn files(
        &mut self,
        muted: Option<Vec<RoomName>>,
        blocked: Option<BTreeSet<Name>>,
        settled: Vec<(MessageId, Option<Receipt>)>,
    ) {
        self.looking = false;
        if let Some(muted) = muted {
            for room in &mut self.rooms {
                room.muted = muted.contains(&room.name);
            }
            self.muted = muted;
        }
        if let Some(blocked) = blocked.filter(|blocked| *blocked != self.blocked) {
            self.block(blocked);
        }
        for (id, receipt) in settled {
            match receipt {
                Some(receipt) => self.talk_with(&receipt.receiver).delivered(id, None),
                None => self.talks.iter_mut().for_each(|talk| talk.dropped(id)),
            }
        }
    }

    fn queued(&mut self, id: MessageId, to: &Name, result: Result<()>, now: Now) {
        match result {
            Ok(()) => self.talk_with(to).queued(id),
            Err(error) => {
                let why = words::problem(&error);
                self.talk_with(to).failed(id, why.clone());
                self.toast(format!("not kept for {to}: {why}"), true, now);
            }
        }
    }
}

/// That a list is empty, by its title.
fn none(title: &str) -> &'static str {
    match title {
        "peers" => "nobody is here",
        "rooms" => "there are no rooms yet",
        "contacts" => "no contacts yet",
        "outbox" => "the outbox is empty",
        "messages" => "nothing has been said here yet",
        _ => "there are none",
    }
}
