//! The history: what is kept of which peer, for how long, and what is deleted.

mod expiring;

use std::{
    path::Path,
    sync::atomic::{AtomicI64, Ordering},
};

use jiff::SignedDuration;
use rusqlite::Connection;

use super::{store::HistoryLimits, *};
use crate::{
    identity::Contacts,
    model::{Endpoint, Fingerprint, Text},
};

const DAY: i64 = 24 * 3600;

fn name(raw: &str) -> Name {
    Name::parse(raw).unwrap()
}

fn key(byte: u8) -> Fingerprint {
    Fingerprint::from_bytes([byte; 32])
}

fn message(sender: &str, said: &str) -> DirectMessage {
    let (sender, text) = (name(sender), Text::parse(said).unwrap());
    DirectMessage { id: MessageId::new(), sender, sent_at: None, text }
}

fn direct(sender: &str, said: &str, verification: Verification) -> Direct {
    Direct { message: message(sender, said), verification, from: None }
}

/// A history of alice with a contact book, at a clock that the test sets.
struct Home {
    dir: tempfile::TempDir,
    /// Seconds that the clock is ahead.
    ahead: Arc<AtomicI64>,
}

impl Home {
    fn new() -> Self {
        let home = Self { dir: tempfile::tempdir().unwrap(), ahead: Arc::default() };
        home.book().change(|book| book.meet_hub(&hub(), None).map(drop)).unwrap();
        home
    }

    fn book(&self) -> Contacts {
        Contacts::at(self.dir.path().join("contacts.toml"))
    }

    fn meet(&self, peer: &str, key: Fingerprint) {
        let meet = |book: &mut _| ContactBookExt::meet(book, peer, key);
        self.book().change(meet).unwrap();
    }

    async fn open(&self) -> DirectHistory {
        self.open_as("alice").await
    }

    async fn open_as(&self, me: &str) -> DirectHistory {
        let ahead = self.ahead.clone();
        let now =
            move || Timestamp::now() + SignedDuration::from_secs(ahead.load(Ordering::Relaxed));
        let contacts = ContactStore::new(hub(), name(me), Some(key(0)), Some(self.book()));
        let path = Some(self.dir.path().join("direct.db"));
        DirectHistory::open(path, true, contacts, WallClock::new(now)).await
    }

    fn pass(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }
}

fn hub() -> Endpoint {
    Endpoint::parse("127.0.0.1:1").unwrap()
}

/// Shorter calls of the contact book.
trait ContactBookExt {
    fn meet(&mut self, peer: &str, key: Fingerprint) -> Result<(), crate::identity::ContactsError>;
}

impl ContactBookExt for crate::identity::ContactBook {
    fn meet(&mut self, peer: &str, key: Fingerprint) -> Result<(), crate::identity::ContactsError> {
        Self::meet(self, &hub(), &name(peer), key, &[]).map(drop)
    }
}

impl DirectHistory {
    async fn came(&self, direct: &Direct) {
        let permit = self.reserve().await.unwrap();
        self.record_received(permit, direct).await;
    }

    /// Returns the texts of the conversation with a peer.
    async fn texts(&self, peer: &str) -> Vec<String> {
        let messages = self.messages(&name(peer), DirectPage::latest(100)).await.unwrap();
        messages.iter().map(|kept| kept.message.text.as_str().to_owned()).collect()
    }

    /// Returns the name, the number of messages and the unread ones of each conversation.
    async fn listed(&self) -> Vec<(String, u64, u64)> {
        let listed = self.conversations().await.unwrap().into_iter();
        listed.map(|one| (one.peer.to_string(), one.messages, one.unread)).collect()
    }
}

/// Returns true if a file of the directory contains these bytes.
fn contains(dir: &Path, needle: &str) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let content = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        content.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
}

