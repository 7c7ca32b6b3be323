//! Questions to the hub and to the outbox that commands and the chat ask alike.

use super::{failure::Failure, values};
use crate::{
    client::{Client, PageRequest, Queued, Result, SearchRequest},
    model::{Message, MessageId, Name, RoomName, SearchHit},
};

/// The most messages that a hub returns in one page.
pub(crate) const HISTORY_PAGE: u32 = 1000;

/// The most search hits that a hub returns in one page.
const SEARCH_PAGE: u32 = 100;

/// The fewest characters of a message id that are accepted in its place.
const MIN_ID_PREFIX: usize = 8;

/// Returns the latest messages of a room, oldest first; only those of the period of `request`.
pub(crate) async fn latest_messages(
    client: &Client,
    room: RoomName,
    mut request: PageRequest,
    limit: u32,
) -> Result<Vec<Message>> {
    let limit = limit as usize;
    let mut backward: Vec<Message> = Vec::new();
    loop {
        let left = u32::try_from(limit - backward.len()).unwrap_or(HISTORY_PAGE);
        request.size = left.min(HISTORY_PAGE);
        let page = client.messages(room.clone(), request.clone()).await?;
        let is_empty = page.items.is_empty();
        backward.extend(page.items.into_iter().rev());
        backward.truncate(limit);
        match page.next {
            Some(next) if backward.len() < limit && !is_empty => request.token = next,
            _ => break,
        }
    }
    backward.reverse();
    Ok(backward)
}

/// Returns up to `limit` hits of a search.
pub(crate) async fn search(
    client: &Client,
    request: SearchRequest,
    limit: u32,
) -> Result<Vec<SearchHit>> {
    search_by_pages(client, request, limit, |_| {}).await
}

/// As [`search`]. Calls `more` with the number of hits so far when more are asked for.
pub(crate) async fn search_by_pages(
    client: &Client,
    mut request: SearchRequest,
    limit: u32,
    mut more: impl FnMut(usize),
) -> Result<Vec<SearchHit>> {
    let limit = limit as usize;
    let mut hits = Vec::new();
    loop {
        request.size = u32::try_from(limit - hits.len()).unwrap_or(SEARCH_PAGE).min(SEARCH_PAGE);
        let page = client.search(request.clone()).await?;
        let is_empty = page.items.is_empty();
        hits.extend(page.items);
        hits.truncate(limit);
        match page.next {
            Some(next) if hits.len() < limit && !is_empty => {
                request.token = next;
                more(hits.len());
            }
            _ => return Ok(hits),
        }
    }
}

/// Returns the ids of all messages to the named peer, or of the one whose id begins with `which`.
pub(crate) fn matching_ids(queued: &[Queued], which: &str) -> Result<Vec<MessageId>, Failure> {
    if let Ok(name) = values::peer(which) {
        let ids: Vec<MessageId> =
            queued.iter().filter(|one| one.peer == name).map(|one| one.id).collect();
        if !ids.is_empty() {
            return Ok(ids);
        }
    }
    Ok(vec![with_id_prefix(queued, which)?.id])
}

/// Returns the named peer, or the receiver of the one message whose id begins with `which`.
pub(crate) fn peer_of(queued: &[Queued], which: &str) -> Result<Name, Failure> {
    match values::peer(which) {
        Ok(name) if queued.iter().any(|one| one.peer == name) => Ok(name),
        // An id is also a valid name.
        Ok(_) if queued.iter().any(|one| one.id.to_string().starts_with(which)) => {
            with_id_prefix(queued, which).map(|one| one.peer.clone())
        }
        Ok(name) => Err(Failure::Other(format!("no messages are queued for {name}"))),
        Err(problem) => Err(Failure::Usage(problem.to_string())),
    }
}

/// Returns the one message whose id begins with `prefix`.
fn with_id_prefix<'a>(queued: &'a [Queued], prefix: &str) -> Result<&'a Queued, Failure> {
    let mut found = queued.iter().filter(|one| one.id.to_string().starts_with(prefix));
    match (found.next(), found.next()) {
        _ if prefix.len() < MIN_ID_PREFIX => Err(Failure::Usage(format!(
            "no messages are queued for {prefix:?}, and it is too short for an id: give at least \
             {MIN_ID_PREFIX} characters"
        ))),
        (Some(one), None) => Ok(one),
        (None, _) => {
            Err(Failure::Other(format!("no queued message has an id that begins with {prefix:?}")))
        }
        _ => {
            Err(Failure::Usage(format!("several ids begin with {prefix:?}: give more characters")))
        }
    }
}

/// Returns how many characters of an id tell it apart from all others.
pub(crate) fn id_prefix_length(queued: &[Queued]) -> usize {
    let mut ids: Vec<String> = queued.iter().map(|one| one.id.to_string()).collect();
    ids.sort();
    let common = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let longest = ids.windows(2).map(|pair| common(&pair[0], &pair[1]) + 1).max();
    longest.unwrap_or(0).max(MIN_ID_PREFIX)
}
