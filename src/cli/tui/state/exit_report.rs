//! What is printed when the chat ends: unread messages, and messages that have not arrived.

use crate::{cli::view, client::Direct, text};

use super::{DirectChat, State};

impl State {
    /// Drops unread direct messages that will be received again.
    pub(crate) fn drop_redelivered(&mut self, is_redelivered: impl Fn(&Direct) -> bool) {
        self.direct_chats.iter_mut().for_each(|chat| chat.drop_redelivered(&is_redelivered));
    }

    /// The unread direct messages as line mode shows them.
    pub(crate) fn unread_messages(&self) -> Vec<String> {
        let unseen = self.direct_chats.iter().flat_map(DirectChat::unread_messages);
        unseen.map(|direct| view::direct(&self.clock, direct)).collect()
    }

    /// The lines that report unread and unsent messages. The texts of messages are printed only to a
    /// terminal and not into a file.
    pub(crate) fn exit_report(&self, to_terminal: bool) -> Vec<String> {
        if to_terminal {
            let unseen = self.unread_messages().into_iter().map(|line| format!("not read: {line}"));
            let more = self.direct_chats.iter();
            let more = more.map(|chat| {
                (chat.unread.saturating_sub(chat.unread_messages().count()), &chat.name)
            });
            let more = more.filter(|(more, _)| *more > 0);
            let more = more.map(|(more, name)| format!("not read: {more} more from {name}"));
            let unsent = self.unsent().into_iter().map(|line| text::one_line(&line).into_owned());
            return unseen.chain(more).chain(unsent).collect();
        }
        let unread = self.direct_chats.iter().map(|chat| (chat.unread, &chat.name));
        let unread = unread.filter(|(count, _)| *count > 0);
        let unread = unread.map(|(count, name)| format!("not read: {count} from {name}"));
        let mut unsent: Vec<(String, usize)> = Vec::new();
        for line in self.unsent() {
            // "not sent to NAME": names have no colons.
            let head = line.split(':').next().unwrap_or_default().to_owned();
            match unsent.iter_mut().find(|(known, _)| *known == head) {
                Some((_, count)) => *count += 1,
                None => unsent.push((head, 1)),
            }
        }
        let unsent = unsent.into_iter().map(|(head, count)| format!("{head}: {count}"));
        unread.chain(unsent).collect()
    }

    /// How many messages are under way to the hub or to peers.
    pub(crate) fn sending(&self) -> usize {
        let posts: usize = self.rooms.iter().map(|room| room.unsent.sending()).sum();
        posts + self.direct_chats.iter().map(|chat| chat.unsent.sending()).sum::<usize>()
    }

    /// The messages of the user that have not arrived, as lines.
    pub(crate) fn unsent(&self) -> Vec<String> {
        let posts = self.rooms.iter().flat_map(|room| {
            room.unsent
                .iter()
                .map(|(_, text)| format!("not posted in {}: {}", room.name, text.as_str()))
        });
        let direct = self.direct_chats.iter().flat_map(|chat| {
            chat.unsent
                .iter()
                .map(|(_, text)| format!("not sent to {}: {}", chat.name, text.as_str()))
        });
        self.lost.iter().map(|(_, lost)| lost.clone()).chain(posts).chain(direct).collect()
    }
}
