//! Random operations on a log, compared with a simple model.

use std::{collections::HashMap, path::Path};

use chinwag::{
    error::{Gone, RequestError, Result},
    model::{Draft, Message, MessageId, Name, Posted, Text},
    storage::{
        Edge, MAX_SLICE_BYTES, MessageLog, Retention, RoomSelection, Slice, embedded::log::Store,
    },
};
use proptest::{collection::vec, prelude::*};

use super::test_log::{TestLog, room};

const ROOMS: [&str; 3] = ["attic", "lobby", "zoo"];
const SENDERS: [&str; 2] = ["alice", "bob"];

/// An operation on the log.
#[derive(Debug, Clone)]
enum Act {
    /// Submits posts one after the other without waiting.
    Post(Vec<Post>),
    /// Removes all but the latest messages of each room.
    Keep(u64),
    /// Closes the log and opens it again.
    Reopen,
}

/// Few ids and texts, so that many are reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Post {
    room: usize,
    sender: usize,
    id: u8,
    text: u8,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let post = (0..ROOMS.len(), 0..SENDERS.len(), 0..24_u8, 0..2_u8)
        .prop_map(|(room, sender, id, text)| Post { room, sender, id, text });
    let act = prop_oneof![
        6 => vec(post, 1..12).prop_map(Act::Post),
        2 => (0..6_u64).prop_map(Act::Keep),
        1 => Just(Act::Reopen),
    ];
    vec(act, 1..16)
}

impl Post {
    fn draft(self) -> Draft {
        Draft {
            id: self.message_id(),
            room: room(ROOMS[self.room]),
            sender: Name::parse(SENDERS[self.sender]).unwrap(),
            text: Text::parse(format!("text {}", self.text)).unwrap(),
        }
    }

    fn message_id(self) -> MessageId {
        MessageId::from_bytes([self.id; 16])
    }
}

/// The expected state of the log.
#[derive(Default)]
struct Model {
    rooms: [Vec<Message>; ROOMS.len()],
    /// The number of removed messages of each room.
    removed: [usize; ROOMS.len()],
    posted: HashMap<(usize, u8), (Post, Posted)>,
}

impl Model {
    /// Checks the outcome of a post and records it.
    fn post(&mut self, post: Post, outcome: Result<Posted>) {
        match self.posted.get(&(post.sender, post.id)) {
            None => {
                let posted = outcome.unwrap();
                assert!(!posted.duplicate);
                self.add(post, &posted);
                self.posted.insert((post.sender, post.id), (post, posted));
            }
            Some((first, posted)) if *first == post => {
                assert_eq!(outcome.unwrap(), Posted { duplicate: true, ..posted.clone() });
            }
            Some(_) => {
                assert!(
                    matches!(outcome, Err(RequestError::MessageIdReused(id)) if id == post.message_id())
                );
            }
        }
    }

    fn add(&mut self, post: Post, posted: &Posted) {
        let messages = &mut self.rooms[post.room];
        let prev_seq = messages.last().map_or(0, |message| message.position.seq);
        assert!(posted.position.seq > prev_seq);
        assert!(messages.last().is_none_or(|last| last.created_at <= posted.created_at));
        let Draft { id, room, sender, text } = post.draft();
        let Posted { position, created_at, .. } = *posted;
        messages.push(Message { id, room, position, prev_seq, sender, created_at, text });
    }

    fn keep(&mut self, count: u64) -> u64 {
        let mut removed = 0;
        for (messages, gone) in self.rooms.iter().zip(&mut self.removed) {
            let goes = messages.len().saturating_sub(usize::try_from(count).unwrap()).max(*gone);
            removed += goes - *gone;
            *gone = goes;
        }
        removed as u64
    }

    /// Checks reads from every position, in both directions, in slices of `limit` messages.
    async fn check(&self, test: &TestLog, limit: usize) {
        for (index, name) in ROOMS.into_iter().enumerate() {
            let (messages, gone) = (&self.rooms[index], self.removed[index]);
            let kept = &messages[gone..];
            let extent = test.log.extents(RoomSelection::One(room(name))).await.unwrap();
            let last = messages.last();
            assert_eq!(extent.get(&room(name)).map(|extent| extent.last), last.map(seq));
            let seqs: Vec<u64> = messages.iter().map(seq).collect();
            for edge in [0, u64::MAX].into_iter().chain(seqs) {
                let from = messages.partition_point(|message| seq(message) <= edge);
                let after = Slice { from: Edge::After(edge), limit };
                match test.log.read(&room(name), after).await {
                    Ok(read) => {
                        assert!(from >= gone || edge == 0);
                        assert!(read.iter().eq(messages[from.max(gone)..].iter().take(limit)));
                    }
                    Err(RequestError::PositionGone(Gone::Truncated)) => {
                        assert!(edge > 0 && from < gone)
                    }
                    Err(other) => panic!("{other}"),
                }
                let before = Slice { from: Edge::Before(edge), limit };
                let read = test.log.read(&room(name), before).await.unwrap();
                let older = &kept[..kept.partition_point(|message| seq(message) < edge)];
                assert!(read.iter().eq(&older[older.len().saturating_sub(limit)..]));
            }
            let texts: usize = kept.iter().map(|message| message.text.as_str().len()).sum();
            assert!(texts < MAX_SLICE_BYTES, "no slice was cut");
        }
    }
}

fn seq(message: &Message) -> u64 {
    message.position.seq
}

/// Runs operations and checks the whole log after each. A log in memory is not reopened.
async fn play(acts: Vec<Act>, directory: Option<&Path>, limit: usize) {
    let open = || match directory {
        Some(directory) => TestLog::at(directory),
        None => TestLog::open(Store::Memory),
    };
    let mut model = Model::default();
    let mut test = Some(open());
    for act in acts {
        match (act, &test) {
            (Act::Post(posts), Some(log)) => {
                let mut outcomes = Vec::new();
                for post in &posts {
                    outcomes.push(log.hand_over(post.draft()).await);
                }
                for (post, outcome) in posts.into_iter().zip(outcomes) {
                    model.post(post, outcome.await.unwrap());
                }
            }
            (Act::Keep(count), Some(log)) => {
                let keep = Retention { count: Some(count), ..Retention::default() };
                assert_eq!(log.log.retain(keep).await.unwrap(), model.keep(count));
            }
            (Act::Reopen, _) if directory.is_some() => {
                drop(test.take());
                test = Some(open());
            }
            _ => {}
        }
        if let Some(log) = &test {
            model.check(log, limit).await;
        }
    }
}

fn run(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(story);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn in_a_directory(acts in acts(), limit in 1..20_usize) {
        let directory = tempfile::tempdir().unwrap();
        run(play(acts, Some(directory.path()), limit));
    }

    #[test]
    fn in_memory(acts in acts(), limit in 1..20_usize) {
        run(play(acts, None, limit));
    }
}
