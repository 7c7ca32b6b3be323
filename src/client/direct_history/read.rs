//! Reading the history.

use jiff::Timestamp;
use rusqlite::{Connection, Result, Row, params};

use super::{
    DirectPage, DirectState, KeepFor, KeptConversation, KeptDirect,
    owner::{ConversationRow, HistoryOwner},
    store,
};
use crate::{
    client::received::Verification,
    model::{DirectMessage, MessageId, Name, Text, fold::folded},
};

/// Returns the conversations under their present names, the latest first.
pub(super) fn conversations(
    file: &mut Connection,
    owner: &HistoryOwner,
    now: Timestamp,
) -> Result<Vec<KeptConversation>> {
    store::expire_before_read(file, now)?;
    let tx = file.transaction()?;
    let mut found: Vec<(ConversationRow, Name)> = Vec::new();
    for row in owner.conversations(&tx)? {
        let Some(name) = owner.name_of(&row) else { continue };
        let rank = |row: &ConversationRow| (row.key.is_some(), row.last);
        match found.iter_mut().find(|(_, other)| *other == name) {
            Some((other, _)) if rank(other) < rank(&row) => *other = row,
            Some(_) => {}
            None => found.push((row, name)),
        }
    }
    found.sort_by_key(|(row, _)| std::cmp::Reverse(row.last));
    let mut conversations = Vec::new();
    for (row, peer) in found {
        let since = store::oldest(row.keep, now).as_microsecond();
        let count = |sql| tx.query_row(sql, [row.id, since], |row| row.get::<_, i64>(0));
        let unread = count(
            "SELECT count(*) FROM message
             WHERE conversation = ? AND outgoing = 0 AND state < 2 AND kept_at >= ?",
        )?;
        let unread = u64::try_from(unread).unwrap_or(0);
        let messages = match row.keep {
            KeepFor::Only(_) => {
                let all = "SELECT count(*) FROM message WHERE conversation = ? AND kept_at >= ?";
                u64::try_from(count(all)?).unwrap_or(0)
            }
            KeepFor::Always | KeepFor::Never => row.messages,
        };
        let keep = row.keep;
        conversations.push(KeptConversation { peer, messages, unread, keep });
    }
    Ok(conversations)
}

/// Returns the other names of the owner under which messages with a peer are kept.
pub(super) fn other_own_names(
    file: &mut Connection,
    owner: &HistoryOwner,
    peer: &Name,
) -> Result<Vec<Name>> {
    let rows = owner.of_all_own_names(file)?.into_iter();
    let others = rows.filter(|row| row.me != owner.me && row.messages > 0);
    let mut names: Vec<Name> =
        others.filter(|row| owner.is_with(row, peer)).map(|row| row.me).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// Returns messages of a conversation, oldest first. Expired ones are left out even while the clock is
/// not trusted enough to remove them.
pub(super) fn messages(
    file: &mut Connection,
    owner: &HistoryOwner,
    peer: &Name,
    page: &DirectPage,
    now: Timestamp,
) -> Result<Vec<KeptDirect>> {
    store::expire_before_read(file, now)?;
    let Some(conversation) = owner.find(file, peer)? else { return Ok(Vec::new()) };
    let since = store::oldest(conversation.keep, now).max(page.since.unwrap_or(Timestamp::MIN));
    let micros = |at: Option<Timestamp>| at.map(Timestamp::as_microsecond);
    let mut query = file.prepare_cached(
        "SELECT place, outgoing, id, text, sent_at, kept_at, standing, state FROM message
         WHERE conversation = ?1 AND place < ?2 AND kept_at >= ?3 AND kept_at < ?4
         ORDER BY place DESC",
    )?;
    let mut rows = query.query(params![
        conversation.id,
        page.before.unwrap_or(i64::MAX),
        since.as_microsecond(),
        micros(page.until).unwrap_or(i64::MAX)
    ])?;
    let words = page.parts();
    let mut found = Vec::new();
    while found.len() < page.limit as usize
        && let Some(row) = rows.next()?
    {
        let Some(kept) = read(row, owner, &conversation, peer)? else { continue };
        if page.sender.as_ref().is_some_and(|sender| *sender != kept.message.sender) {
            continue;
        }
        let text =
            if words.is_empty() { String::new() } else { folded(kept.message.text.as_str()) };
        if words.iter().all(|word| text.contains(word)) {
            found.push(kept);
        }
    }
    found.reverse();
    Ok(found)
}

impl DirectPage {
    /// Returns the words and the phrases to find, folded.
    pub(crate) fn parts(&self) -> Vec<String> {
        let mut parts = Vec::new();
        for (index, part) in self.words.split('"').enumerate() {
            match index % 2 {
                0 => parts
                    .extend(part.split_whitespace().map(|word| folded(word.trim_end_matches('*')))),
                _ => parts.push(folded(part)),
            }
        }
        parts
    }
}

/// Reads a row; `None` if somebody has edited the file and it is not valid.
fn read(
    row: &Row<'_>,
    owner: &HistoryOwner,
    conversation: &ConversationRow,
    peer: &Name,
) -> Result<Option<KeptDirect>> {
    let Ok(text) = Text::parse(row.get::<_, String>(3)?) else { return Ok(None) };
    let Ok(kept_at) = Timestamp::from_microsecond(row.get(5)?) else { return Ok(None) };
    let sent_at: Option<i64> = row.get(4)?;
    let outgoing: bool = row.get(1)?;
    let verification = Verification::from_column(row.get(6)?, conversation.key);
    let message = DirectMessage {
        id: MessageId::from_bytes(row.get(2)?),
        sender: if outgoing { owner.me.clone() } else { peer.clone() },
        sent_at: sent_at.and_then(|at| Timestamp::from_microsecond(at).ok()),
        text,
    };
    Ok(Some(KeptDirect {
        position: row.get(0)?,
        message,
        receiver: outgoing.then(|| peer.clone()),
        verification,
        kept_at,
        state: match row.get(7)? {
            2 => DirectState::Read,
            _ => DirectState::Delivered,
        },
    }))
}
