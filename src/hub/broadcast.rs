//! The unary rpcs of Broadcast.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use jiff::Timestamp;
use tokio::sync::oneshot;
use tonic::{Request, Response, Status, async_trait};

use super::{auth, paging, state::HubState};
use crate::{
    error::{Gone, RequestError, Result},
    model::{Position, Room, RoomName},
    proto::{self, unary::broadcast_server},
    storage::{Edge, Extent, RoomSelection, Search, SearchCursor, SearchPage, Slice},
    wire,
};

const DEFAULT_MESSAGES: usize = 50;
const MAX_MESSAGES: usize = 1_000;
const DEFAULT_HITS: usize = 20;
const MAX_HITS: usize = 100;
const DEFAULT_ROOMS: usize = 100;
const MAX_ROOMS: usize = 1_000;

const MAX_QUERY_BYTES: usize = 256;

#[derive(Debug, Clone)]
pub(crate) struct Broadcast(pub(crate) Arc<HubState>);

#[async_trait]
impl broadcast_server::Broadcast for Broadcast {
    async fn post(
        &self,
        request: Request<proto::PostRequest>,
    ) -> Result<Response<proto::PostResponse>, Status> {
        let state = &self.0;
        let caller = auth::caller(request.extensions())?;
        let origin = state.rate_limits.origin(request.extensions());
        let draft = wire::draft("", &caller.peer, request.into_inner())?;
        state.sessions.check_member(caller.session, &draft.room)?;
        state.rate_limits.post(origin, &caller.peer, &draft.text)?;
        let (done, posted) = oneshot::channel();
        // A caller that stopped waiting misses the result; the post stands.
        let done = Box::new(|result| drop(done.send(result)));
        state.log.append(draft, done).await;
        let posted = posted.await.map_err(|_| RequestError::ShuttingDown)??;
        Ok(Response::new((&posted).into()))
    }

    async fn list_messages(
        &self,
        request: Request<proto::ListMessagesRequest>,
    ) -> Result<Response<proto::ListMessagesResponse>, Status> {
        let peer = self.0.count_read(request.extensions())?;
        let page = self.messages(request.into_inner());
        Ok(Response::new(self.0.reads.run(&peer, page).await?))
    }

    async fn search_messages(
        &self,
        request: Request<proto::SearchMessagesRequest>,
    ) -> Result<Response<proto::SearchMessagesResponse>, Status> {
        let peer = self.0.count_read(request.extensions())?;
        let page = self.hits(request.into_inner());
        Ok(Response::new(self.0.searches.run(&peer, page).await?))
    }

    async fn list_rooms(
        &self,
        request: Request<proto::ListRoomsRequest>,
    ) -> Result<Response<proto::ListRoomsResponse>, Status> {
        let peer = self.0.count_read(request.extensions())?;
        let page = self.rooms(request.into_inner());
        Ok(Response::new(self.0.reads.run(&peer, page).await?))
    }
}

impl Broadcast {
    async fn messages(
        &self,
        asked: proto::ListMessagesRequest,
    ) -> Result<proto::ListMessagesResponse> {
        let log = &self.0.log;
        let room = wire::room_name_or_lobby("room", &asked.room)?;
        let limit = paging::page_size(asked.page_size, DEFAULT_MESSAGES, MAX_MESSAGES)?;
        let (since, until) = period(asked.since, asked.until)?;
        let direction = if asked.forward { "forward" } else { "backward" };
        let times = [since, until].map(|at| at.map(|at| at.to_string()));
        let mut filters = vec![room.as_str(), direction];
        filters.extend(written(&times));
        let from = match paging::parse_number(&filters, &asked.page_token)? {
            Some(seq) => Some(seq),
            None => asked.from.map(|from| self.seq_of(from)).transpose()?,
        };
        let extent = log.extents(RoomSelection::One(room.clone())).await?.remove(&room);
        let last = extent.map_or(0, |extent| extent.last);
        let first = extent.map_or(0, |extent| extent.first);
        if asked.forward && from.is_some_and(|seq: u64| seq.saturating_add(1) < first) {
            return Err(RequestError::PositionGone(Gone::Truncated));
        }
        // The messages of the period are those after `before` up to `end`.
        let before = match since {
            Some(at) => log.seq_before(&room, at).await?,
            None => first.saturating_sub(1),
        };
        let end = match until {
            Some(at) => log.seq_before(&room, at).await?.min(last),
            None => last,
        };
        let (from, within) = if asked.forward {
            let after = from.unwrap_or(0).max(before);
            // 0 is the beginning of whatever is left, also if more was removed meanwhile.
            (Edge::After(if after < first { 0 } else { after }), end.saturating_sub(after))
        } else {
            let next = from.unwrap_or(end + 1).min(end + 1);
            (Edge::Before(next), next.saturating_sub(before + 1))
        };
        let limit = limit.min(usize::try_from(within).unwrap_or(limit));
        let messages = match limit {
            0 => Vec::new(),
            _ => log.read(&room, Slice { from, limit }).await?,
        };
        let next = match (messages.first(), messages.last()) {
            (Some(oldest), _) if !asked.forward => {
                (oldest.position.seq > before + 1).then_some(oldest.position.seq)
            }
            (_, Some(newest)) => (newest.position.seq < end).then_some(newest.position.seq),
            _ => None,
        };
        Ok(proto::ListMessagesResponse {
            messages: messages.iter().map(Into::into).collect(),
            next_page_token: next
                .map(|seq| paging::token(&filters, &seq.to_string()))
                .unwrap_or_default(),
            head: Some(Position { epoch: log.epoch(), seq: last }.into()),
        })
    }

