//! Finds messages by their words.
//!
//! The index finds the messages, the log has their texts, and the query finds its words in them.

use std::{ops::Range, str::FromStr, sync::Arc};

use rusqlite::{Connection, params};

use super::{database::LogDatabase, reader::Reader, search_query::SearchQuery};
use crate::{
    error::{RequestError, Result, SystemError},
    model::{Message, SearchHit},
    storage::{Search, SearchCursor, SearchPage},
};

/// How many of the latest matches are ranked: bounds the cost of a common word.
const MAX_RANKED: usize = 1_000;

/// Bytes of text after which no more matches are ranked.
const MAX_RANKED_BYTES: usize = 2 * 1024 * 1024;

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

/// A hit and its place in the order.
struct RankedHit {
    rank: Rank,
    hit: SearchHit,
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

impl Searcher {
    /// Opens the connections.
    pub(super) fn new(database: Arc<LogDatabase>, log: Reader) -> Result<Self> {
        let conn = database.reader().map_err(unsearchable)?;
        Ok(Self { database, conn, log })
    }

    /// See [`MessageLog::search`](crate::storage::MessageLog::search).
    pub(super) fn search(&mut self, search: &Search) -> Result<SearchPage> {
        let is_narrowed = search.room.is_some() || search.sender.is_some();
        let query = match SearchQuery::parse(&search.query) {
            Some(query) => query,
            None if search.query.is_empty() && is_narrowed => SearchQuery::default(),
            None => {
                return Err(RequestError::invalid("query", "the search has no word to look for"));
            }
        };
        let Some(expression) = self.narrow(&query, search)? else {
            return Ok(SearchPage { hits: Vec::new(), next: None });
        };
        let log_time = |at| self.log.log_time(at);
        let since = search.since.map(log_time).transpose()?.unwrap_or(i64::MIN);
        let until = search.until.map(log_time).transpose()?.unwrap_or(i64::MAX);
        if search.newest_first {
            self.newest(&query, &expression, since..until, search)
        } else {
            self.best(&query, &expression, since..until, search)
        }
    }

    /// Returns a page sorted by time. Its cursor is the time of the last hit.
    fn newest(
        &mut self,
        query: &SearchQuery,
        expression: &str,
        period: Range<i64>,
        search: &Search,
    ) -> Result<SearchPage> {
        let last: Option<i64> = search.after.as_ref().map(parse_cursor).transpose()?;
        let period = period.start..last.map_or(period.end, |last| last.min(period.end));
        let (mut hits, mut last, mut next) = (Vec::new(), 0, None);
        self.visit(expression, period, |at, message| {
            if hits.len() == search.limit {
                next = Some(SearchCursor(last.to_string()));
                return false;
            }
            let ranges = query.matches(message.text.as_str()).ranges;
            hits.push(SearchHit { message, ranges });
            last = at;
            true
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
    ) -> Result<SearchPage> {
        let after: Option<RankCursor> = search.after.as_ref().map(parse_cursor).transpose()?;
        let end = after.map_or(period.end, |after| after.newest.saturating_add(1).min(period.end));
        let mut newest = after.map(|after| after.newest);
        let mut ranked: Vec<RankedHit> = Vec::new();
        let (mut count, mut bytes) = (0, 0);
        self.visit(expression, period.start..end, |at, message| {
            newest.get_or_insert(at);
            count += 1;
            bytes += message.text.as_str().len();
            let found = query.matches(message.text.as_str());
            let rank = Rank { score: found.score, at };
            if after.is_none_or(|after| rank < after.last) {
                ranked.push(RankedHit { rank, hit: SearchHit { message, ranges: found.ranges } });
            }
            count < MAX_RANKED && bytes < MAX_RANKED_BYTES
        })?;
        ranked.sort_by_key(|hit| std::cmp::Reverse(hit.rank));
        let more = ranked.len() > search.limit;
        ranked.truncate(search.limit);
        let last = ranked.last().map(|hit| hit.rank).zip(newest);
        let next = last.filter(|_| more).map(|(last, newest)| RankCursor { newest, last });
        let hits = ranked.into_iter().map(|hit| hit.hit).collect();
        Ok(SearchPage { hits, next: next.map(RankCursor::to_cursor) })
    }

    /// Calls `each` with the matches of a period and the times they were stored, the latest first,
    /// until it returns false.
    fn visit(
        &mut self,
        expression: &str,
        period: Range<i64>,
        mut each: impl FnMut(i64, Message) -> bool,
    ) -> Result<()> {
        let Self { database, conn, log } = self;
        let _gate = database.reading();
        let mut find = conn.prepare_cached(FIND).map_err(unsearchable)?;
        let mut found =
            find.query(params![expression, period.start, period.end]).map_err(unsearchable)?;
        while let Some(row) = found.next().map_err(unsearchable)? {
            let at = row.get(0).map_err(unsearchable)?;
            let key = row.get(1).map_err(unsearchable)?;
            // The index may still have messages that were just removed.
            if let Some(message) = log.message(key)?
                && !each(at, message)
            {
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

fn parse_cursor<C: FromStr>(cursor: &SearchCursor) -> Result<C> {
    let parsed = cursor.0.parse();
    parsed.map_err(|_| RequestError::invalid("page_token", "not a page token of this search"))
}

fn unsearchable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RequestError {
    SystemError::because("the search index cannot be read", cause).into()
}
