//! The command line as a document: what `--help` says, and how mistakes are answered.
#![cfg(test)]

#[test]
fn help_and_mistakes() {
    trycmd::TestCases::new()
        .case("tests/cmd/*.trycmd")
        // What clap wraps lines at, where there is no terminal.
        .env("COLUMNS", "100")
        .env("USER", "sova");
}
