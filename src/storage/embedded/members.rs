//! The registry of names in SQLite.
//!
//! It is a file of its own, `members.db`, not covered by the lock of the log: the operator's
//! commands change it ([`MemberList`]) while the hub runs, and the hub notices within a second.

mod expiry;
mod invites;
mod member_list;
mod schema;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tonic::async_trait;

pub use member_list::{BOT_PREFIX, Member, MemberList};
pub use schema::MEMBERS_FILE;

use super::{Store, pool::Pool};
use crate::{
    error::{RequestError, Result, SystemError},
    model::Name,
    storage::{Membership, NameClaim, NameHolder, NameRegistry, OwnerId, SessionId},
};

/// How often the file is checked for changes of other processes.
const POLL: Duration = Duration::from_secs(1);

/// Concurrent readers. They do not wait for the disk as claims do.
const READERS: usize = 2;

/// A [`NameRegistry`] in a file, or in memory.
pub struct EmbeddedNameRegistry {
    /// One worker, as SQLite has one writer.
    list: Arc<Pool<MemberList>>,
    /// The readers; in memory the same worker, which holds the list itself.
    readers: Arc<Pool<MemberList>>,
    /// The version that was last reported by `changed`.
    reported: Mutex<Option<member_list::ListVersion>>,
}

impl EmbeddedNameRegistry {
    /// Opens the registry of a store, and creates it if it is missing. Blocks on the disk. Errors
    /// if the file cannot be used.
    pub fn open(store: &Store) -> Result<Self, SystemError> {
        let (list, readers) = match store.clone() {
            Store::Directory(directory) => {
                let open = move || MemberList::open(&directory);
                open()?;
                (Pool::new(1, open.clone()), Pool::new(READERS, open))
            }
            Store::Memory => {
                let list = Pool::new(1, MemberList::in_memory);
                (list.clone(), list)
            }
        };
        Ok(Self { list, readers, reported: Mutex::default() })
    }

    async fn poll(&self) -> Result<bool> {
        let version = self.list.with(|list| list.version()).await?;
        let mut reported = self.reported.lock();
        Ok(reported.replace(version) != Some(version))
    }
}

#[async_trait]
impl NameRegistry for EmbeddedNameRegistry {
    async fn claim(&self, name: &Name, owner: &OwnerId, entry: NameClaim) -> Result<()> {
        let (name, owner) = (name.clone(), owner.clone());
        // Most callers have the name already.
        let (known, known_owner) = (name.clone(), owner.clone());
        let recorded = self.readers.with(move |list| list.has(&known, &known_owner)).await?;
        if recorded == Some(true) {
            return Ok(());
        }
        match self.list.with(move |list| list.claim(&name, &owner, &entry)).await {
            // A full disk keeps nobody from using a name.
            Err(RequestError::StoreUnavailable(_)) if recorded.is_some() => Ok(()),
            claimed => claimed,
        }
    }

    async fn check_free(&self, name: &Name) -> Result<()> {
        let name = name.clone();
        self.readers.with(move |list| list.check_free(&name)).await
    }

    async fn find(&self, owner: &OwnerId) -> Result<Membership> {
        let owner = owner.clone();
        self.readers.with(move |list| list.find(&owner)).await
    }

    async fn renamed(&self, name: &Name, owner: &OwnerId) -> Result<Option<Name>> {
        let (name, owner) = (name.clone(), owner.clone());
        self.readers.with(move |list| list.renamed(&name, &owner)).await
    }

    async fn expelled(&self, holders: Vec<NameHolder>) -> Result<Vec<SessionId>> {
        self.readers.with(move |list| list.expelled(&holders)).await
    }

    async fn expire(
        &self,
        used: Vec<NameHolder>,
        hours: u32,
        idle: Option<Duration>,
    ) -> Result<usize> {
        self.list.with(move |list| list.expire(&used, hours, idle)).await
    }

