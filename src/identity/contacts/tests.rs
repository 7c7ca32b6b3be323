//! What the contact book promises.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::model::{Endpoint, Fingerprint, KeyMismatch, MAX_ENDPOINTS, Name};

fn key(number: u8) -> Fingerprint {
    Fingerprint::from_bytes([number; 32])
}

fn endpoint(port: u32) -> Endpoint {
    Endpoint::new("hub.example.org", port).unwrap()
}

fn name(name: &str) -> Name {
    Name::parse(name).unwrap()
}

fn changed(want: u8, got: u8) -> KeyCheck {
    KeyCheck::Changed(KeyMismatch { want: key(want), got: key(got) })
}

/// A book with a hub (key 1) at port 1.
fn book() -> ContactBook {
    let mut book = ContactBook::default();
    assert_eq!(book.meet_hub(&endpoint(1), Some(key(1))).unwrap(), KeyCheck::New);
    book
}

fn meet(book: &mut ContactBook, who: &str, key_number: u8) -> KeyCheck {
    book.meet(&endpoint(1), &name(who), key(key_number), &[]).unwrap()
}

#[test]
fn the_first_key_is_kept_until_a_person_accepts_another() {
    let (mut book, hub, bob) = (book(), endpoint(1), name("bob"));
    assert_eq!(meet(&mut book, "bob", 2), KeyCheck::New);
    assert_eq!(meet(&mut book, "bob", 2), KeyCheck::Known);
    book.verify(&hub, &bob, key(2)).unwrap();
    assert_eq!(meet(&mut book, "bob", 3), changed(2, 3));
    assert_eq!(meet(&mut book, "bob", 2), KeyCheck::Known);
    let contact = book.contact(&hub, &bob).unwrap();
    assert_eq!((contact.key, contact.refused_key), (key(2), Some(key(3))));
    assert!(contact.verified);

    book.accept(&hub, &bob, key(3)).unwrap();
    assert_eq!(meet(&mut book, "bob", 3), KeyCheck::Known);
    assert_eq!(meet(&mut book, "bob", 2), changed(3, 2));
    assert!(!book.contact(&hub, &bob).unwrap().verified, "nobody has compared this one");
}

#[test]
fn only_the_known_key_can_be_verified() {
    let (mut book, hub, bob) = (book(), endpoint(1), name("bob"));
    let _ = meet(&mut book, "bob", 2);
    let _ = meet(&mut book, "bob", 3);
    let error = book.verify(&hub, &bob, key(3)).unwrap_err().to_string();
    assert!(error.contains(&key(2).to_string()) && error.contains(&key(3).to_string()), "{error}");
    book.verify(&hub, &bob, key(2)).unwrap();
    let contact = book.contact(&hub, &bob).unwrap();
    assert!(contact.verified && contact.refused_key.is_none());
    book.accept(&hub, &bob, key(2)).unwrap();
    assert!(book.contact(&hub, &bob).unwrap().verified, "it is the same key");
}

#[test]
fn strangers_are_looked_up_but_not_recorded() {
    let book = book();
    assert_eq!(book.check_key(&endpoint(1), &name("bob"), key(2)), KeyCheck::New);
    assert_eq!(book.check_key(&endpoint(9), &name("bob"), key(2)), KeyCheck::New);
    assert!(book.hubs()[0].contacts.is_empty());
}

#[test]
fn names_are_per_hub() {
    let mut book = book();
    let _ = meet(&mut book, "bob", 2);
    let _ = book.meet_hub(&endpoint(5), Some(key(5))).unwrap();
    let other = book.meet(&endpoint(5), &name("bob"), key(6), &[]).unwrap();
    assert_eq!(other, KeyCheck::New);
    assert_eq!(meet(&mut book, "bob", 2), KeyCheck::Known);
}

#[test]
fn the_blocked_are_blocked_under_every_name() {
    let (mut book, hub, bob) = (book(), endpoint(1), name("bob"));
    let _ = meet(&mut book, "bob", 2);
    book.block(&hub, &bob, true).unwrap();
    assert_eq!(meet(&mut book, "bob", 2), KeyCheck::Blocked);
    assert_eq!(meet(&mut book, "bob", 3), KeyCheck::Blocked);
    assert_eq!(meet(&mut book, "robert", 2), KeyCheck::Blocked);
    assert!(book.contact(&hub, &name("robert")).is_none());
    book.block(&hub, &bob, false).unwrap();
    assert_eq!(meet(&mut book, "bob", 2), KeyCheck::Known);
}

