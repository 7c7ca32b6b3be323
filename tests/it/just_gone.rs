//! A peer who has just gone can still be addressed: the message is offered to be queued.

use crate::support::{hub::TestHub, person::Person, terminal::Terminal};

fn chat(person: &Person<'_>, more: &[&str]) -> Terminal {
    let hub = person.hub.to_string();
    let common = ["--hub", &hub, "--name", person.name, "--listen", "127.0.0.1:0", "chat"];
    Terminal::of_size((100, 30), person.home.path(), &[&common, more].concat(), &[])
}

#[track_caller]
fn queued(person: &Person<'_>) -> Vec<String> {
    let queued = person.run(&["outbox", "--json"]).objects();
    queued.iter().map(|one| one["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_full_screen_completes_the_name_and_queues_on_enter() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let listening = buzz.start(&["listen"]);
    listening.direct_address();
    let screen = chat(&sova, &[]);
    screen.wait_for("● buzz");
    listening.signal("INT");
    listening.end().done();
    screen.wait_for("on the hub: 1");
    screen.type_keys("/msg bu\t");
    screen.wait_for("lobby> /msg buzz");
    screen.type_line("hello?");
    screen.wait_for("buzz is unreachable: Enter or /queue");
    screen.type_keys("\r");
    screen.wait_for("⧗1");
    assert_eq!(queued(&sova), ["hello?"]);

    // What was typed since is not meant, and `/queue` does the same.
    screen.type_line("/msg buzz again?");
    screen.wait_until("the second offer", |screen| {
        (screen.matches("buzz is unreachable: Enter or /queue").count() == 2).then_some(())
    });
    screen.type_line("to the room");
    screen.wait_for("to the room ✓");
    screen.type_keys("\r");
    screen.type_line("/msg buzz third?");
    screen.wait_until("the third offer", |screen| {
        (screen.matches("buzz is unreachable: Enter or /queue").count() == 3).then_some(())
    });
    screen.type_line("/queue");
    screen.wait_for("⧗2");
    assert_eq!(queued(&sova).len(), 2);
}

#[test]
fn line_mode_queues_on_enter_and_scripts_do_not() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let line = chat(&sova, &["--plain"]);
    line.wait_for("lobby> ");
    line.type_line("/msg buzz hello?");
    line.wait_for("Enter or /queue keeps it until buzz is back");
    line.type_line("");
    line.wait_for("queued for buzz; you have never met buzz: ");
    assert_eq!(queued(&sova), ["hello?"]);
    line.type_line("/msg buzz again?");
    line.wait_until("the offer", |screen| {
        (screen.matches("Enter or /queue keeps").count() == 2).then_some(())
    });
    line.type_line("/status");
    line.wait_for("in lobby; talking in lobby");
    line.type_line("");
    line.type_line("/queue");
    line.wait_for("usage: /queue NAME TEXT");
    assert_eq!(queued(&sova), ["hello?"]);
    let script = sova.run_with(&["chat"], "/msg buzz from a script\n\n");
    assert_eq!(script.code, Some(1), "{script:?}");
    assert!(!script.stdout.contains("Enter or"), "nobody presses it: {script:?}");
    assert_eq!(queued(&sova), ["hello?"]);
}
