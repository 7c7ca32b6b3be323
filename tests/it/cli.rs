//! The command line against its documents: `--help`, usage errors, and the console blocks of the
//! documents.

use crate::support::hub;

#[test]
fn help_and_mistakes() {
    check("tests/cmd/*.trycmd", "");
}

/// Runs the console blocks of the documents with a default hub.
#[test]
fn console_blocks_of_the_documents() {
    let hub = hub::TestHub::start();
    check("docs/scripting.md", &hub.address().to_string());
}

fn check(documents: &str, hub: &str) {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_str().unwrap();
    let cases = trycmd::TestCases::new();
    if !hub.is_empty() {
        cases.env("CHINWAG_HUB", hub);
    }
    cases
        .case(documents)
        // The width at which clap wraps lines without a terminal.
        .env("COLUMNS", "100")
        // The directory in which the key is created.
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home)
        .env("XDG_DATA_HOME", home)
        .env("USER", "sova");
}
