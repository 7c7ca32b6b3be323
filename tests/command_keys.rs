//! Keys at the command line: compared, accepted, and pinned by a join link.
#![cfg(test)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/hub.rs"]
mod hub;
#[path = "support/person.rs"]
mod person;
#[path = "support/within.rs"]
mod within;

use hub::TestHub;
use person::Person;

#[test]
fn a_person_compares_keys_and_is_asked_about_new_ones() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    assert_eq!(sova.run(&["contacts"]).done(), "");
    let listening = buzz.start(&["listen", "--json"]);
    assert!(listening.complaint().contains("takes direct messages"));
    let id = &buzz.run(&["id", "--json"]).objects()[0];
    let key = id["fingerprint"].as_str().unwrap();
    let shown = buzz.run(&["id"]).done();
    assert!(shown.starts_with("buzz, ") && shown.contains('█'), "{shown}");

    // Whom one has not met is looked up. Without a terminal nobody can be asked.
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

    // Buzz has lost his key and is somebody else now, on a hub that has forgotten him.
    let other_hub = TestHub::start();
    let contacts = sova.home.path().join("contacts.toml");
    let book = std::fs::read_to_string(&contacts).unwrap();
    let [old, new] = [&hub, &other_hub].map(|hub| hub.link().split_once('#').unwrap());
    let at = |link: &str| link.strip_prefix("chinwag://").unwrap().to_owned();
    let moved = book.replace(&at(old.0), &at(new.0)).replace(old.1, new.1);
    std::fs::write(&contacts, moved).unwrap();
    let moved = Person { hub: &other_hub, name: "sova", home: sova.home };
    let buzz = Person::new(&other_hub, "buzz");
    let listening = buzz.start(&["listen", "--json"]);
    assert!(listening.complaint().contains("takes direct messages"));
    let refused = moved.run(&["send", "buzz", "hello"]).failed(1);
    assert!(refused.contains(key) && refused.contains("chinwag accept buzz"), "{refused}");
    let back = buzz.run(&["send", "sova", "it is me"]).failed(4);
    assert!(back.contains("no peer named sova"), "{back}");
    moved.run(&["accept", "buzz"]).done();
    assert!(moved.run(&["contacts"]).done().starts_with("buzz  known  "));
    moved.run(&["send", "buzz", "hello again"]).done();
    assert_eq!(listening.object()["text"], "hello again");
    assert!(moved.run(&["accept", "buzz"]).failed(1).contains("no other was seen"));
}

#[test]
fn a_join_link_is_remembered_and_another_key_in_its_place_refused() {
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

    // Another hub is in its place.
    hub.terminate();
    let other = TestHub::at(&address, &["--data-dir", &directory(1)]);
    let new = other.link().to_owned();
    for args in [&["peers", "--hub", &address][..], &["chat", &link]] {
        let refused = ask(args).failed(1);
        for told in [link.split_once('#').unwrap().1, new.as_str(), "chinwag chat"] {
            assert!(refused.contains(told), "{told} is not in {refused}");
        }
    }
    // Its keeper has said so.
    ask(&["chat", &new]).done();
    ask(&["peers", "--hub", &address]).done();
}
