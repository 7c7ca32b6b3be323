//! Keys on the command line: verified, accepted, and pinned by a join link.

use crate::support::{cli, hub::TestHub, person::Person, terminal::Terminal};

#[test]
fn contact_commands_need_a_hub_that_was_met() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let key = sova.run(&["id", "--json"]).objects()[0]["fingerprint"].as_str().unwrap().to_owned();
    let commands: [&[&str]; 4] =
        [&["mute", "ops"], &["unmute", "ops"], &["forget", "buzz"], &["accept", "buzz", &key]];
    for command in commands {
        let refused = sova.run(command).failed(1);
        assert!(
            refused.contains("connect to it first, for example with `chinwag peers`"),
            "{refused}"
        );
    }
    sova.run(&["peers"]).done();
    sova.run(&["mute", "ops"]).done();
}

#[test]
fn keys_are_verified_and_new_ones_need_confirmation() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    assert_eq!(sova.run(&["contacts"]).done(), "");
    let listening = buzz.start(&["listen", "--json"]);
    assert!(listening.complaint().contains("receives direct messages"));
    let id = &buzz.run(&["id", "--json"]).objects()[0];
    let key = id["fingerprint"].as_str().unwrap();
    let shown = buzz.run(&["id"]).done();
    assert!(shown.starts_with("Fingerprint of your key, buzz:") && shown.contains('█'), "{shown}");

    // Unknown peers are looked up at the hub. Without a terminal there is no question.
    let both = sova.run(&["verify", "buzz"]);
    assert_eq!(both.code, Some(1), "{both:?}");
    let lines: String = both.stdout.lines().map(str::trim).collect::<Vec<_>>().join("-");
    assert!(lines.contains(key) && both.stderr.contains("chinwag verify buzz FINGERPRINT"));
    let known = &sova.run(&["contacts", "--json"]).objects()[0];
    assert_eq!((&known["name"], &known["fingerprint"]), (&"buzz".into(), &id["fingerprint"]));
    assert_eq!(known["verified"], false);
    let own = &sova.run(&["id", "--json"]).objects()[0];
    let wrong = sova.run(&["verify", "buzz", own["hex"].as_str().unwrap()]).failed(1);
    assert!(wrong.contains(key) && wrong.contains("not verified"), "{wrong}");
    sova.run(&["verify", "buzz", &key.replace('-', " ").to_lowercase()]).done();
    assert!(sova.run(&["contacts"]).done().starts_with("buzz  verified  "));
    sova.run(&["send", "buzz", "hello"]).done();
    assert_eq!(listening.object()["standing"], "known");
    listening.signal("INT");
    listening.end();

    // Buzz lost his key and has a new one, on a hub that does not know the old one.
    let other_hub = TestHub::start();
    let contacts = sova.home.path().join("contacts.toml");
    let book = std::fs::read_to_string(&contacts).unwrap();
    let [old, new] = [&hub, &other_hub].map(|hub| hub.link().split_once('#').unwrap());
    let at = |link: &str| link.strip_prefix("chinwag://").unwrap().to_owned();
    let moved = book.replace(&at(old.0), &at(new.0)).replace(old.1, new.1);
    std::fs::write(&contacts, moved).unwrap();
    let moved = Person { hub: other_hub.address(), name: "sova", home: sova.home };
    let buzz = Person::new(&other_hub, "buzz");
    let listening = buzz.start(&["listen", "--json"]);
    assert!(listening.complaint().contains("receives direct messages"));
    let refused = moved.run(&["send", "buzz", "hello"]).failed(1);
    assert!(refused.contains(key) && refused.contains("chinwag accept buzz"), "{refused}");
    let back = buzz.run(&["send", "sova", "it is me"]).failed(4);
    assert!(back.contains("no peer named sova"), "{back}");
    // Without a terminal the key must be given, and must be the one that was seen.
    let unsaid = moved.run(&["accept", "buzz"]);
    assert_eq!(unsaid.code, Some(2), "{unsaid:?}");
    assert!(unsaid.stderr.contains("chinwag accept buzz FINGERPRINT"), "{unsaid:?}");
    let shown: String = unsaid.stdout.lines().map(str::trim).collect::<Vec<_>>().join("-");
    let new = buzz.run(&["id", "--json"]).objects()[0]["fingerprint"].as_str().unwrap().to_owned();
    assert!(shown.contains(key) && shown.contains(&new), "{shown}");
    assert!(moved.run(&["accept", "buzz", key]).failed(1).contains(&new));
    let mut chat = moved.start(&["chat"]);
    for (line, said) in [
        ("/verify buzz", format!("Another key was refused, {new}: see /accept buzz")),
        ("/accept buzz", "If it is the key of buzz: /accept buzz FINGERPRINT".into()),
        (&format!("/accept buzz {key}"), format!("* buzz has shown the key {new}, and not {key}")),
    ] {
        chat.write(format!("{line}\n").as_bytes());
        while !chat.line().contains(&said) {}
    }
    drop(chat);
    moved.run(&["accept", "buzz", &new]).done();
    assert!(moved.run(&["contacts"]).done().starts_with("buzz  known  "));
    moved.run(&["send", "buzz", "hello again"]).done();
    assert_eq!(listening.object()["text"], "hello again");
    assert!(moved.run(&["accept", "buzz"]).failed(1).contains("no other"));

    // On a terminal the command asks.
    let book = std::fs::read_to_string(&contacts).unwrap();
    std::fs::write(&contacts, book.replace(&new, key)).unwrap();
    moved.run(&["send", "buzz", "hello"]).failed(1);
    let at = other_hub.address().to_string();
    let accept = ["accept", "buzz", "--hub", &at, "--name", "sova"];
    for (answer, done) in [("", false), ("n", false), ("y", true)] {
        let mut terminal = Terminal::chinwag(moved.home.path(), &accept);
        terminal.wait_for("Accept the new key? [y/N]");
        terminal.type_line(answer);
        terminal.wait_for(if done { "accepted the key" } else { "not accepted" });
        assert_eq!(terminal.wait_for_end().success(), done);
    }
}

