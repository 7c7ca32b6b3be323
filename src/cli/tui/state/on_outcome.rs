//! Handling the outcomes of tasks.

use std::collections::BTreeSet;

use tonic::Code;

use crate::{
    cli::{
        chat::{actions::ActionOutcome, queueing},
        tui::{
            outcome::{Outcome, PageDirection},
            transcript::{EntryKey, NoticeKind},
        },
        view, words,
    },
    client::{Error, HistoryNotice, KeptConversation, KeptDirect, Page, Queued, Result},
    model::{Message, MessageId, Name, Posted, Receipt, RoomName},
};

use super::{ChatId, DirectChat, Effect, FoundMessage, Moment, Overlay, State, timeline::Timeline};

/// The most conversations of earlier chats that are listed.
const MAX_LISTED: usize = 100;

impl State {
    /// Handles the outcome of a task.
    pub(crate) fn on_outcome(&mut self, outcome: Outcome, now: Moment) {
        match outcome {
            Outcome::Posted { id, room, result } => self.on_posted(id, &room, result, now),
            Outcome::Ran { title, done } => self.on_request_done(title, done, now),
            Outcome::Page { room, direction, result } => {
                self.on_page(&room, direction, result, now)
            }
            Outcome::Unread { room, result } => self.on_unread(&room, result, now),
            Outcome::Context { message, result } => self.on_context(*message, result, now),
            Outcome::Hits { terms, token, result } => {
                let result = result.map(|page| Page {
                    items: page.items.into_iter().map(FoundMessage::Posted).collect(),
                    next: page.next,
                });
                self.on_hits(None, terms, &token, result, now);
            }
            Outcome::Contact { name, trust } => {
                if let Some(chat) = self.direct_chat_mut(&name) {
                    chat.set_contact(trust);
                }
            }
            Outcome::Rooms(rooms) => self.on_room_list(rooms, now),
            Outcome::Files { muted, blocked, settled, problem } => {
                self.on_files(muted, blocked, settled);
                problem.iter().for_each(|problem| self.announce(problem, true, now));
            }
            Outcome::Conversations { kept, queued } => self.on_conversations(&kept, &queued),
            Outcome::DirectPage { peer, result } => self.on_direct_page(&peer, result, now),
            Outcome::DirectHits { peer, terms, token, result } => {
                self.on_hits(Some(peer), terms, &token, result, now);
            }
            Outcome::Members { room, names } => {
                let lists_members = self.lists_members();
                if let Some(room) = self.room_mut(&room) {
                    room.names = names.filter(|_| lists_members);
                }
            }
            Outcome::MemberCount { room, members } => {
                if let Some(room) = self.room_mut(&room) {
                    room.members = members.or(room.members);
                }
            }
            Outcome::Pong(latency) => self.latency = latency,
            Outcome::Queued { id, to, result } => self.on_queued(id, &to, result, now),
            Outcome::Notified(problem) => {
                problem.iter().for_each(|why| self.toast(format!("notify: {why}"), true, now));
            }
            Outcome::NotOpened(why) => self.announce(&why, true, now),
            Outcome::Nothing => {}
            Outcome::Panicked(why) => self.announce(&format!("internal error: {why}"), true, now),
        }
        self.leave_if_done(now);
        self.mark_seen();
    }

    fn on_posted(&mut self, id: MessageId, room: &RoomName, result: Result<Posted>, now: Moment) {
        if result.is_ok() {
            // The room may have been left since.
            self.lost.retain(|(lost, _)| *lost != Some(id));
        }
        let Some(found) = self.room_mut(room) else { return };
        match result {
            Ok(posted) => found.on_posted(id, posted.position),
            // The event of the client that it has stopped says why.
            Err(Error::Stopped) => {}
            Err(error) => {
                let reason = words::problem(&error);
                found.fail(id, reason.clone());
                self.toast(
                    format!("not posted in {room}: {reason}; Ctrl-R sends again"),
                    true,
                    now,
                );
            }
        }
    }