#[test]
fn the_last_endpoints_are_kept() {
    let (mut book, hub, bob) = (book(), endpoint(1), name("bob"));
    let places: Vec<_> = (1..20).map(endpoint).collect();
    let mut meet_at = |places: &[Endpoint]| {
        let _ = book.meet(&hub, &bob, key(2), places).unwrap();
        book.contact(&hub, &bob).unwrap().endpoints.clone()
    };
    assert_eq!(meet_at(&places[..1]), places[..1]);
    assert_eq!(meet_at(&[]), places[..1]);
    assert_eq!(meet_at(&places[1..]), places[1..=MAX_ENDPOINTS]);
    let _ = book.meet(&hub, &bob, key(3), &places[..1]).unwrap();
    assert_eq!(book.contact(&hub, &bob).unwrap().endpoints.len(), MAX_ENDPOINTS);
}

#[test]
fn a_hub_keeps_its_key_until_a_person_accepts_another() {
    let (mut book, at) = (book(), endpoint(1));
    let _ = meet(&mut book, "bob", 2);
    assert_eq!(book.meet_hub(&at, Some(key(1))).unwrap(), KeyCheck::Known);
    assert_eq!(book.meet_hub(&at, None).unwrap(), KeyCheck::Known);
    assert_eq!(book.hub(&at).unwrap().key, Some(key(1)), "it is still asked for its key");
    assert_eq!(book.meet_hub(&at, Some(key(3))).unwrap(), changed(1, 3));
    assert_eq!(book.hub(&at).unwrap().refused_key, Some(key(3)));
    book.accept_hub(&at, key(3)).unwrap();
    assert_eq!(book.meet_hub(&at, Some(key(3))).unwrap(), KeyCheck::Known);
    assert_eq!(meet(&mut book, "bob", 2), KeyCheck::Known);
}

#[test]
fn a_hub_is_known_by_its_key_wherever_it_is() {
    let mut book = book();
    let _ = meet(&mut book, "bob", 2);
    assert_eq!(book.meet_hub(&endpoint(7), Some(key(1))).unwrap(), KeyCheck::Known);
    assert_eq!(book.check_key(&endpoint(7), &name("bob"), key(2)), KeyCheck::Known);
    assert_eq!(book.hubs().len(), 1);
    // A hub without a key is another one at every endpoint, and may get a key.
    assert_eq!(book.meet_hub(&endpoint(8), None).unwrap(), KeyCheck::New);
    assert_eq!(book.meet_hub(&endpoint(9), None).unwrap(), KeyCheck::New);
    assert_eq!(book.meet_hub(&endpoint(9), Some(key(4))).unwrap(), KeyCheck::Known);
    assert_eq!(book.meet_hub(&endpoint(9), Some(key(5))).unwrap(), changed(4, 5));
}

#[test]
fn an_endpoint_can_become_another_hubs() {
    let mut book = book();
    let _ = book.meet_hub(&endpoint(2), Some(key(2))).unwrap();
    assert_eq!(book.meet_hub(&endpoint(1), Some(key(2))).unwrap(), changed(1, 2));
    book.accept_hub(&endpoint(1), key(2)).unwrap();
    assert_eq!(book.hub(&endpoint(1)), book.hub(&endpoint(2)));
    // The hub that was there is still known by its key.
    assert_eq!(book.meet_hub(&endpoint(3), Some(key(1))).unwrap(), KeyCheck::Known);
    assert_eq!(book.hubs().len(), 2);
}

#[test]
fn a_full_book_keeps_its_entries() {
    let mut book = book();
    for number in 0..MAX_CONTACTS {
        let _ = meet(&mut book, &format!("peer{number}"), 2);
    }
    let (hub, one_more) = (endpoint(1), name("one-more"));
    let refused = book.meet(&hub, &one_more, key(3), &[]);
    assert!(matches!(refused, Err(ContactsError::Full(_))), "{refused:?}");
    assert_eq!(meet(&mut book, "peer0", 2), KeyCheck::Known);
    book.forget(&hub, &name("peer0")).unwrap();
    assert_eq!(book.meet(&hub, &one_more, key(3), &[]).unwrap(), KeyCheck::New);

    for number in 1..MAX_HUBS {
        let _ = book.meet_hub(&endpoint(number as u32 + 1), None).unwrap();
    }
    assert!(matches!(book.meet_hub(&endpoint(9999), None), Err(ContactsError::Full(_))));
    book.forget_hub(&endpoint(2)).unwrap();
    assert_eq!(book.meet_hub(&endpoint(9999), None).unwrap(), KeyCheck::New);
}