#[tokio::test]
async fn both_directions_are_kept_once_and_their_states_follow() {
    let home = Home::new();
    let history = home.open().await;
    let first = direct("bob", "one", Verification::Known(key(1)));
    assert_eq!(history.notice(), None);
    history.came(&first).await;
    assert!(matches!(history.notice(), Some(HistoryNotice::Began { .. })));
    history.came(&first).await;
    home.meet("bob", key(1));
    let sent = message("alice", "two");
    history.record_sent(&name("bob"), sent.clone(), true).await;
    history.record_sent(&name("bob"), sent.clone(), true).await;
    assert_eq!(history.notice(), None, "said once");
    assert_eq!(history.texts("bob").await, ["one", "two"]);
    assert_eq!(history.listed().await, [("bob".into(), 2, 1)]);

    history.mark_read(&name("bob"), first.message.id, false).await;
    history.mark_read(&name("bob"), sent.id, true).await;
    // Another process reads the same.
    let other = home.open().await;
    let kept = other.messages(&name("bob"), DirectPage::latest(9)).await.unwrap();
    assert!(kept.iter().all(|kept| kept.state == DirectState::Read), "{kept:?}");
    assert_eq!((kept[0].receiver.clone(), kept[1].receiver.clone()), (None, Some(name("bob"))));
    assert_eq!(kept[1].message, sent);
    assert_eq!(kept[1].verification, Verification::Known(key(1)));
    assert_eq!(other.listed().await, [("bob".into(), 2, 0)]);
}

#[tokio::test]
async fn a_page_is_read_from_a_position_by_time_and_by_words() {
    let home = Home::new();
    let history = home.open().await;
    for number in 0..10 {
        let said = format!("Number {number} of TEN");
        history.came(&direct("bob", &said, Verification::Known(key(1)))).await;
        home.pass(60);
    }
    let bob = name("bob");
    let page = async |page| history.messages(&bob, page).await.unwrap();
    let latest = page(DirectPage::latest(4)).await;
    assert_eq!(latest.len(), 4);
    assert_eq!(latest[3].message.text.as_str(), "Number 9 of TEN");
    let older =
        page(DirectPage { before: Some(latest[0].position), ..DirectPage::latest(9) }).await;
    assert_eq!(older.last().unwrap().message.text.as_str(), "Number 5 of TEN");
    assert_eq!(older.len(), 6);
    let (since, until) = (Some(latest[1].kept_at), Some(latest[3].kept_at));
    assert_eq!(page(DirectPage { since, until, ..DirectPage::latest(9) }).await, latest[1..3]);
    let words = |words: &str| DirectPage { words: words.into(), ..DirectPage::latest(9) };
    assert_eq!(page(words("ten numb 6")).await[0].message.text.as_str(), "Number 6 of TEN");
    assert_eq!(page(words("\"of ten\" number* 6")).await.len(), 1);
    assert_eq!(page(words("\"ten of\"")).await, []);
    assert_eq!(page(words("eleven")).await, []);
    // The sender counts before the limit does.
    home.meet("bob", key(1));
    history.record_sent(&bob, message("alice", "mine"), true).await;
    let of = |sender| DirectPage { sender: Some(name(sender)), ..DirectPage::latest(1) };
    for (sender, found) in [("bob", "Number 9 of TEN"), ("alice", "mine")] {
        assert_eq!(page(of(sender)).await[0].message.text.as_str(), found);
    }
    assert_eq!(page(of("carol")).await, []);
    let said = "Straße nach Łódź, ａｂｃ, 今天玩成语接龙游戏";
    history.came(&direct("bob", said, Verification::Known(key(1)))).await;
    for part in ["strasse lodz", "abc", "接龙"] {
        assert_eq!(page(words(part)).await.len(), 1, "{part}");
    }
}

