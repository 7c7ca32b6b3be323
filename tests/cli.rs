//! The command line as a document: what `--help` says, and how mistakes are answered.
#![cfg(test)]

#[test]
fn help_and_mistakes() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_str().unwrap();
    trycmd::TestCases::new()
        .case("tests/cmd/*.trycmd")
        // What clap wraps lines at, where there is no terminal.
        .env("COLUMNS", "100")
        // Where a key is made.
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home)
        .env("XDG_DATA_HOME", home)
        .env("USER", "sova");
}
