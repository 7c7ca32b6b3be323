//! The recorded calls, in the form that the checker reads, and ways to falsify them.

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The only entry was posted.
    Post,
    /// The entries were the whole log.
    List,
    /// The only entry arrived at a subscriber, after the position `prev`.
    Deliver,
}

/// A call of a client.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Call {
    pub(crate) client: usize,
    pub(crate) room: String,
    pub(crate) kind: Kind,
    /// Nanoseconds since the recording began.
    pub(crate) begin: i64,
    /// The same; `None` if there was no answer.
    pub(crate) end: Option<i64>,
    pub(crate) prev: u64,
    pub(crate) entries: Vec<Entry>,
}

/// A message, and its position if the client knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) seq: u64,
}

/// Returns histories that no room can have, each with what is wrong.
pub(crate) fn corrupted(calls: &[Call]) -> Vec<(&'static str, Vec<Call>)> {
    let last_list = calls.iter().rposition(|call| call.kind == Kind::List).unwrap();
    let room = &calls[last_list].room;
    let in_room = |kind| move |call: &Call| call.kind == kind && call.room == *room;
    let answered = |call: &Call| in_room(Kind::Post)(call) && call.end.is_some();
    let post = calls.iter().rposition(answered).unwrap();
    let delivery = calls.iter().rposition(in_room(Kind::Deliver)).unwrap();
    let with = |change: &dyn Fn(&mut Vec<Call>)| {
        let mut changed = calls.to_vec();
        change(&mut changed);
        changed
    };
    let list = |change: &dyn Fn(&mut Vec<Entry>)| with(&|all| change(&mut all[last_list].entries));
    let lost = calls[post].entries[0].id.clone();
    vec![
        ("a list misses its last message", list(&|log| drop(log.pop()))),
        ("a list misses its first message", list(&|log| drop(log.remove(0)))),
        ("a list has two messages in another order", list(&|log| log.swap(0, 1))),
        ("a list has a message twice", list(&|log| log.push(log[0].clone()))),
        (
            "an acknowledged post is lost",
            with(&|all| {
                all.retain(|call| call.kind != Kind::Deliver || call.entries[0].id != lost);
                let lists = all.iter_mut().filter(|call| call.kind == Kind::List);
                lists.for_each(|call| call.entries.retain(|entry| entry.id != lost));
            }),
        ),
        (
            "a repeated post gets another position",
            with(&|all| {
                let mut again = all[post].clone();
                again.entries[0].seq += 1;
                all.push(again);
            }),
        ),
        ("a subscriber misses a message", with(&|all| all[delivery].prev -= 1)),
        (
            "a message arrives before it was posted",
            with(&|all| (all[delivery].begin, all[delivery].end) = (0, Some(0))),
        ),
    ]
}
