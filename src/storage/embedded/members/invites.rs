//! Invitations to a hub that is closed to newcomers.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::schema::{NEXT_SERIAL, failed};
use crate::{
    error::{RequestError, Result},
    identity::{hash_secret, new_secret},
    model::InviteCode,
};

/// Bytes of a code: too many to guess, and few enough to type.
const CODE_BYTES: usize = 16;

/// Creates an invitation for a number of newcomers, which expires.
pub(super) fn make(conn: &Connection, uses: u32, lasts: Duration) -> Result<InviteCode> {
    let code = InviteCode::parse(&new_secret::<CODE_BYTES>()?).map_err(RequestError::internal)?;
    let now = Timestamp::now().as_second();
    let ends_at = now.saturating_add(i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX));
    let kept =
        conn.execute("DELETE FROM invites WHERE uses = 0 OR ends_at <= ?1", [now]).and_then(|_| {
            let columns = "INSERT INTO invites (hash, uses, ends_at, serial)";
            let insert = format!("{columns} VALUES (?1, ?2, ?3, {NEXT_SERIAL})");
            conn.execute(&insert, params![hash_secret(code.as_str()), uses, ends_at])
        });
    kept.map_err(failed)?;
    Ok(code)
}

/// Uses an invitation once. It must have been made after the serial `after`. Errors with
/// [`RequestError::InviteRequired`] if it is missing or not valid.
pub(super) fn redeem(conn: &Connection, code: Option<&InviteCode>, after: i64) -> Result<()> {
    let code = code.ok_or(RequestError::InviteRequired { shown: false })?;
    let update = "UPDATE invites SET uses = uses - 1
        WHERE hash = ?1 AND uses > 0 AND ends_at > ?2 AND serial > ?3";
    let now = Timestamp::now().as_second();
    let redeemed = conn.execute(update, params![hash_secret(code.as_str()), now, after]);
    match redeemed.map_err(failed)? {
        0 => Err(RequestError::InviteRequired { shown: true }),
        _ => Ok(()),
    }
}
