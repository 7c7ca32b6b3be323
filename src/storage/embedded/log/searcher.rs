//! Finds messages by their words.
//!
//! The index finds the messages, the log has their texts, and a table of FTS5 in memory, with the
//! same tokenizer as the index, finds the words within a text.

use std::{
    collections::HashSet,
    ops::{Range, RangeInclusive},
    sync::Arc,
};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    database::LogDatabase,
    reader::{Reader, clamp},
    search_query,
};
use crate::{
    error::{RequestError, Result, SystemError},
    model::SearchHit,
    storage::Search,
};

/// How many of the latest matches are ranked: bounds the cost of a very common word.
const MAX_RANKED: i64 = 10_000;

/// No limit, for SQLite.
const ALL: i64 = -1;

/// Has the tokenizer of the index: see its schema.
const SCRATCH: &str = "
    CREATE VIRTUAL TABLE scratch USING fts5 (
        text, tokenize = 'unicode61 remove_diacritics 2'
    );
";

/// Characters for [`marks`].
const PRIVATE_USE: RangeInclusive<char> = '\u{e000}'..='\u{f8ff}';

const NEWEST: &str = "
    SELECT rowid FROM words WHERE words MATCH ?1 AND rowid >= ?4 AND rowid < ?5
    ORDER BY rowid DESC LIMIT ?3 OFFSET ?2
";

// Ranks by the words of the text alone, not by room and sender.
const BEST: &str = "
    SELECT at FROM (
        SELECT rowid AS at, bm25(words, 0, 0, 1) AS score
        FROM words WHERE words MATCH ?1 AND rowid >= ?4 AND rowid < ?5
        ORDER BY rowid DESC LIMIT ?3
    ) ORDER BY score, at DESC LIMIT -1 OFFSET ?2
";

const KEY: &str = "SELECT key FROM words WHERE rowid = ?1";

/// A connection to the index, one to the log, and the scratch table.
pub(super) struct Searcher {
    database: Arc<LogDatabase>,
    conn: Connection,
    log: Reader,
    scratch: Connection,
}

impl Searcher {
    /// Opens the connections.
    pub(super) fn new(database: Arc<LogDatabase>, log: Reader) -> Result<Self> {
        let connect = || {
            let scratch = Connection::open_in_memory()?;
            scratch.execute_batch(SCRATCH)?;
            Ok::<_, rusqlite::Error>((database.reader()?, scratch))
        };
        let (conn, scratch) = connect().map_err(unsearchable)?;
        Ok(Self { database, conn, log, scratch })
    }

    /// See [`MessageLog::search`](crate::storage::MessageLog::search).
    pub(super) fn search(&mut self, search: &Search) -> Result<Vec<SearchHit>> {
        let Some(words) = search_query::expression(&search.query) else {
            return Err(RequestError::invalid("query", "it holds no word to look for"));
        };
        let words = format!("text : ({words})");
        let Some(expression) = self.narrow(&words, search)? else { return Ok(Vec::new()) };
        let Self { database, conn, log, scratch } = self;
        let _gate = database.reading();
        let (sql, most) = if search.newest_first { (NEWEST, ALL) } else { (BEST, MAX_RANKED) };
        let mut find = conn.prepare_cached(sql).map_err(unsearchable)?;
        let mut key_of = conn.prepare_cached(KEY).map_err(unsearchable)?;
        // The rowid of a message is the time it was stored.
        let since = search.since.map_or(i64::MIN, Timestamp::as_microsecond);
        let until = search.until.map_or(i64::MAX, Timestamp::as_microsecond);
        let mut found = find
            .query(params![expression, clamp(search.offset), most, since, until])
            .map_err(unsearchable)?;
        let mut hits = Vec::new();
        while hits.len() < search.limit
            && let Some(row) = found.next().map_err(unsearchable)?
        {
            let at: i64 = row.get(0).map_err(unsearchable)?;
            let key = key_of.query_row([at], |row| row.get(0)).map_err(unsearchable)?;
            // The index may still have messages that were just removed.
            if let Some(message) = log.message(key)? {
                let ranges =
                    ranges(scratch, &words, message.text.as_str()).map_err(unsearchable)?;
                hits.push(SearchHit { message, ranges });
            }
        }
        Ok(hits)
    }

    /// Returns the expression for the words in this room and of this sender, if both exist.
    fn narrow(&mut self, words: &str, search: &Search) -> Result<Option<String>> {
        let mut expression = words.to_owned();
        let Search { room, sender, .. } = search;
        let wanted = [
            ("room", room.as_ref().map(|room| self.log.room_id(room))),
            ("sender", sender.as_ref().map(|sender| self.log.sender_id(sender))),
        ];
        for (column, id) in wanted {
            match id.transpose()? {
                None => {}
                Some(None) => return Ok(None),
                Some(Some(id)) => expression.push_str(&format!(" AND {column} : \"{id}\"")),
            }
        }
        Ok(Some(expression))
    }
}

fn ranges(scratch: &Connection, words: &str, text: &str) -> rusqlite::Result<Vec<Range<usize>>> {
    let (open, close) = marks(text);
    // FTS5 stops at a NUL. A space has one byte too, and separates words as well.
    let text = text.replace('\0', " ");
    let tx = scratch.unchecked_transaction()?;
    tx.prepare_cached("INSERT INTO scratch (text) VALUES (?1)")?.execute([text])?;
    let marked: Option<String> = tx
        .prepare_cached("SELECT highlight(scratch, 0, ?2, ?3) FROM scratch WHERE scratch MATCH ?1")?
        .query_row(params![words, open.to_string(), close.to_string()], |row| row.get(0))
        .optional()?;
    tx.rollback()?;
    Ok(between(&marked.unwrap_or_default(), open, close))
}

/// Returns two characters that do not occur in a text. There always are two: the private use area
/// has 6,400 characters of 3 bytes, and the longest text has room for 5,461 of them.
fn marks(text: &str) -> (char, char) {
    let used: HashSet<char> = text.chars().filter(|c| PRIVATE_USE.contains(c)).collect();
    let mut free = PRIVATE_USE.filter(|c| !used.contains(c));
    let mut mark = || free.next().unwrap_or(char::REPLACEMENT_CHARACTER);
    (mark(), mark())
}

/// Returns the ranges between marks, counted without the marks.
fn between(marked: &str, open: char, close: char) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut at, mut start) = (0, 0);
    for c in marked.chars() {
        match c {
            _ if c == open => start = at,
            _ if c == close => ranges.push(start..at),
            _ => at += c.len_utf8(),
        }
    }
    ranges
}

fn unsearchable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RequestError {
    SystemError::because("the search index cannot be read", cause).into()
}
