//! The commands that find past messages, `history` and `search`, run as programs.

use crate::support::{hub::TestHub, person::Person};

/// Runs a search until it has found something: the most recent posts may not be indexed yet.
fn search_until_found(who: &Person, args: &[&str]) -> Vec<String> {
    loop {
        let found = who.run(&[&["search", "--newest", "--json"], args].concat()).objects();
        if !found.is_empty() {
            return found.iter().map(|hit| hit["text"].as_str().unwrap().to_owned()).collect();
        }
    }
}

#[test]
fn history_and_search_can_be_narrowed() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let mut at = Vec::new();
    for (who, room, text) in [
        (&sova, "lobby", "walnut one"),
        (&buzz, "ops", "walnut two"),
        (&sova, "ops", "walnut three"),
        (&buzz, "lobby", "walnut four"),
    ] {
        let posted = who.run(&["post", room, "--json", text]).objects();
        at.push(posted[0]["created_at"].as_str().unwrap().to_owned());
    }
    let history = |args: &[&str]| {
        let args = [&["history", "lobby", "--json"], args].concat();
        let lines = sova.run(&args).objects();
        lines.iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(history(&["--since", &at[0], "--limit", "1"]), ["walnut four"]);
    for all in [&[][..], &["--all"]] {
        assert_eq!(history(&[all, &["--until", &at[3]]].concat()), ["walnut one"]);
        assert_eq!(history(&[all, &["--since", &at[1]]].concat()), ["walnut four"]);
        assert_eq!(
            history(&[all, &["--since", "2000-01-01", "--until", "100d"]].concat()),
            [""; 0]
        );
        assert_eq!(history(&[all, &["--since", "1h"]].concat()), ["walnut one", "walnut four"]);
    }

    search_until_found(&sova, &["four"]);
    let found = |args: &[&str]| search_until_found(&sova, args).join(", ");
    assert_eq!(found(&["walnut"]), "walnut four, walnut three, walnut two, walnut one");
    assert_eq!(found(&["walnut", "--sender", "buzz"]), "walnut four, walnut two");
    assert_eq!(found(&["walnut", "from:buzz in:ops"]), "walnut two");
    assert_eq!(found(&["walnut", "--room", "ops", "in:lobby"]), "walnut four, walnut one");
    assert_eq!(
        found(&["walnut", "--since", &at[1], "--until", &at[3]]),
        "walnut three, walnut two"
    );
    assert_eq!(found(&["--room", "ops", "walnut", &format!("after:{}", at[2])]), "walnut three");
    assert_eq!(found(&[&format!("before:{}", at[1]), "walnut"]), "walnut one");
    assert_eq!(found(&["--limit", "1", "walnut"]), "walnut four");
    for (args, problem) in [
        (&["from:buzz"][..], "give at least one word"),
        (&["walnut", "from:"], "from: needs a value"),
        (&["walnut", "after:soon"], "after:\"soon\": expected a time such as"),
    ] {
        let refused = sova.run(&[&["search"], args].concat()).failed(2);
        assert!(refused.contains(problem), "{refused}");
    }
    let refused = sova.run(&["history", "--since", "soon"]).failed(2);
    assert!(refused.contains("expected a time such as"), "{refused}");
}