    async fn changed(&self) {
        loop {
            tokio::time::sleep(POLL).await;
            match self.poll().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "cannot look for changes of the members"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Owner;

    fn name(raw: &str) -> Name {
        Name::parse(raw).unwrap()
    }

    fn owner(of: &str) -> OwnerId {
        Owner::bot(of).id().clone()
    }

    fn holder(raw: &str, owner: Option<OwnerId>) -> NameHolder {
        NameHolder { session: SessionId::new(), name: name(raw), owner }
    }

    /// Returns a registry in a directory, which lives as long as the other half, and one in memory.
    fn everywhere() -> [(EmbeddedNameRegistry, Option<tempfile::TempDir>); 2] {
        let directory = tempfile::tempdir().unwrap();
        let kept = EmbeddedNameRegistry::open(&Store::Directory(directory.path().into())).unwrap();
        [(kept, Some(directory)), (EmbeddedNameRegistry::open(&Store::Memory).unwrap(), None)]
    }

    #[tokio::test]
    async fn a_name_and_similar_names_have_one_owner() {
        for (members, _directory) in everywhere() {
            let [hers, his] = ["hers", "his"].map(owner);
            let claim = |raw, owner| {
                let (members, name) = (&members, name(raw));
                async move { members.claim(&name, owner, NameClaim::default()).await }
            };
            members.check_free(&name("alice")).await.unwrap();
            claim("alice", &hers).await.unwrap();
            claim("ALICE", &hers).await.unwrap();
            assert!(matches!(claim("alice", &his).await, Err(RequestError::NameTaken(_))));
            // Not even for the same owner: people could not tell the two apart.
            for owner in [&his, &hers] {
                let refused = claim("\u{430}lice", owner).await;
                assert!(matches!(refused, Err(RequestError::NameConfusable { .. })), "{refused:?}");
            }
            for alike in ["a1ice", "alice.", "alice_", "alicė", "Àlice"] {
                let refused = members.check_free(&name(alike)).await;
                let confusable = matches!(refused, Err(RequestError::NameConfusable { .. }));
                assert!(confusable, "{alike}: {refused:?}");
            }
            assert_eq!(members.find(&hers).await.unwrap(), Membership::Member(vec![name("alice")]));
            assert_eq!(members.find(&his).await.unwrap(), Membership::Unknown);
        }
    }

    #[tokio::test]
    async fn holders_of_names_of_others_are_expelled() {
        for (members, _directory) in everywhere() {
            let [hers, his] = ["hers", "his"].map(owner);
            members.claim(&name("alice"), &hers, NameClaim::default()).await.unwrap();
            let holders = [
                holder("alice", Some(hers.clone())),
                holder("bob", None),
                holder("alice", Some(his)),
                holder("alice", None),
                holder("\u{430}lice", None),
                holder("carol", Some(hers)),
            ];
            let wanted: Vec<_> = holders[2..].iter().map(|holder| holder.session).collect();
            assert_eq!(members.expelled(holders.to_vec()).await.unwrap(), wanted);
        }
    }

    #[tokio::test]
    async fn changes_of_other_processes_are_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::Directory(directory.path().into());
        let members = EmbeddedNameRegistry::open(&store).unwrap();
        let hers = owner("hers");
        members.claim(&name("alice"), &hers, NameClaim::default()).await.unwrap();
        members.changed().await;
        assert!(!members.poll().await.unwrap(), "it was told");
        MemberList::open(directory.path()).unwrap().remove(&name("alice")).unwrap();
        members.changed().await;
        assert_eq!(members.find(&hers).await.unwrap(), Membership::Removed);
    }

    #[test]
    fn a_file_of_another_kind_is_refused_and_unchanged() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(MEMBERS_FILE);
        let foreign = rusqlite::Connection::open(&path).unwrap();
        foreign.execute_batch("CREATE TABLE recipes (cake TEXT)").unwrap();
        drop(foreign);
        let before = std::fs::read(&path).unwrap();
        let refused = MemberList::open(directory.path()).unwrap_err().to_string();
        assert!(refused.contains("no list of Chinwag's members"), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::write(&path, b"hello").unwrap();
        assert!(MemberList::open(directory.path()).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"hello");
    }
}