#[test]
fn block_note_mute_and_forget() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let listening = sova.start(&["listen", "--json"]);
    assert!(listening.complaint().contains("receives direct messages"));
    let buzzing = buzz.start(&["listen"]);
    assert!(buzzing.complaint().contains("receives direct messages"));
    let contact = || sova.run(&["contacts", "--json"]).objects().remove(0);

    // Unknown peers are looked up at the hub.
    assert!(sova.run(&["block", "nobody"]).failed(4).contains("no peer named nobody"));
    assert!(sova.run(&["block", "sova"]).failed(1).contains("that is you"));
    sova.run(&["block", "buzz"]).done();
    assert_eq!(contact()["blocked"], true);
    assert!(sova.run(&["contacts"]).done().starts_with("buzz  blocked  "));
    let refused = buzz.run(&["send", "sova", "hello?"]).failed(1);
    assert!(refused.contains("blocked"), "{refused}");
    assert!(sova.run(&["send", "buzz", "hello?"]).failed(1).contains("blocked"));
    sova.run(&["unblock", "buzz"]).done();
    buzz.run(&["send", "sova", "hello!"]).done();
    assert_eq!(listening.object()["text"], "hello!");

    sova.run(&["note", "buzz", "owes", "me", "a", "cake"]).done();
    assert_eq!(contact()["note"], "owes me a cake");
    assert_eq!(sova.run(&["note", "buzz"]).done(), "owes me a cake\n");
    assert_eq!(sova.run(&["note", "buzz", "--json"]).objects(), [contact()]);
    sova.run(&["note", "buzz", "--remove", "it"]).failed(2);
    assert!(sova.run(&["note", "buzz", "--remove"]).done().is_empty());
    assert_eq!(contact()["note"], "");
    let none = sova.run(&["note", "buzz"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""));
    assert!(none.stderr.contains("no note on buzz"), "{}", none.stderr);
    assert!(sova.run(&["note", "nobody"]).failed(1).contains("not in your contact book"));
    let long = "x".repeat(501);
    let refused = sova.run(&["note", "buzz", &long]).failed(1);
    assert!(refused.contains(&format!("500 bytes; this one has {}", long.len())), "{refused}");

    sova.run(&["mute", "ops"]).done();
    let book = || std::fs::read_to_string(sova.home.path().join("contacts.toml")).unwrap();
    assert!(book().contains("\"ops\"") && book().contains("muted = ["), "{}", book());
    sova.run(&["unmute", "ops"]).done();
    assert!(!book().contains("muted"), "{}", book());

    sova.run(&["forget", "buzz"]).done();
    assert_eq!(sova.run(&["contacts"]).done(), "");
    assert!(sova.run(&["forget", "buzz"]).failed(1).contains("not in the contact book"));
}