#[tokio::test]
async fn messages_belong_to_the_key_and_not_to_the_name() {
    let home = Home::new();
    let history = home.open().await;
    home.meet("bob", key(1));
    history.came(&direct("bob", "from the first bob", Verification::Known(key(1)))).await;
    history.came(&direct("bob", "from no key", Verification::Unverified(None))).await;
    assert_eq!(history.texts("bob").await, ["from the first bob"]);

    // Bob takes another name, and another key takes his.
    home.book().change(|book| book.forget(&hub(), &name("bob"))).unwrap();
    home.meet("bobby", key(1));
    home.meet("bob", key(2));
    assert_eq!(history.texts("bob").await, Vec::<String>::new());
    assert_eq!(history.texts("bobby").await, ["from the first bob"]);
    history.came(&direct("bob", "from the second bob", Verification::Known(key(2)))).await;
    assert_eq!(history.texts("bob").await, ["from the second bob"]);
    assert_eq!(history.listed().await, [("bob".into(), 1, 1), ("bobby".into(), 1, 1)]);

    // Without a contact, a proven name comes before one that anybody can claim.
    history.came(&direct("eve", "proven", Verification::Known(key(3)))).await;
    history.came(&direct("eve", "claimed", Verification::Unverified(None))).await;
    assert_eq!(history.texts("eve").await, ["proven"]);
}

#[tokio::test]
async fn a_peer_with_a_new_name_keeps_the_conversation_under_both_names() {
    let home = Home::new();
    let history = home.open().await;
    home.meet("bob", key(1));
    history.came(&direct("bob", "one", Verification::Known(key(1)))).await;
    // After the former name in the alphabet, and before it.
    for new in ["robert", "adam"] {
        home.meet(new, key(1));
        assert_eq!(history.texts(new).await.first().unwrap(), "one");
        history.came(&direct(new, "more", Verification::Known(key(1)))).await;
        let messages = history.texts(new).await;
        let count = messages.len() as u64;
        assert_eq!(history.texts("bob").await, messages);
        assert_eq!(history.listed().await, [(new.into(), count, count)]);
    }
}

#[tokio::test]
async fn a_setting_stays_with_a_name_whose_new_key_is_accepted() {
    let home = Home::new();
    let history = home.open().await;
    let bob = name("bob");
    let came = async |said, by| history.came(&direct("bob", said, Verification::Known(by))).await;
    home.meet("bob", key(1));
    came("one", key(1)).await;
    assert_eq!(history.keep(&bob, KeepFor::Never).await.unwrap(), 1);
    home.book().change(|book| book.accept(&hub(), &bob, key(2))).unwrap();
    assert_eq!(history.kept_for(&bob).await.unwrap(), KeepFor::Never);
    came("two", key(2)).await;
    assert_eq!(history.texts("bob").await, Vec::<String>::new());
    history.keep(&bob, KeepFor::Always).await.unwrap();
    assert_eq!(history.kept_for(&bob).await.unwrap(), KeepFor::Always);
    came("three", key(2)).await;
    assert_eq!(history.texts("bob").await, ["three"], "set anew, and not inherited again");
    // A setting of a peer that has another name now is not one for the next peer of the name.
    history.keep(&bob, KeepFor::Never).await.unwrap();
    home.meet("bobby", key(2));
    home.book().change(|book| book.accept(&hub(), &bob, key(3))).unwrap();
    came("four", key(3)).await;
    assert_eq!(history.texts("bob").await, ["four"]);
}

#[tokio::test]
async fn messages_that_cannot_be_kept_hold_up_no_others() {
    let home = Home::new();
    let history = home.open().await;
    let book = home.dir.path().join("contacts.toml");
    std::fs::write(&book, "no contact book").unwrap();
    history.came(&direct("bob", "lost", Verification::Known(key(1)))).await;
    assert!(matches!(history.notice(), Some(HistoryNotice::Failed(_))));
    assert_eq!(history.0.room.available_permits(), PENDING);
    std::fs::write(&book, "").unwrap();
    history.came(&direct("bob", "kept", Verification::Known(key(1)))).await;
    assert_eq!(history.texts("bob").await, ["kept"]);
}

