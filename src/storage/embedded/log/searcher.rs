//! Finds messages by their words.
//!
//! The index finds the messages, the log has their texts, and the query finds its words in them.

use std::{cmp::Reverse, collections::BinaryHeap, ops::Range, str::FromStr, sync::Arc};

use rusqlite::{Connection, params};

use super::{
    budget::{Budget, Queries},
    database::LogDatabase,
    reader::Reader,
    search_query::{QueryError, SearchQuery},
};
use crate::{
    error::{RequestError, Result, SystemError},
    model::SearchHit,
    storage::{Search, SearchCursor, SearchPage},
};

/// How many of the latest matches are ranked, if that takes half of the budget at most: fewer on a slow
/// machine, rather than none. In a million messages it takes 85 ms for a word of English, and 120 ms in
/// Chinese.
pub(super) const MAX_RANKED: usize = 10_000;

/// Bytes of text after which no more matches are ranked.
pub(super) const MAX_RANKED_BYTES: usize = 2 * 1024 * 1024;

// The latest match first. The rowid of a message is the time it was stored.
const FIND: &str = "
    SELECT rowid, key FROM words WHERE words MATCH ?1 AND rowid >= ?2 AND rowid < ?3
    ORDER BY rowid DESC
";

/// A connection to the index, and one to the log.
pub(super) struct Searcher {
    database: Arc<LogDatabase>,
    conn: Connection,
    log: Reader,
}

/// The place of a hit in the order of relevance: by score, then by the time the message was stored. It
/// is the same for each page, as both never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    score: u32,
    at: i64,
}

/// Where a page ends that is sorted by relevance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RankCursor {
    /// The time of the latest match when the first page was read. Later ones are not ranked: they
    /// would displace others.
    newest: i64,
    /// The last hit of the page.
    last: Rank,
}

impl Queries for Searcher {
    fn too_long() -> RequestError {
        RequestError::SearchTooBroad
    }

    fn connections(
        &mut self,
        mut each: impl FnMut(&mut Connection) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        each(&mut self.conn)?;
        self.log.connections(each)
    }
}

impl Searcher {
    /// Opens the connections.
    pub(super) fn new(database: Arc<LogDatabase>, log: Reader) -> Result<Self> {
        let conn = database.reader().map_err(unsearchable)?;
        Ok(Self { database, conn, log })
    }

    /// See [`MessageLog::search`](crate::storage::MessageLog::search).
    pub(super) fn search(&mut self, search: &Search, budget: &Budget) -> Result<SearchPage> {
        let is_narrowed = search.room.is_some() || search.sender.is_some();
        let query = match SearchQuery::parse(&search.query) {
            Err(QueryError::NoWord) if search.query.is_empty() && is_narrowed => {
                SearchQuery::default()
            }
            parsed => parsed.map_err(|error| RequestError::invalid("query", error))?,
        };
        let Some(expression) = self.narrow(&query, search)? else {
            return Ok(SearchPage { hits: Vec::new(), next: None });
        };
        let log_time = |at| self.log.log_time(at);
        let since = search.since.map(log_time).transpose()?.unwrap_or(i64::MIN);
        let until = search.until.map(log_time).transpose()?.unwrap_or(i64::MAX);
        if search.newest_first {
            self.newest(&query, &expression, since..until, search, budget)
        } else {
            self.best(&query, &expression, since..until, search, budget)
        }
    }

    /// Returns a page sorted by time. Its cursor is the time of the last hit.
    fn newest(
        &mut self,
        query: &SearchQuery,
        expression: &str,
        period: Range<i64>,
        search: &Search,
        budget: &Budget,
    ) -> Result<SearchPage> {
        let last: Option<i64> = search.after.as_ref().map(parse_cursor).transpose()?;
        let period = period.start..last.map_or(period.end, |last| last.min(period.end));
        let (mut hits, mut last, mut next) = (Vec::new(), 0, None);
        self.visit(expression, period, budget, |log, at, key| {
            let Some(hit) = hit(log, query, key)? else { return Ok(true) };
            if hits.len() == search.limit {
                next = Some(SearchCursor(last.to_string()));
                return Ok(false);
            }
            hits.push(hit);
            last = at;
            Ok(true)
        })?;
        Ok(SearchPage { hits, next })
    }

