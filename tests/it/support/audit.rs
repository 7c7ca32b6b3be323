//! Reads all stored messages of a hub, and compares them with what a crowd posted and received.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
};

use chinwag::{
    client::{Client, ClientOptions, PageRequest},
    model::{Message, MessageId, Name, Posted, RoomName},
};

use crate::support::{
    crowd::{Crowd, Heard, rooms},
    within::{PATIENCE, within},
};

/// The page size of the reads.
const PAGE: u32 = 1000;

/// The state of a crowd after it has stopped.
#[derive(Debug)]
pub(crate) struct Accounts {
    /// The acknowledged posts of each member, in the order of posting.
    pub(crate) said: Vec<Vec<Posted>>,
    pub(crate) heard: Vec<Heard>,
}

/// The rooms' logs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Log(BTreeMap<RoomName, Vec<Message>>);

impl Log {
    /// Reads all messages of a hub.
    pub(crate) async fn read(hub: SocketAddr) -> Self {
        let mut log = Self::default();
        log.read_on(hub).await;
        log
    }

    /// Reads the messages after those already read.
    pub(crate) async fn read_on(&mut self, hub: SocketAddr) {
        let options = ClientOptions::new(hub.into(), Name::parse("auditor").unwrap());
        let start = within(PATIENCE, "the audit's beginning", Client::start(options));
        let (client, _events) = start.await.unwrap();
        for room in rooms() {
            let known = self.0.entry(room.clone()).or_default();
            let from = known.last().map(|message| message.position);
            let mut page = PageRequest::default();
            (page.size, page.from, page.forward) = (PAGE, from, true);
            loop {
                let read = client.messages(room.clone(), page.clone()).await.unwrap();
                known.extend(read.items);
                let Some(token) = read.next else { break };
                page.token = token;
            }
        }
        client.stop().await;
    }

    pub(crate) fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Collects the posts and receipts of a crowd after it has stopped.
    pub(crate) async fn question(&mut self, mut crowd: Crowd, hub: SocketAddr) -> Accounts {
        let said = crowd.fall_silent().await;
        self.read_on(hub).await;
        let end = |messages: &Vec<Message>| Some(messages.last()?.position.seq);
        let ends = self.0.iter().filter_map(|(room, log)| Some((room.clone(), end(log)?)));
        Accounts { said, heard: crowd.heard(ends.collect()).await }
    }

    /// Returns all violations; empty if there are none.
    pub(crate) fn complaints(&self, accounts: &Accounts) -> Vec<String> {
        let mut found = Vec::new();
        for (room, messages) in &self.0 {
            found.extend(broken_chain(messages).map(|what| format!("{room}: {what}")));
        }
        let mut places = HashMap::<_, (&RoomName, u64)>::new();
        for message in self.0.values().flatten() {
            if places.insert(message.id, (&message.room, message.position.seq)).is_some() {
                found.push(format!("{} is stored twice", message.id));
            }
        }
        for posted in accounts.said.iter().flatten() {
            if places.remove(&posted.id) != Some((&posted.room, posted.position.seq)) {
                found.push(format!("{} was acknowledged and is lost", posted.id));
            }
        }
        found.extend(places.keys().map(|id| format!("{id} is stored, but nobody was told")));
        found.extend(accounts.said.iter().filter_map(|said| out_of_order(said)));
        for heard in &accounts.heard {
            found.extend(heard.complaints.iter().cloned());
            let differing = rooms().into_iter().filter(|room| heard.rooms[room] != self.ids(room));
            found.extend(differing.map(|room| format!("{room}: heard other things than stored")));
        }
        found
    }

    fn ids(&self, room: &RoomName) -> Vec<(u64, MessageId)> {
        self.0[room].iter().map(|message| (message.position.seq, message.id)).collect()
    }
}

fn broken_chain(messages: &[Message]) -> Option<String> {
    let mut before = 0;
    for Message { position, prev_seq, .. } in messages {
        if *prev_seq != before || position.seq <= before {
            return Some(format!("{position:?} follows {prev_seq}, and stands after {before}"));
        }
        if position.epoch != messages[0].position.epoch {
            return Some(format!("{position:?} is of another life"));
        }
        before = position.seq;
    }
    None
}

/// Returns a violation if a member's posts to a room are stored out of order.
fn out_of_order(said: &[Posted]) -> Option<String> {
    rooms().into_iter().find_map(|room| {
        let seqs = said.iter().filter(|posted| posted.room == room).map(|p| p.position.seq);
        (!seqs.is_sorted()).then(|| format!("{room}: what one member said is out of order"))
    })
}
