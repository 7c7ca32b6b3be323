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

/// How many later invitations an expired one outlives. A clock that is ahead for a moment must not
/// remove those that are valid.
const MAX_EXPIRED: i64 = 1000;

/// Creates an invitation for a number of newcomers, which expires.
pub(super) fn make(conn: &Connection, uses: u32, lasts: Duration) -> Result<InviteCode> {
    let code = InviteCode::parse(&new_secret::<CODE_BYTES>()?).map_err(RequestError::internal)?;
    let now = Timestamp::now().as_second();
    let ends_at = now.saturating_add(i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX));
    let useless = "DELETE FROM invites WHERE uses = 0
        OR (ends_at <= ?1 AND serial <= (SELECT max(serial) FROM invites) - ?2)";
    let kept = conn.execute(useless, [now, MAX_EXPIRED]).and_then(|_| {
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

#[cfg(test)]
mod tests {
    use super::{super::schema, *};

    /// An invitation that looks expired may only be so by a clock that is ahead.
    #[test]
    fn only_the_last_expired_invitations_are_kept() {
        let conn = schema::in_memory().unwrap();
        let hour = Duration::from_secs(60 * 60);
        let count = || -> i64 {
            conn.query_row("SELECT count(*) FROM invites", [], |row| row.get(0)).unwrap()
        };
        let valid = make(&conn, 1, hour).unwrap();
        make(&conn, 1, Duration::ZERO).unwrap();
        make(&conn, 1, hour).unwrap();
        assert_eq!(count(), 3);
        for _ in 0..2 * MAX_EXPIRED {
            make(&conn, 1, Duration::ZERO).unwrap();
        }
        assert!((MAX_EXPIRED..=MAX_EXPIRED + 3).contains(&count()), "{}", count());
        redeem(&conn, Some(&valid), -1).unwrap();
        // It is used up.
        make(&conn, 1, hour).unwrap();
        assert!(redeem(&conn, Some(&valid), -1).is_err());
    }
}
