//! The commands of the chat, one per line and without a terminal, and their output.

use crate::support::{
    cli::{self, Running},
    hub::TestHub,
};

/// Types a line and reads until the answer.
#[track_caller]
fn ask(chat: &mut Running, line: &str, answer: &str) {
    chat.write(format!("{line}\n").as_bytes());
    loop {
        let said = chat.line();
        assert!(!said.contains("name: "), "{said}");
        if said.contains(answer) {
            return;
        }
    }
}

#[test]
fn contacts_rooms_and_queued_messages() {
    let hub = TestHub::start();
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let listen = cli::command(other.path(), hub.address(), "buzz", &["listen", "--json"]);
    let buzz = Running::start(listen);
    assert!(buzz.complaint().contains("receives direct messages"));
    let mut sova = Running::start(cli::command(home.path(), hub.address(), "sova", &["chat"]));

    ask(&mut sova, "/forget buzz", "buzz");
    ask(&mut sova, "/note buzz owes me a coffee", "* saved the note on buzz");
    ask(&mut sova, "/contacts", "owes me a coffee");
    ask(&mut sova, "/block buzz", "* blocked buzz: no direct messages");
    ask(&mut sova, "/msg buzz psst", "* not sent to buzz: psst (buzz is blocked");
    ask(&mut sova, "/unblock buzz", "* unblocked buzz");
    ask(&mut sova, "/note buzz", "* note on buzz: owes me a coffee");
    ask(&mut sova, "/note buzz -", "* removed the note on buzz");
    ask(&mut sova, "/note buzz", "* no note on buzz");
    ask(&mut sova, "/accept buzz", "* buzz has shown no other key than the one");
    ask(&mut sova, "/accept colt", "* colt is not in your contact book");
    ask(&mut sova, "/mute", "* muted notifications of lobby");
    ask(&mut sova, "/unmute lobby", "* unmuted notifications of lobby");

    ask(
        &mut sova,
        "/queue colt one",
        "* queued for colt; you have never met colt: whoever takes this name first",
    );
    ask(
        &mut sova,
        "/queue colt two",
        "* queued for colt; you have never met colt: whoever takes this name first",
    );
    ask(&mut sova, "/outbox", "  colt  since ");
    ask(&mut sova, "/drop 01", "is too short");
    ask(&mut sova, "/drop winter22", "no queued message");
    ask(&mut sova, "/drop Colt", "* dropped 2 queued messages");
    ask(&mut sova, "/outbox", "* there are none");
    ask(&mut sova, "/queue sova me", "* that is you");
    ask(&mut sova, "/msg sova me", "* not sent to sova: me (that is you)");
    ask(&mut sova, "/retry", "* trying to deliver queued messages");
    ask(&mut sova, "/queue buzz psst", "* delivered to buzz: ");
    assert_eq!(buzz.object()["text"], "psst");

    ask(&mut sova, "/msg buzz", "* usage: /msg NAME TEXT");
    ask(&mut sova, "/msg nobody psst", "; /queue nobody TEXT sends it once they are back");
    ask(&mut sova, "/forget buzz", "* removed buzz from your contacts");
    sova.write(b"/q\n");
    assert_eq!(sova.end().code, Some(1), "some lines could not be carried out");
}