#[test]
fn a_join_link_is_remembered_and_another_key_is_refused() {
    let data = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let directory = |which: usize| data[which].path().to_str().unwrap().to_owned();
    let mut hub = TestHub::with(&["--data-dir", &directory(0)]);
    let (address, link) = (hub.address().to_string(), hub.link().to_owned());
    let home = tempfile::tempdir().unwrap();
    let ask = |args: &[&str]| {
        let mut command = cli::homeless(home.path(), args);
        command.env("CHINWAG_NAME", "sova").env("CHINWAG_LISTEN", "127.0.0.1:0");
        cli::run(command, b"")
    };
    ask(&["chat", &link]).done();
    ask(&["peers", "--hub", &address]).done();

    // Another hub takes its place.
    hub.terminate();
    let other = TestHub::at(&address, &["--data-dir", &directory(1)]);
    let new = other.link().to_owned();
    for args in [&["peers", "--hub", &address][..], &["chat", &link]] {
        let refused = ask(args).failed(1);
        let keys = [&link, &new].map(|link| link.split_once('#').unwrap().1);
        for told in [keys[0], keys[1], "another key than before", "`chinwag chat LINK`"] {
            assert!(refused.contains(told), "{told} is not in {refused}");
        }
        assert!(!refused.contains(&new), "nobody has checked that key: {refused}");
    }
    // A new user has no earlier key, only the link.
    let stranger = tempfile::tempdir().unwrap();
    let mut command = cli::homeless(stranger.path(), &["chat", &link]);
    command.env("CHINWAG_NAME", "buzz").env("CHINWAG_LISTEN", "127.0.0.1:0");
    let refused = cli::run(command, b"").failed(1);
    assert!(refused.contains("does not have the key in the join link"), "{refused}");
    // No command takes the key of another link where nobody can be asked.
    let book = || std::fs::read_to_string(home.path().join("contacts.toml")).unwrap();
    let before = book();
    let commands: [&[&str]; 8] = [
        &["chat", &new],
        &["peers", "--hub", &new],
        &["--json", "peers", "--hub", &new],
        &["post", "--hub", &new, "lobby", "hello"],
        &["tail", "--hub", &new],
        &["listen", "--hub", &new],
        &["send", "--hub", &new, "buzz", "hello"],
        &["hubs", "add", "work", &new],
    ];
    for args in commands {
        let refused = ask(args).failed(1);
        for told in [known_key(&link), known_key(&new), "`chinwag hubs accept LINK`"] {
            assert!(refused.contains(told), "{args:?}: {told} is not in {refused}");
        }
        assert_eq!(book(), before, "{args:?}");
    }
    let examined = ask(&["doctor", "--hub", &new]);
    assert!(examined.stdout.contains("`chinwag hubs accept LINK`"), "{examined:?}");
    assert!(examined.code == Some(1) && book() == before, "{examined:?}");
    // On a terminal, each of them shows both and asks.
    let peers = ["peers", "--hub", &new, "--name", "sova"];
    for answer in ["", "n"] {
        let mut terminal = Terminal::chinwag(home.path(), &peers);
        terminal.wait_for("Key of the hub at");
        terminal.wait_for("Key in the join link:");
        terminal.wait_for("Accept the new key? [y/N]");
        terminal.type_line(answer);
        terminal.wait_for("`chinwag hubs accept LINK`");
        assert!(!terminal.wait_for_end().success());
        assert_eq!(book(), before);
    }
    let mut terminal = Terminal::chinwag(home.path(), &peers);
    terminal.wait_for("Accept the new key? [y/N]");
    terminal.type_line("y");
    assert!(terminal.wait_for_end().success());
    assert!(book().contains(known_key(&new)));
    ask(&["peers", "--hub", &address]).done();

    // A script accepts a link by naming it. A hub that does not have its key changes nothing.
    std::fs::write(home.path().join("contacts.toml"), &before).unwrap();
    let other = chinwag::identity::Identity::generate().unwrap().fingerprint();
    let forged = new.replace(known_key(&new), &other.to_string());
    ask(&["hubs", "accept", &forged]).failed(1);
    assert_eq!(book(), before);
    let none = ask(&["hubs", "accept", &address]).failed(2);
    assert!(none.contains("no key"), "{none}");
    ask(&["hubs", "accept", &new]).done();
    assert!(book().contains(known_key(&new)));
    ask(&["peers", "--hub", &address]).done();
    let examined = ask(&["doctor", "--hub", &forged]);
    assert!(examined.stdout.contains("do not use that link"), "{examined:?}");
    // From then on, it is the old link that is wrong, and not the hub.
    let refused = ask(&["hubs", "accept", &link]).failed(1);
    assert!(refused.contains("the join link, but the one in your contact book"), "{refused}");
    let linked = ask(&["peers", "--hub", &link]).failed(1);
    assert!(linked.contains("the join link has another key"), "{linked}");
    for refused in [refused, linked] {
        assert!(!refused.contains("another key than before"), "{refused}");
    }
}

/// Returns the key in a join link.
fn known_key(link: &str) -> &str {
    link.split_once('#').unwrap().1
}