    /// Returns a page sorted by relevance. Its cursor is a [`RankCursor`].
    fn best(
        &mut self,
        query: &SearchQuery,
        expression: &str,
        period: Range<i64>,
        search: &Search,
        budget: &Budget,
    ) -> Result<SearchPage> {
        let after: Option<RankCursor> = search.after.as_ref().map(parse_cursor).transpose()?;
        let end = after.map_or(period.end, |after| after.newest.saturating_add(1).min(period.end));
        let mut newest = after.map(|after| after.newest);
        // The best that fit on the page and one more, the worst of them first.
        let mut best = BinaryHeap::new();
        let (mut count, mut bytes) = (0, 0);
        let mut matcher = query.matcher();
        self.visit(expression, period.start..end, budget, |log, at, key| {
            let judge = |text: &str| (text.len(), matcher.score(text));
            let Some((length, score)) = log.text(key, judge)? else { return Ok(true) };
            newest.get_or_insert(at);
            count += 1;
            bytes += length;
            let rank = Rank { score, at };
            if after.is_none_or(|after| rank < after.last) {
                best.push((Reverse(rank), key));
                if best.len() > search.limit + 1 {
                    best.pop();
                }
            }
            Ok(count < MAX_RANKED && bytes < MAX_RANKED_BYTES && !budget.is_half_used())
        })?;
        let more = best.len() > search.limit;
        let mut page = best.into_sorted_vec();
        page.truncate(search.limit);
        let last = page.last().map(|(Reverse(rank), _)| *rank).zip(newest);
        let next = last.filter(|_| more).map(|(last, newest)| RankCursor { newest, last });
        let mut hits = Vec::new();
        for (_, key) in page {
            hits.extend(hit(&mut self.log, query, key)?);
        }
        Ok(SearchPage { hits, next: next.map(RankCursor::to_cursor) })
    }

    /// Calls `each` with the times and keys of the matches of a period, the latest first, until it
    /// returns false. The index may still have messages that were just removed.
    fn visit(
        &mut self,
        expression: &str,
        period: Range<i64>,
        budget: &Budget,
        mut each: impl FnMut(&mut Reader, i64, i64) -> Result<bool>,
    ) -> Result<()> {
        let Self { database, conn, log } = self;
        let _gate = database.reading();
        let mut find = conn.prepare_cached(FIND).map_err(unsearchable)?;
        let mut found =
            find.query(params![expression, period.start, period.end]).map_err(unsearchable)?;
        while let Some(row) = found.next().map_err(unsearchable)? {
            budget.check()?;
            let at = row.get(0).map_err(unsearchable)?;
            let key = row.get(1).map_err(unsearchable)?;
            if !each(log, at, key)? {
                break;
            }
        }
        Ok(())
    }

    /// Returns the expression for the words, if there are any, in this room and of this sender, if both
    /// exist.
    fn narrow(&mut self, query: &SearchQuery, search: &Search) -> Result<Option<String>> {
        let words = query.expression();
        let mut all = Vec::from_iter((!words.is_empty()).then(|| format!("text : ({words})")));
        let Search { room, sender, .. } = search;
        let wanted = [
            ("room", room.as_ref().map(|room| self.log.room_id(room))),
            ("sender", sender.as_ref().map(|sender| self.log.sender_id(sender))),
        ];
        for (column, id) in wanted {
            match id.transpose()? {
                None => {}
                Some(None) => return Ok(None),
                Some(Some(id)) => all.push(format!("{column} : \"{id}\"")),
            }
        }
        Ok(Some(all.join(" AND ")))
    }
}

impl RankCursor {
    fn to_cursor(self) -> SearchCursor {
        let Self { newest, last: Rank { score, at } } = self;
        SearchCursor(format!("{newest}/{score}/{at}"))
    }
}

impl FromStr for RankCursor {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let mut parts = raw.split('/');
        let mut next = || parts.next().ok_or("too short");
        let number = |raw: &str| raw.parse::<i64>().map_err(|_| "no number");
        let (newest, score, at) = (number(next()?)?, next()?, number(next()?)?);
        let score = score.parse().map_err(|_| "no score")?;
        if parts.next().is_some() {
            return Err("too long");
        }
        Ok(Self { newest, last: Rank { score, at } })
    }
}

/// Returns the message with this key and the places of the words, unless it was removed.
fn hit(log: &mut Reader, query: &SearchQuery, key: i64) -> Result<Option<SearchHit>> {
    let message = log.message(key)?;
    Ok(message.map(|message| {
        let ranges = query.matcher().ranges(message.text.as_str());
        SearchHit { message, ranges }
    }))
}

fn parse_cursor<C: FromStr>(cursor: &SearchCursor) -> Result<C> {
    let parsed = cursor.0.parse();
    parsed.map_err(|_| RequestError::invalid("page_token", "not a page token of this search"))
}

fn unsearchable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RequestError {
    SystemError::because("the search index cannot be read", cause).into()
}
