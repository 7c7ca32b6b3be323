//! Names that nobody uses are freed, if the operator wants that.
//!
//! Time is counted in hours that the hub ran, and not by the clock of the machine: a clock that jumps
//! ahead, or a hub that was off for months, frees no name.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::schema::failed;
use crate::{error::Result, model::Name, storage::NameHolder};

/// How exactly it is known when a name was last used: a name is written once in this time.
const PRECISION: u64 = 24;

const NOW: &str = "(SELECT hours FROM uptime)";

/// Returns true if it need not be recorded that a name is used now.
pub(super) fn is_recorded(conn: &Connection, name: &Name) -> Result<bool> {
    let query = format!("SELECT used_at > {NOW} - {PRECISION} FROM members WHERE name = ?1");
    conn.prepare_cached(&query)
        .and_then(|mut query| query.query_row([name.as_str()], |row| row.get(0)).optional())
        .map(|recorded| recorded.unwrap_or(false))
        .map_err(failed)
}

/// Records that a name is used now.
pub(super) fn record(tx: &Transaction<'_>, name: &Name) -> Result<()> {
    let update = format!(
        "UPDATE members SET used_at = {NOW} WHERE name = ?1 AND used_at <= {NOW} - {PRECISION}"
    );
    tx.prepare_cached(&update)
        .and_then(|mut update| update.execute([name.as_str()]))
        .map(drop)
        .map_err(failed)
}

/// See [`NameRegistry::expire`](crate::storage::NameRegistry::expire).
pub(super) fn expire(
    tx: &Transaction<'_>,
    used: &[NameHolder],
    hours: u32,
    idle: Option<Duration>,
) -> Result<usize> {
    tx.execute("UPDATE uptime SET hours = hours + ?1", [hours]).map_err(failed)?;
    for holder in used.iter().filter(|holder| holder.owner.is_some()) {
        record(tx, &holder.name)?;
    }
    let Some(idle) = idle else { return Ok(0) };
    let hours = i64::try_from(idle.as_secs() / 3600).unwrap_or(i64::MAX);
    let free = format!("DELETE FROM members WHERE kept = 0 AND {NOW} - used_at > ?1");
    tx.execute(&free, params![hours]).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::InviteCode,
        storage::{
            NameClaim, Owner, OwnerId, SessionId, embedded::members::member_list::MemberList,
        },
    };

    const WEEK: Duration = Duration::from_secs(7 * 86_400);

    fn name(raw: &str) -> Name {
        Name::parse(raw).unwrap()
    }

    fn owner(of: &str) -> OwnerId {
        Owner::outside("test", of).id().clone()
    }

    struct Names(MemberList);

    impl Names {
        fn claim(&mut self, raw: &str, invite: Option<InviteCode>) -> Result<()> {
            let entry = NameClaim { invite_required: invite.is_some(), invite };
            self.0.claim(&name(raw), &owner(raw), &entry)
        }

        /// Lets hours pass while these names are in use. Returns how many names were freed.
        fn pass(&mut self, hours: u32, used: &[&str], idle: Option<Duration>) -> usize {
            let holder = |raw: &&str| NameHolder {
                session: SessionId::new(),
                name: name(raw),
                owner: Some(owner(raw)),
            };
            let used: Vec<_> = used.iter().map(holder).collect();
            self.0.expire(&used, hours, idle).unwrap()
        }

        fn all(&self) -> Vec<String> {
            self.0.members().unwrap().into_iter().map(|member| member.name.to_string()).collect()
        }
    }

    #[test]
    fn names_that_nobody_uses_are_freed() {
        let directory = tempfile::tempdir().unwrap();
        let mut names = Names(MemberList::open(directory.path()).unwrap());
        for unused in ["left", "online", "returned"] {
            names.claim(unused, None).unwrap();
        }
        assert_eq!(names.pass(1000, &[], None), 0, "not without a limit");
        // A use is recorded when a session begins, and while it lasts.
        names.claim("returned", None).unwrap();
        assert_eq!(names.pass(0, &["online"], None), 0);
        assert_eq!(names.all(), ["left", "online", "returned"]);
        drop(names);

        let mut names = Names(MemberList::open(directory.path()).unwrap());
        assert_eq!(names.pass(1, &["online"], Some(WEEK)), 1);
        assert_eq!(names.all(), ["online", "returned"]);
        assert_eq!(names.pass(7 * 24 - 1, &["online"], Some(WEEK)), 0);
        assert_eq!(names.pass(1, &["online"], Some(WEEK)), 1);
        assert_eq!(names.all(), ["online"]);
        // Others may take it then.
        names.0.claim(&name("left"), &owner("other"), &NameClaim::default()).unwrap();
    }

    #[test]
    fn members_whom_the_operator_let_in_stay_and_removed_ones_stay_removed() {
        let mut names = Names(MemberList::in_memory().unwrap());
        let invite = names.0.invite(1, WEEK).unwrap();
        names.claim("guest", Some(invite)).unwrap();
        names.claim("old", None).unwrap();
        names.0.rename(&name("old"), &name("new")).unwrap();
        names.claim("bad", None).unwrap();
        names.0.remove(&name("bad")).unwrap();
        names.0.make_token(&name("bot")).unwrap();
        names.claim("left", None).unwrap();
        assert_eq!(names.pass(10_000, &[], Some(WEEK)), 1);
        assert_eq!(names.all(), ["bot", "guest", "new"]);
        let refused = names.claim("bad", None).unwrap_err();
        assert!(matches!(refused, crate::error::RequestError::Removed), "{refused:?}");
    }

    #[test]
    fn a_use_is_written_once_a_day() {
        let mut names = Names(MemberList::in_memory().unwrap());
        let recorded = |names: &Names| names.0.has(&name("alice"), &owner("alice")).unwrap();
        assert_eq!(recorded(&names), None);
        names.claim("alice", None).unwrap();
        names.pass(23, &[], None);
        assert_eq!(recorded(&names), Some(true));
        names.pass(1, &[], None);
        assert_eq!(recorded(&names), Some(false));
        names.claim("alice", None).unwrap();
        assert_eq!(recorded(&names), Some(true));
    }
}