#[test]
fn errors_name_who_is_not_in_the_book() {
    let (mut book, hub, bob) = (book(), endpoint(1), name("bob"));
    let problems = [
        book.verify(&hub, &bob, key(1)),
        book.accept(&hub, &bob, key(1)),
        book.block(&hub, &bob, true),
        book.note(&hub, &bob, "a"),
        book.forget(&hub, &bob),
    ];
    for problem in problems {
        assert!(problem.unwrap_err().to_string().contains("bob is not in"));
    }
    let nowhere = endpoint(9);
    for problem in [book.accept_hub(&nowhere, key(1)), book.forget_hub(&nowhere)] {
        assert!(problem.unwrap_err().to_string().contains("hub.example.org:9 is not in"));
    }
    let _ = meet(&mut book, "bob", 2);
    book.note(&hub, &bob, &"x".repeat(MAX_NOTE_BYTES)).unwrap();
    assert!(book.note(&hub, &bob, &"x".repeat(MAX_NOTE_BYTES + 1)).is_err());
}

#[test]
fn the_file_is_readable() {
    let home = tempfile::tempdir().unwrap();
    let contacts = Contacts::at(home.path().join("new/contacts.toml"));
    assert_eq!(contacts.read().unwrap(), ContactBook::default());
    contacts
        .change(|book| {
            let _ = book.meet_hub(&endpoint(1), Some(key(1)))?;
            let _ = book.meet(&endpoint(1), &name("émile"), key(2), &[endpoint(2)])?;
            book.verify(&endpoint(1), &name("émile"), key(2))?;
            book.note(&endpoint(1), &name("émile"), "from work")
        })
        .unwrap();
    let text = fs::read_to_string(contacts.path()).unwrap();
    let first_seen = contacts.read().unwrap().hubs()[0].first_seen;
    assert_eq!(
        text,
        format!(
            "\
# Chinwag's contact book: hubs, the people met there, and the keys they are known by.
# It may be edited; comments are not kept.

[[hub]]
endpoints = [\"hub.example.org:1\"]
key = \"{}\"
first_seen = \"{first_seen}\"

[hub.contacts.\"émile\"]
key = \"{}\"
first_seen = \"{first_seen}\"
verified = true
endpoints = [\"hub.example.org:2\"]
note = \"from work\"
",
            key(1),
            key(2)
        )
    );
}

#[test]
fn a_mistake_in_the_file_is_shown_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let contacts = Contacts::at(home.path().join("contacts.toml"));
    for (wrong, problem) in [
        (
            "[[hub]]\nendpoints = [\"a:1\"]\nfirst_seen = \"2026-01-01T00:00:00Z\"\nkye = 1\n",
            "line 4: unknown field `kye`",
        ),
        ("[[hub]]\nendpoints = [\"a\"]\n", "HOST:PORT"),
        ("[[hub]]\nendpoints = []\nkey = \"00000-\"\n", "13 groups"),
        ("hub = 1", "line 1"),
        ("\u{0}", "line 1"),
    ] {
        fs::write(contacts.path(), wrong).unwrap();
        let error = contacts.change(|_| Ok(())).unwrap_err().to_string();
        assert!(error.contains(problem) && error.contains("contacts.toml"), "{error}");
        assert_eq!(fs::read_to_string(contacts.path()).unwrap(), wrong);
    }
}

#[test]
fn failed_and_empty_changes_write_nothing() {
    let home = tempfile::tempdir().unwrap();
    let contacts = Contacts::at(home.path().join("contacts.toml"));
    let failed: Result<(), _> = contacts.change(|book| {
        let _ = book.meet_hub(&endpoint(1), None)?;
        Err(ContactsError::Full(String::new()))
    });
    assert!(failed.is_err());
    contacts.change(|_| Ok(())).unwrap();
    assert!(!contacts.path().exists());
}

#[cfg(unix)]
#[test]
fn the_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let contacts = Contacts::at(home.path().join("contacts.toml"));
    let _ = contacts.change(|book| book.meet_hub(&endpoint(1), None)).unwrap();
    let mode = || fs::metadata(contacts.path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    fs::set_permissions(contacts.path(), fs::Permissions::from_mode(0o644)).unwrap();
    let _ = contacts.change(|book| book.meet_hub(&endpoint(2), None)).unwrap();
    assert_eq!(mode(), 0o600);
}

/// The lock is of the open file, so threads stand for processes.
#[test]
fn concurrent_changes_are_all_kept() {
    const EACH: usize = 10;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("contacts.toml");
    let change = |writer: usize| {
        for number in 0..EACH {
            let who = name(&format!("peer-{writer}-{number}"));
            let met = Contacts::at(&path).change(|book| {
                let _ = book.meet_hub(&endpoint(1), None)?;
                book.meet(&endpoint(1), &who, key(1), &[])
            });
            assert_eq!(met.unwrap(), KeyCheck::New);
        }
    };
    std::thread::scope(|scope| {
        let change = &change;
        for writer in 0..8 {
            scope.spawn(move || change(writer));
        }
    });
    let book = Contacts::at(&path).read().unwrap();
    assert_eq!(book.hubs()[0].contacts.len(), 8 * EACH);
    let left: Vec<_> = fs::read_dir(home.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "the book and its lock: {left:?}");
}

proptest! {
    #[test]
    fn every_book_is_read_back(
        people in prop::collection::vec((0..3_u32, "[a-zé][a-z0-9._-]{0,8}", 0..3_u8), 0..20),
        note in "\\PC{0,40}|[\u{0}-\u{20}\"'\\\\]{0,9}",
    ) {
        let mut book = ContactBook::default();
        for (hub, who, number) in people {
            let (hub, who) = (endpoint(hub + 1), name(&who));
            let _ = book.meet_hub(&hub, (number > 0).then(|| key(number))).unwrap();
            let _ = book.meet(&hub, &who, key(number), &[endpoint(7)]).unwrap();
            if book.contact(&hub, &who).is_some() {
                book.note(&hub, &who, &note).unwrap();
                book.block(&hub, &who, number == 2).unwrap();
            }
        }
        prop_assert_eq!(ContactBook::parse(&book.to_toml().unwrap()).unwrap(), book);
    }

    #[test]
    fn no_text_makes_it_panic(raw: String, lines in "(\\[\\[hub\\]\\]\n)?([a-z_]{1,9} = \\PC{0,9}\n){0,4}") {
        let _ = ContactBook::parse(&raw);
        let _ = ContactBook::parse(&lines);
    }
}

#[test]
fn rooms_are_muted_for_each_hub() {
    let (mut book, hub) = (book(), endpoint(1));
    let room = |raw: &str| crate::model::RoomName::parse(raw).unwrap();
    book.mute(&hub, &room("ops"), true).unwrap();
    book.mute(&hub, &room("lobby"), true).unwrap();
    let toml = book.to_toml().unwrap();
    assert!(toml.contains("muted = [\n    \"lobby\",\n    \"ops\",\n]"), "{toml}");
    assert_eq!(ContactBook::parse(&toml).unwrap(), book);
    assert_eq!(book.muted(&hub).len(), 2);
    assert!(book.muted(&endpoint(9)).is_empty());
    assert!(book.mute(&endpoint(9), &room("ops"), true).is_err());
    book.mute(&hub, &room("ops"), false).unwrap();
    for number in 1..MAX_MUTED {
        book.mute(&hub, &room(&format!("r{number}")), true).unwrap();
    }
    book.mute(&hub, &room("lobby"), true).unwrap();
    assert!(matches!(book.mute(&hub, &room("more"), true), Err(ContactsError::Full(_))));
}

#[test]
fn only_the_key_that_a_person_looked_at_is_accepted() {
    let (mut book, hub, bob) = (book(), endpoint(1), name("bob"));
    let _ = meet(&mut book, "bob", 2);
    let _ = meet(&mut book, "bob", 3);
    let _ = meet(&mut book, "bob", 4);
    let wrong = book.accept_refused(&hub, &bob, Some(key(3))).unwrap_err().to_string();
    assert!(wrong.contains(&key(4).to_string()) && wrong.contains(&key(3).to_string()), "{wrong}");
    assert_eq!(book.accept_refused(&hub, &bob, Some(key(4))).unwrap(), key(4));
    assert_eq!(book.contact(&hub, &bob).unwrap().key, key(4));
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_to_the_book_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("kept")).unwrap();
    let (file, link) = (dir.path().join("kept/book.toml"), dir.path().join("contacts.toml"));
    let _ = Contacts::at(&file).change(|book| book.meet_hub(&endpoint(1), Some(key(1)))).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let _ = Contacts::at(&link).change(|book| book.meet_hub(&endpoint(2), Some(key(2)))).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().file_type().is_symlink());
    assert_eq!(Contacts::at(&file).read().unwrap().hubs().len(), 2);
}
