//! Holds the help of both programs to its style: each command's summary is a short imperative, and no
//! text has a private word.

use super::{args, daemon};

/// The verbs that summaries begin with. A new command may need a new one.
const VERBS: [&str; 24] = [
    "Accept", "Add", "Make", "Block", "Chat", "Check", "Delete", "Deliver", "Follow", "List",
    "Mark", "Mute", "Post", "Print", "Receive", "Remove", "Rename", "Run", "Search", "Send",
    "Show", "Unblock", "Unmute", "Write",
];

/// The length of a summary, which has to fit beside its command on one line.
const MAX_CHARACTERS: usize = 80;

/// Words that tell nothing to a reader who is new to the program.
const ODD_WORDS: &str = "backbone, courier, deaf, door, faces, floor, gate, hears, keeper, keepers, \
    mends, nobody, points out, shelf, sign of life, signs of life, somebody, whoever, whom";

/// All commands that are listed, each with its full name and definition.
fn commands(prefix: &str, command: &clap::Command) -> Vec<(String, clap::Command)> {
    let name = format!("{prefix}{}", command.get_name());
    let listed = command.get_subcommands().filter(|command| !command.is_hide_set());
    let below = listed.flat_map(|below| commands(&format!("{name} "), below));
    let below: Vec<_> = below.collect();
    std::iter::once((name, command.clone())).chain(below).collect()
}

fn all() -> Vec<(String, clap::Command)> {
    [commands("", &args::program()), commands("", &daemon::command())].concat()
}

#[test]
fn every_summary_is_a_short_imperative() {
    let all = all();
    assert!(all.len() > 30, "{} commands", all.len());
    for (name, command) in all {
        let summary = command.get_about().map(ToString::to_string).unwrap_or_default();
        let verb = summary.split(' ').next().unwrap_or_default().trim_end_matches([',', ':']);
        assert!(VERBS.contains(&verb), "{name}: {summary:?} does not begin with a known verb");
        assert!(summary.chars().count() <= MAX_CHARACTERS, "{name}: {summary:?} is too long");
        assert!(!summary.ends_with('.'), "{name}: {summary:?} ends with a full stop");
    }
}

#[test]
fn no_help_has_odd_words() {
    for (name, mut command) in all() {
        let help = command.render_long_help().to_string().to_lowercase();
        let words: Vec<&str> = help.split(|c: char| !c.is_alphanumeric()).collect();
        let text = format!(" {} ", words.join(" "));
        for odd in ODD_WORDS.split(", ") {
            assert!(!text.contains(&format!(" {odd} ")), "{name}: the help has {odd:?}");
        }
    }
}

/// `tests/cmd` has the help of every command, so a change of a text shows in a review.
#[test]
fn every_help_is_compared_with_a_file() {
    let missing = commands("", &args::program()).into_iter().filter(|(name, _)| {
        let topic = name.split(' ').nth(1).map_or_else(String::new, |word| format!("-{word}"));
        let path = format!("{}/tests/cmd/help{topic}.trycmd", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        !text.contains(&format!("$ {name} --help\n"))
    });
    let missing: Vec<String> = missing.map(|(name, _)| name).collect();
    assert!(missing.is_empty(), "tests/cmd/help-COMMAND.trycmd lacks the help of {missing:?}");
}