#[tokio::test]
async fn deleted_texts_do_not_stay_in_any_file() {
    let home = Home::new();
    let history = home.open().await;
    let secret = |number: usize| format!("a secret of number {number}, and some more text");
    for number in 0..50 {
        history.came(&direct("bob", &secret(number), Verification::Known(key(1)))).await;
        history.came(&direct("carol", &secret(100 + number), Verification::Known(key(2)))).await;
    }
    assert!(contains(home.dir.path(), &secret(7)));
    assert_eq!(history.forget(&name("bob")).await.unwrap(), 50);
    assert!(!contains(home.dir.path(), "a secret of number 7,"));
    assert!(contains(home.dir.path(), &secret(107)));

    // Nothing of carol is kept from now on.
    assert_eq!(history.keep(&name("carol"), KeepFor::Never).await.unwrap(), 50);
    history.came(&direct("carol", &secret(3), Verification::Known(key(2)))).await;
    assert!(!contains(home.dir.path(), "a secret"));
    history.keep(&name("carol"), KeepFor::Always).await.unwrap();
    history.came(&direct("carol", &secret(4), Verification::Known(key(2)))).await;
    assert_eq!(history.texts("carol").await, [secret(4)]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let file = std::fs::metadata(home.dir.path().join("direct.db")).unwrap();
        assert_eq!(file.mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn forgetting_is_for_all_own_names_at_the_hub() {
    let home = Home::new();
    let (alice, alicia) = (home.open().await, home.open_as("alicia").await);
    for (history, said) in [(&alice, "one"), (&alicia, "two")] {
        history.came(&direct("bob", said, Verification::Known(key(1)))).await;
        history.came(&direct("carol", said, Verification::Known(key(2)))).await;
    }
    assert_eq!(alice.texts("bob").await, ["one"]);
    assert_eq!(alicia.forget(&name("bob")).await.unwrap(), 2);
    assert_eq!(alice.texts("bob").await, Vec::<String>::new());
    assert_eq!(alice.texts("carol").await, ["one"]);
}

#[tokio::test]
async fn a_history_is_bounded_and_strangers_displace_only_each_other() {
    let home = Home::new();
    let history = home.open().await;
    let limits = HistoryLimits { messages: 10, per_conversation: 4, bytes: 1000, conversations: 5 };
    let write = async |directs: Vec<(bool, Direct)>| {
        let change = |(outgoing, direct): (bool, Direct)| {
            let (peer, message) = (direct.message.sender.clone(), direct.message);
            let (verification, kept_at) = (direct.verification, Timestamp::now());
            (Change::Message { peer, outgoing, message, verification, kept_at }, None)
        };
        let batch: Vec<_> = directs.into_iter().map(change).collect();
        let work = move |file: &mut Connection, owner: &HistoryOwner, now| {
            store::write(file, owner, &batch, now, limits)
        };
        history.with(work).await.unwrap();
    };
    let known = |peer: &str, said: &str| direct(peer, said, Verification::Known(key(9)));
    let friend = |said: &str| (true, known("friend", said));
    write((0..6).map(|number| friend(&format!("{number}"))).collect()).await;
    assert_eq!(history.texts("friend").await, ["2", "3", "4", "5"], "the oldest go first");

    let stranger = |number: u8, said: &str| {
        let peer = format!("stranger{number}");
        (false, direct(&peer, said, Verification::Unverified(Some(key(number)))))
    };
    write((20..29).map(|number| stranger(number, "hi")).collect()).await;
    let listed = history.listed().await;
    assert_eq!(listed.len(), 5, "{listed:?}");
    assert_eq!(history.texts("friend").await.len(), 4);
    write(vec![stranger(40, &"x".repeat(990))]).await;
    let listed = history.listed().await;
    let left: u64 = listed.iter().map(|(_, messages, _)| messages).sum();
    assert!(left < 10 && listed.iter().any(|(peer, ..)| peer == "friend"), "{listed:?}");
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_reported_once_and_stops_nothing() {
    let home = Home::new();
    std::fs::write(home.dir.path().join("direct.db"), "no database at all, and long enough")
        .unwrap();
    let history = home.open().await;
    assert!(history.reserve().await.is_none());
    history.record_sent(&name("bob"), message("alice", "one"), true).await;
    let refused = history.keep(&name("bob"), KeepFor::Never).await.unwrap_err().to_string();
    assert!(refused.contains("direct.db cannot be used: "), "{refused}");
    let Some(HistoryNotice::Failed(cause)) = history.notice() else { panic!("no notice") };
    assert!(cause.contains("direct.db"), "{cause}");
    assert_eq!(history.notice(), None);
    assert_eq!(history.texts("bob").await, Vec::<String>::new());
}