    fn on_request_done(&mut self, title: &str, done: ActionOutcome, now: Moment) {
        // The command may have changed these.
        self.request_members();
        if let Some(peer) = self.current_peer().cloned() {
            self.emit(Effect::LookUp(peer));
        }
        match done {
            // Posts do not go through commands here.
            ActionOutcome::Posted(_) => {}
            ActionOutcome::Joined(room) => self.on_join_done(room, now),
            ActionOutcome::Left(room) => {
                if self.remove_room(&room, now) {
                    self.announce(&format!("left {room}"), false, now);
                }
            }
            ActionOutcome::Blocked { name, blocked, notice } => {
                let mut all = self.blocked.clone();
                match blocked {
                    true => all.insert(name),
                    false => all.remove(&name),
                };
                self.set_blocked(all);
                self.announce(&notice, false, now);
            }
            ActionOutcome::Messages(messages) => {
                let shown = messages.iter().filter(|it| !self.blocked.contains(&it.sender));
                let lines = shown.map(|message| view::message(&self.clock, message, None));
                let lines: Vec<String> = lines
                    .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
                    .collect();
                self.show(title, lines, now);
            }
            ActionOutcome::Shown(lines) => self.show(title, lines, now),
            ActionOutcome::Forgotten { name, notice } => {
                if let Some(chat) = self.direct_chat_mut(&name) {
                    let draft = std::mem::take(&mut chat.draft);
                    *chat = DirectChat::new(name);
                    chat.draft = draft;
                }
                self.announce(&notice, false, now);
            }
            ActionOutcome::Notice(text) => self.announce(&text, false, now),
            ActionOutcome::Failed(why) | ActionOutcome::Unreachable { why, .. } => {
                self.announce(&why, true, now);
            }
        }
    }

    /// Shows lines in an overlay, or a single one without a title among the messages.
    fn show(&mut self, title: &str, lines: Vec<String>, now: Moment) {
        match lines.as_slice() {
            [] => self.toast(empty_list(title), false, now),
            [line] if title.is_empty() => self.announce(line, false, now),
            _ => self.open_overlay(Overlay::lines(title, lines)),
        }
    }

    /// Shows what the user should know about the history, where the first kept message is.
    pub(crate) fn on_history_notice(&mut self, news: &HistoryNotice, now: Moment) {
        match news {
            HistoryNotice::Began { file, peer } => {
                let file = file.file_name().unwrap_or_default().display();
                let text = format!(
                    "direct messages are kept on this machine, in {file}; `keep = false` in \
                     config.toml turns it off"
                );
                self.ensure_direct_chat(peer);
                let entry = self.notice(NoticeKind::Info, &text, now);
                self.push_entry(&ChatId::Peer(peer.clone()), entry);
            }
            news => self.announce(&view::history_notice(news), true, now),
        }
    }

    /// Lists the conversations of earlier chats, the latest first, and what waits in the outbox.
    fn on_conversations(&mut self, kept: &[KeptConversation], queued: &[Queued]) {
        let me = self.me.clone();
        for one in kept.iter().take(MAX_LISTED).filter(|one| one.messages > 0) {
            let unread = usize::try_from(one.unread).unwrap_or(usize::MAX);
            self.ensure_direct_chat(&one.peer).on_listed(unread);
        }
        for one in queued {
            self.ensure_direct_chat(&one.peer).add_queued(one, &me);
        }
    }

    fn on_direct_page(
        &mut self,
        peer: &Name,
        result: Result<(Vec<KeptDirect>, bool)>,
        now: Moment,
    ) {
        let Some(chat) = self.direct_chat_mut(peer) else { return };
        match result {
            Ok((messages, more)) => chat.add_kept(&messages, more),
            Err(error) => {
                chat.on_load_failed();
                self.toast(words::problem(&error), true, now);
            }
        }
    }

