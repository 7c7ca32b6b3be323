//! Checks of a single file.

use super::source::tokens;

/// The maximum number of lines of a file that is not in [`LONG`].
const MAX_LINES: usize = 400;

/// Longer files, each with a reason.
const LONG: [(&str, &str); 1] = [("src/wire.rs", "one border, crossed nowhere else")];

/// The maximum number of lines of a binary: parse, log, run, exit code.
const MAX_BINARY_LINES: usize = 60;

/// Paths that exist on single machines only. They are split, so that this file passes its own
/// check.
const MACHINE_PATHS: [&str; 3] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tmp/", "wt")];

/// Returns the problems of a text file.
pub(crate) fn violations(path: &str, content: &str) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(
        MACHINE_PATHS
            .iter()
            .filter(|place| content.contains(**place))
            .map(|place| format!("{path} names a path of one machine, {place}")),
    );
    if path.ends_with(".rs") {
        found.extend(of_rust(path, content));
    }
    found
}

fn of_rust(path: &str, content: &str) -> Vec<String> {
    let lines = content.lines().count();
    let long = LONG.iter().any(|(listed, _)| *listed == path);
    let mut found = Vec::new();
    let mut check = |wrong: bool, problem: &str| {
        if wrong {
            found.push(format!("{path} {problem}"));
        }
    };
    check(!content.starts_with("//! "), "does not begin with //! and what it is for");
    check(!long && lines > MAX_LINES, "has more than 400 lines");
    check(long && lines <= MAX_LINES, "is not long any more: take it off tests/tidy/files.rs");
    check(path.ends_with("/mod.rs"), "is a mod.rs: name it after its module, beside its folder");
    check(path.starts_with("src/bin/") && lines > MAX_BINARY_LINES, "has more than 60 lines");
    let sleeps = tokens(content).windows(2).any(|pair| pair == ["sleep", "("]);
    check(path.starts_with("tests/") && sleeps, "sleeps: wait for what is to happen instead");
    found
}

mod tests {
    use super::*;

    fn check(path: &str, content: &str) -> String {
        violations(path, content).join("\n")
    }

    #[test]
    fn a_tidy_file_passes() {
        assert_eq!(check("src/hub.rs", "//! The hub.\n"), "");
        assert_eq!(check("README.md", "sleep(1)"), "");
    }

    #[test]
    fn a_module_says_what_it_is_for() {
        assert!(check("src/hub.rs", "use std::fmt;\n//! The hub.").contains("does not begin"));
        assert!(check("src/hub.rs", "").contains("does not begin"));
    }

    #[test]
    fn files_stay_short() {
        let lines = |n: usize| format!("//! Long.{}", "\n// and on".repeat(n - 1));
        assert_eq!(check("src/hub.rs", &lines(400)), "");
        assert!(check("src/hub.rs", &lines(401)).contains("more than 400"));
        assert_eq!(check("src/wire.rs", &lines(401)), "");
        assert!(check("src/wire.rs", &lines(400)).contains("not long any more"));
        assert_eq!(check("src/bin/chinwag.rs", &lines(60)), "");
        assert!(check("src/bin/chinwag.rs", &lines(61)).contains("more than 60"));
    }

    #[test]
    fn modules_have_names_of_their_own() {
        assert!(check("src/hub/mod.rs", "//! The hub.").contains("is a mod.rs"));
    }

    #[test]
    fn tests_wait_for_events() {
        let sleeper = "//! Tests.\nasync fn f() { tokio::time::sleep(SECOND).await }";
        assert!(check("tests/rooms.rs", sleeper).contains("sleeps"));
        assert_eq!(check("src/backoff.rs", sleeper), "");
        assert_eq!(check("tests/rooms.rs", "//! Tests never sleep().\n// sleep()"), "");
    }

    #[test]
    fn no_file_knows_the_machine_it_was_written_on() {
        for place in MACHINE_PATHS {
            assert!(check("Makefile", &format!("cd {place}")).contains("one machine"));
        }
    }
}
