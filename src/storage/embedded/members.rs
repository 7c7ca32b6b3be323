//! The names that belong to somebody, in SQLite.
//!
//! They are in a file of their own, `members.db`, which the log's lock does not cover: the hub's
//! keeper changes it ([`MemberList`]) while the hub runs, and the hub notices within a second.

mod invites;
mod member_list;
mod schema;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tonic::async_trait;

pub use member_list::{BOT_PREFIX, MEMBERS_FILE, Member, MemberList};

use super::{Store, pool::Pool};
use crate::{
    error::{Result, SystemError},
    model::Name,
    storage::{Membership, NameClaim, NameHolder, NameRegistry, OwnerId, SessionId},
};

/// How often the file is looked at: a removal takes effect while its maker still looks on.
const POLL: Duration = Duration::from_secs(1);

/// How many may read the file at once. Nobody who only reads waits for the disk, as those do who
/// claim names.
const READERS: usize = 2;

/// [`NameRegistry`] in a file, or in memory as long as this lives.
pub struct EmbeddedNameRegistry {
    /// One: SQLite takes one writer.
    book: Arc<Pool<MemberList>>,
    /// Those who read: in memory the same one, as there it is the list itself.
    readers: Arc<Pool<MemberList>>,
    /// The version of the book that was told of last.
    told: Mutex<Option<member_list::ListVersion>>,
}

impl EmbeddedNameRegistry {
    /// Opens the members of a store, making them where there are none. Reads and writes files: not
    /// for an async task.
    ///
    /// # Errors
    ///
    /// If the file cannot be used.
    pub fn open(store: &Store) -> Result<Self, SystemError> {
        let (book, readers) = match store.clone() {
            Store::Directory(directory) => {
                let open = move || MemberList::open(&directory);
                open()?;
                (Pool::new(1, open.clone()), Pool::new(READERS, open))
            }
            Store::Memory => {
                let book = Pool::new(1, MemberList::in_memory);
                (book.clone(), book)
            }
        };
        Ok(Self { book, readers, told: Mutex::default() })
    }

    async fn poll(&self) -> Result<bool> {
        let version = self.book.with(|book| book.version()).await?;
        let mut told = self.told.lock();
        Ok(told.replace(version) != Some(version))
    }
}

#[async_trait]
impl NameRegistry for EmbeddedNameRegistry {
    async fn claim(&self, name: &Name, owner: &OwnerId, entry: NameClaim) -> Result<()> {
        let (name, owner) = (name.clone(), owner.clone());
        // Most have their name already.
        let (known, known_owner) = (name.clone(), owner.clone());
        if self.readers.with(move |book| book.has(&known, &known_owner)).await? {
            return Ok(());
        }
        self.book.with(move |book| book.claim(&name, &owner, &entry)).await
    }

    async fn check_free(&self, name: &Name) -> Result<()> {
        let name = name.clone();
        self.readers.with(move |book| book.check_free(&name)).await
    }

    async fn find(&self, owner: &OwnerId) -> Result<Membership> {
        let owner = owner.clone();
        self.readers.with(move |book| book.find(&owner)).await
    }

    async fn expelled(&self, holders: Vec<NameHolder>) -> Result<Vec<SessionId>> {
        self.readers.with(move |book| book.expelled(&holders)).await
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
    use crate::{error::RequestError, storage::Owner};

    fn name(raw: &str) -> Name {
        Name::parse(raw).unwrap()
    }

    fn owner(of: &str) -> OwnerId {
        Owner::bot(of).id().clone()
    }

    fn holder(raw: &str, owner: Option<OwnerId>) -> NameHolder {
        NameHolder { session: SessionId::new(), name: name(raw), owner }
    }

    /// One in a directory, which lives as long as the other half, and one in memory.
    fn everywhere() -> [(EmbeddedNameRegistry, Option<tempfile::TempDir>); 2] {
        let directory = tempfile::tempdir().unwrap();
        let kept = EmbeddedNameRegistry::open(&Store::Directory(directory.path().into())).unwrap();
        [(kept, Some(directory)), (EmbeddedNameRegistry::open(&Store::Memory).unwrap(), None)]
    }

    #[tokio::test]
    async fn a_name_and_its_likes_belong_to_one() {
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
            // Not even of the same owner: people could not tell the two apart.
            for owner in [&his, &hers] {
                let refused = claim("\u{430}lice", owner).await;
                assert!(matches!(refused, Err(RequestError::NameConfusable { .. })), "{refused:?}");
            }
            let refused = members.check_free(&name("a1ice")).await;
            assert!(matches!(refused, Err(RequestError::NameConfusable { .. })), "{refused:?}");
            assert_eq!(members.find(&hers).await.unwrap(), Membership::Member(vec![name("alice")]));
            assert_eq!(members.find(&his).await.unwrap(), Membership::Unknown);
        }
    }

    #[tokio::test]
    async fn who_holds_what_is_not_theirs_is_expelled() {
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
    async fn what_others_change_in_the_file_is_noticed() {
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
    fn a_file_that_is_something_else_is_refused_and_left_as_it_is() {
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
