//! What is not done yet, and what is said of it at the end: messages that nobody has looked at, and
//! what nobody is known to hold.

use crate::{cli::view, client::Direct, text};

use super::{Room, State, Talk};

impl State {
    /// Leaves out private messages that will come again.
    pub(crate) fn leave_unseen(&mut self, again: impl Fn(&Direct) -> bool) {
        self.talks.iter_mut().for_each(|talk| talk.leave(&again));
    }

    /// The private messages that nobody has looked at, as line mode shows them.
    pub(crate) fn unseen(&self) -> Vec<String> {
        let unseen = self.talks.iter().flat_map(Talk::unseen);
        unseen.map(|direct| view::direct(&self.clock, direct)).collect()
    }

    /// What is said at the end of messages that nobody has looked at, and of what is not sent. Texts
    /// that were meant for one person get only to a terminal, not into a file.
    pub(crate) fn left_over(&self, to_terminal: bool) -> Vec<String> {
        if to_terminal {
            let unseen = self.unseen().into_iter().map(|line| format!("not read: {line}"));
            let more = self.talks.iter();
            let more =
                more.map(|talk| (talk.unread.saturating_sub(talk.unseen().count()), &talk.name));
            let more = more.filter(|(more, _)| *more > 0);
            let more = more.map(|(more, name)| format!("not read: {more} more from {name}"));
            let unsent = self.unsent().into_iter().map(|line| text::one_line(&line).into_owned());
            return unseen.chain(more).chain(unsent).collect();
        }
        let unread = self.talks.iter().map(|talk| (talk.unread, &talk.name));
        let unread = unread.filter(|(count, _)| *count > 0);
        let unread = unread.map(|(count, name)| format!("not read: {count} from {name}"));
        let mut unsent: Vec<(String, usize)> = Vec::new();
        for line in self.unsent() {
            // "not sent to NAME": no name has a colon in it.
            let what = line.split(':').next().unwrap_or_default().to_owned();
            match unsent.iter_mut().find(|(known, _)| *known == what) {
                Some((_, count)) => *count += 1,
                None => unsent.push((what, 1)),
            }
        }
        let unsent = unsent.into_iter().map(|(what, count)| format!("{what}: {count}"));
        unread.chain(unsent).collect()
    }

    /// How many messages are under way to the hub or to peers.
    pub(crate) fn sending(&self) -> usize {
        let posts: usize = self.rooms.iter().map(Room::sending).sum();
        posts + self.talks.iter().map(Talk::sending).sum::<usize>()
    }

    /// All that one said and nobody is known to hold, as lines.
    pub(crate) fn unsent(&self) -> Vec<String> {
        let posts = self.rooms.iter().flat_map(|room| {
            room.unsent().map(|(_, text)| format!("not posted in {}: {}", room.name, text.as_str()))
        });
        let said = self.talks.iter().flat_map(|talk| {
            talk.unsent().map(|text| format!("not sent to {}: {}", talk.name, text.as_str()))
        });
        self.lost.iter().map(|(_, lost)| lost.clone()).chain(posts).chain(said).collect()
    }
}
