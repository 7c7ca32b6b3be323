//! The same talk on a dark and on a light background, in narrow, usual and wide terminals.

use super::{Colleague, Person, compare};
use crate::support::{
    hub::TestHub,
    terminal::{DARK, LIGHT, Terminal},
};

/// The sizes of the terminal.
const SIZES: [(u16, u16); 3] = [(60, 44), (100, 40), (160, 36)];

/// What is said before, and by whom.
const TALK: [(&str, &str); 12] = [
    ("carl", "the nightly build is red again"),
    ("carl", "it is the *wide* test, on every machine"),
    (
        "dora",
        "this one, `cells` counts characters:\n```rust\nfn cells(text: &str) -> usize {\n    text.chars().count()\n}\n```",
    ),
    ("dora", "日本語 has three of them and takes six 🎉"),
    (
        "carl",
        "so we need:\n- the width of each cluster, as the terminal has it, and not of each character\n- a test with emoji",
    ),
    ("bob", "the log: https://ci.example.org/builds/4711/artifacts/wide.log"),
    ("bob", "ann: can you look at it today?"),
    (
        "dora",
        "a_very_long_word_that_has_no_blank_and_so_breaks_inside_because_it_fits_into_no_row_of_a_narrow_terminal_nor_of_a_usual_one",
    ),
    ("carl", LONG),
    ("carl", "that was all of it"),
    ("ルイ", "ありがとう、みんな。あとで見ます"),
    ("bob", "and _thank you_ all"),
];

const LONG: &str = "the whole output:\n 1\n 2\n 3\n 4\n 5\n 6\n 7\n 8\n 9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20\n21\n22\n23\n24";

fn in_all_sizes(screen: &Terminal, background: &str, scene: &str) {
    for size in SIZES {
        screen.resize(size);
        compare(screen, &format!("gallery/{background}-{}-{scene}", size.0));
    }
}

fn gallery(name: &str, background: &'static str) {
    let hub = TestHub::start();
    let senders = ["bob", "carl", "dora", "ルイ"].map(|name| (name, Colleague::new(&hub, name)));
    for (who, text) in TALK {
        let sender = senders.iter().find(|(name, _)| *name == who).unwrap();
        sender.1.run(&["post", "lobby", text]).done();
    }
    let ann = Person::new();
    ann.terminal.set_background(Some(background));
    let ann = ann.joins(&hub, "ann");
    let screen = &ann.terminal;
    screen.wait_for("nobody else is here");
    screen.type_line("on it");
    screen.wait_for("on it \u{2713}");
    in_all_sizes(screen, name, "talk");

    senders[0].1.search_until_found(&["wide"]);
    screen.type_line("/search wide");
    screen.wait_for("found");
    in_all_sizes(screen, name, "search");
    screen.press(&["Esc"]);
    screen.wait_without("found");

    screen.press(&["M-g"]);
    screen.type_keys("o");
    screen.wait_for("go to: o");
    in_all_sizes(screen, name, "switcher");
    screen.press(&["Esc"]);
    screen.wait_without("go to:");

    screen.type_line("/join quiet");
    screen.wait_for("quiet>");
    in_all_sizes(screen, name, "empty");
    screen.press(&["C-q"]);
    ann.is_back_in_the_shell();
}

#[test]
fn every_scene_on_a_dark_background() {
    gallery("dark", DARK);
}

#[test]
fn every_scene_on_a_light_background() {
    gallery("light", LIGHT);
}