    async fn hits(
        &self,
        asked: proto::SearchMessagesRequest,
    ) -> Result<proto::SearchMessagesResponse> {
        if asked.query.len() > MAX_QUERY_BYTES {
            return Err(RequestError::invalid(
                "query",
                format!("a search has at most {MAX_QUERY_BYTES} bytes"),
            ));
        }
        let order = proto::SearchOrder::try_from(asked.order).map_err(|_| {
            RequestError::invalid("order", format!("unknown order {}", asked.order))
        })?;
        let limit = paging::page_size(asked.page_size, DEFAULT_HITS, MAX_HITS)?;
        let (since, until) = period(asked.since, asked.until)?;
        let times = format!("{since:?} {until:?}");
        let filters = [&asked.query, &asked.room, &asked.sender, &asked.order.to_string(), &times];
        let filters = filters.map(String::as_str);
        let after = paging::parse_token(&filters, &asked.page_token)?.map(SearchCursor);
        let search = Search {
            query: asked.query.clone(),
            room: optional(&asked.room, |raw| wire::room_name("room", raw))?,
            sender: optional(&asked.sender, |raw| wire::name("sender", raw))?,
            since,
            until,
            newest_first: order == proto::SearchOrder::Newest,
            limit,
            after,
        };
        let SearchPage { hits, next } = self.0.log.search(search).await?;
        let next = next.map(|SearchCursor(last)| paging::token(&filters, &last));
        Ok(proto::SearchMessagesResponse {
            hits: hits.iter().map(Into::into).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    async fn rooms(&self, asked: proto::ListRoomsRequest) -> Result<proto::ListRoomsResponse> {
        let state = &self.0;
        let visible = state.peers.visible_sessions().await;
        if let Some(name) = optional(&asked.room, |raw| wire::room_name("room", raw))? {
            let mut members =
                state.sessions.member_counts(Bound::Included(&name), 1, &visible).await;
            let members = members.remove(&name);
            let extent = state.log.extents(RoomSelection::One(name.clone())).await?.remove(&name);
            let is_kept = extent.is_some_and(|extent| !extent.removed);
            let is_listed = members.is_some() || is_kept;
            let members = members.unwrap_or_default();
            let found = is_listed.then(|| (&self.room(name, members, extent)).into());
            let rooms = found.into_iter().collect();
            return Ok(proto::ListRoomsResponse { rooms, next_page_token: String::new() });
        }
        let size = paging::page_size(asked.page_size, DEFAULT_ROOMS, MAX_ROOMS)?;
        let after = paging::parse_token(&[], &asked.page_token)?
            .map(|last| wire::room_name("page_token", &last))
            .transpose()?;
        // Each list alone may fill the page. One more shows whether there is another page.
        let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let members = state.sessions.member_counts(from, size + 1, &visible).await;
        let selection = RoomSelection::After { after, limit: size + 1 };
        let mut extents = state.log.extents(selection).await?;
        // Removed rooms are not among them, but somebody may be in one again.
        let others: Vec<_> = members.keys().filter(|name| !extents.contains_key(*name)).collect();
        if !others.is_empty() {
            let others = RoomSelection::These(others.into_iter().cloned().collect());
            extents.extend(state.log.extents(others).await?);
        }
        let mut rooms: BTreeMap<RoomName, (u32, Option<Extent>)> =
            members.into_iter().map(|(room, members)| (room, (members, None))).collect();
        for (room, extent) in extents {
            rooms.entry(room).or_default().1 = Some(extent);
        }
        let more = rooms.len() > size;
        let rooms: Vec<Room> = rooms
            .into_iter()
            .take(size)
            .map(|(name, (members, extent))| self.room(name, members, extent))
            .collect();
        let last = rooms.last().filter(|_| more);
        Ok(proto::ListRoomsResponse {
            next_page_token: last
                .map(|room| paging::token(&[], room.name.as_str()))
                .unwrap_or_default(),
            rooms: rooms.iter().map(Into::into).collect(),
        })
    }

    fn room(&self, name: RoomName, members: u32, extent: Option<Extent>) -> Room {
        let at = |seq| Position { epoch: self.0.log.epoch(), seq };
        Room {
            name,
            members,
            head: at(extent.map_or(0, |extent| extent.last)),
            first: at(extent.map_or(0, |extent| extent.first)),
            last_message_at: extent.map(|extent| extent.last_at),
        }
    }

    fn seq_of(&self, position: proto::Position) -> Result<u64> {
        if position.epoch != self.0.log.epoch() {
            return Err(RequestError::PositionGone(Gone::Epoch));
        }
        Ok(position.seq)
    }
}

/// Parses the times between which messages were stored.
fn period(
    since: Option<prost_types::Timestamp>,
    until: Option<prost_types::Timestamp>,
) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
    let since = since.map(|at| wire::timestamp("since", at)).transpose()?;
    let until = until.map(|at| wire::timestamp("until", at)).transpose()?;
    Ok((since, until))
}

/// Returns the times as filters of a page token; nothing without times, as hubs of 0.2.0 did.
fn written(times: &[Option<String>; 2]) -> impl Iterator<Item = &str> {
    let given = times.iter().any(Option::is_some);
    times.iter().filter(move |_| given).map(|at| at.as_deref().unwrap_or_default())
}

fn optional<T>(raw: &str, parse: impl Fn(&str) -> Result<T>) -> Result<Option<T>> {
    if raw.is_empty() { Ok(None) } else { parse(raw).map(Some) }
}