    fn on_page(
        &mut self,
        room: &RoomName,
        direction: PageDirection,
        result: Result<Page<Message>>,
        now: Moment,
    ) {
        let (me, notice) = (self.reader.clone(), self.notice_key());
        let Some(found) = self.room_mut(room) else { return };
        let timeline = match found.timeline().loading {
            Some(loading) if loading == direction => found.timeline_mut(),
            // The past that it was requested for is closed.
            _ => &mut found.live,
        };
        match (result, direction) {
            (Ok(page), PageDirection::Older) => {
                timeline.add_older(&page.items, page.next.is_some(), &me, notice);
            }
            (Ok(page), PageDirection::Newer) => {
                if timeline.add_newer(&page.items, page.next.is_some(), &me) {
                    found.join_past();
                }
            }
            (Err(error), direction) => {
                // Other errors are temporary.
                let is_gone = matches!(&error, Error::Refused(refusal) if matches!(
                    refusal.code, Code::OutOfRange | Code::NotFound | Code::InvalidArgument
                ));
                timeline.on_load_failed(now);
                if is_gone && direction == PageDirection::Older {
                    timeline.set_complete();
                }
                self.toast(words::problem(&error), true, now);
            }
        }
    }

    fn on_unread(&mut self, room: &RoomName, result: Result<Page<Message>>, now: Moment) {
        let page = match result {
            Ok(page) => page,
            Err(error) => return self.toast(words::problem(&error), true, now),
        };
        let is_shown = |message: &&Message| {
            message.sender != self.me && !self.blocked.contains(&message.sender)
        };
        let first = page.items.iter().find(is_shown).map(|message| message.position);
        let mut past = Timeline::new();
        past.add_newer(&page.items, page.next.is_some(), &self.reader);
        past.transcript.set_blocked(&self.blocked);
        // The user may have gone to a found message meanwhile.
        if let Some(room) = self.room_mut(room).filter(|room| room.past.is_none()) {
            room.show_unread(past, first, page.next.is_some());
        }
    }

    fn on_context(
        &mut self,
        message: Message,
        result: Result<(Page<Message>, Page<Message>)>,
        now: Moment,
    ) {
        let (me, notice) = (self.reader.clone(), self.notice_key());
        let (older, newer) = match result {
            Ok(pages) => pages,
            Err(error) => return self.toast(words::problem(&error), true, now),
        };
        let mut past = Timeline::new();
        past.add(&message, &me, None);
        past.add_older(&older.items, older.next.is_some(), &me, notice);
        past.add_newer(&newer.items, newer.next.is_some(), &me);
        past.transcript.set_blocked(&self.blocked);
        past.transcript.jump(EntryKey::Posted(message.position));
        let Some(room) = self.room_mut(&message.room) else { return };
        room.past = Some(past);
    }

    fn on_files(
        &mut self,
        muted: Option<Vec<RoomName>>,
        blocked: Option<BTreeSet<Name>>,
        settled: Vec<(MessageId, Option<Receipt>)>,
    ) {
        self.reading_files = false;
        if let Some(muted) = muted {
            for room in &mut self.rooms {
                room.muted = muted.contains(&room.name);
            }
            self.muted = muted;
        }
        if let Some(blocked) = blocked.filter(|blocked| *blocked != self.blocked) {
            self.set_blocked(blocked);
        }
        for (id, receipt) in settled {
            match receipt {
                Some(receipt) => self.ensure_direct_chat(&receipt.receiver).on_delivered(id, None),
                None => self.direct_chats.iter_mut().for_each(|chat| chat.on_dropped(id)),
            }
        }
    }

    fn on_queued(&mut self, id: MessageId, to: &Name, result: Result<bool>, now: Moment) {
        match result {
            Ok(is_known) => {
                self.ensure_direct_chat(to).queue(id);
                // In its own conversation the message has a mark.
                if !is_known || self.current_peer() != Some(to) {
                    self.announce(&queueing::notice(to, is_known), false, now);
                }
            }
            Err(error) => {
                let reason = words::problem(&error);
                self.ensure_direct_chat(to).fail(id, reason.clone());
                self.toast(format!("not queued for {to}: {reason}"), true, now);
            }
        }
    }
}

fn empty_list(title: &str) -> &'static str {
    match title {
        "peers" => "nobody is on the hub",
        "rooms" => "there are no rooms yet",
        "contacts" => "no contacts yet",
        "outbox" => "the outbox is empty",
        "messages" => "there are no messages yet",
        _ => "there are none",
    }
}
