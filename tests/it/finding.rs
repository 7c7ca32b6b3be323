//! The commands that find past messages, `history` and `search`, run as programs.

use crate::support::{cli, fake_hub::FakeHub, hub::TestHub, person::Person, terminal::Terminal};

/// Returns the texts that a search finds, once it finds some.
#[track_caller]
fn search_until_found(who: &Person, args: &[&str]) -> Vec<String> {
    let found = who.search_until_found(&[&["--newest"], args].concat());
    found.iter().map(|hit| hit["text"].as_str().unwrap().to_owned()).collect()
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
        let args = [&["history", "#lobby", "--json"], args].concat();
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
    assert_eq!(found(&["walnut", "--sender", "@buzz"]), "walnut four, walnut two");
    assert_eq!(found(&["walnut", "from:buzz in:ops"]), "walnut two");
    assert_eq!(found(&["from:buzz"]), "walnut four, walnut two");
    assert_eq!(found(&["in:ops", "from:@sova"]), "walnut three");
    assert_eq!(found(&["walnut", "--room", "ops", "in:lobby"]), "walnut four, walnut one");
    assert_eq!(
        found(&["walnut", "--since", &at[1], "--until", &at[3]]),
        "walnut three, walnut two"
    );
    assert_eq!(found(&["--room", "#ops", "walnut", &format!("after:{}", at[2])]), "walnut three");
    assert_eq!(found(&[&format!("before:{}", at[1]), "walnut"]), "walnut one");
    assert_eq!(found(&["--limit", "1", "walnut"]), "walnut four");
    for (args, problem) in [
        (&["after:1h"][..], "give at least one word"),
        (&["walnut", "from:"], "from: needs a value"),
        (&["walnut", "after:soon"], "after:\"soon\": expected a time such as"),
    ] {
        let refused = sova.run(&[&["search"], args].concat()).failed(2);
        assert!(refused.contains(problem), "{refused}");
    }
    let refused = sova.run(&["history", "--since", "soon"]).failed(2);
    assert!(refused.contains("expected a time such as"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_too_broad_says_how_to_narrow_it() {
    let (at, _hub) = FakeHub::start().await.serve_quietly();
    let search = move |more: &[&str]| {
        let home = tempfile::tempdir().unwrap();
        let mut command = cli::homeless(home.path(), &["search", "the com*", "--plaintext"]);
        command.args(["--name", "sova", "--hub", &at.to_string()]).args(more);
        cli::run(command, b"").failed(1)
    };
    let run = move || (search(&[]), search(&["--json", "--quiet"]));
    let (said, object) = tokio::task::spawn_blocking(run).await.unwrap();
    let expected = "chinwag: the search takes too long: use rarer or longer words, or narrow it by \
                    room, sender or time; write in:ROOM, from:NAME or after:TIME beside the words\n";
    assert!(said.ends_with(expected) && said.lines().count() <= 2, "{said}");
    let object: serde_json::Value = serde_json::from_str(object.trim()).unwrap();
    assert_eq!((&object["reason"], &object["exit_code"]), (&"SEARCH_TOO_BROAD".into(), &1.into()));
}

/// Waits for a key before it reads what the command prints: the pipe between them is full until then.
const LATE_READER: &str = "stty -echo; \"$@\" | { read go </dev/tty; grep -c walnut; }";

#[test]
fn long_work_has_a_progress_bar_on_a_terminal() {
    const SIZE: (u16, u16) = (80, 24);
    let hub = TestHub::with(&["--ephemeral", "--post-rate", "10000/s"]);
    let sova = Person::new(&hub, "sova");
    let said: String = (0..1500).map(|at| format!("walnut {at} {}\n", "x".repeat(200))).collect();
    sova.run_with(&["post", "lobby"], &said).done();
    let link = hub.address().to_string();
    let history = ["history", "--all", "--name", "sova", "--hub", &link];
    let mut terminal = Terminal::shell(SIZE, sova.home.path(), LATE_READER, &history);
    terminal.wait_for("0 of 1500 messages");
    terminal.type_line("go");
    // The bar is removed before the count is printed.
    terminal.wait_until("the count", only_the_count);
    assert!(terminal.wait_for_end().success());

    let quiet = [&history[..], &["--quiet"]].concat();
    let mut terminal = Terminal::shell(SIZE, sova.home.path(), LATE_READER, &quiet);
    terminal.type_line("go");
    terminal.wait_until("the count", |screen| {
        assert!(!screen.contains("messages"), "{screen}");
        only_the_count(screen)
    });
    assert!(terminal.wait_for_end().success());
}

fn only_the_count(screen: &str) -> Option<()> {
    (screen.trim_end().ends_with("1500") && !screen.contains("messages")).then_some(())
}
