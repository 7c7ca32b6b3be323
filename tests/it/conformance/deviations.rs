//! The list of known deviations in `docs/conformance.md`.

use std::collections::BTreeMap;

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conformance.md"));

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Fails,
    LeftOut,
}

/// The deviations of one suite.
#[derive(Debug)]
pub(crate) struct Deviations(BTreeMap<String, Outcome>);

impl Deviations {
    /// Reads the table below the heading that ends with the name of the suite.
    pub(crate) fn of(suite: &str) -> Self {
        Self::read(DOCUMENT, suite)
    }

    fn read(document: &str, suite: &str) -> Self {
        let section = document
            .split("\n## ")
            .find(|section| section.lines().next().is_some_and(|title| title.ends_with(suite)));
        let rows = section.expect(suite).lines().filter(|line| line.starts_with("| `"));
        Self(rows.map(deviation).collect())
    }

    /// Returns true if a test is not to be run.
    pub(crate) fn leave_out(&self, test: &str) -> bool {
        self.0.get(test) == Some(&Outcome::LeftOut)
    }

    /// Asserts that the suite has all listed tests.
    pub(crate) fn assert_known(&self, tests: &[String]) {
        let gone: Vec<_> = self.0.keys().filter(|listed| !tests.contains(listed)).collect();
        assert!(gone.is_empty(), "the suite has no {gone:?}: remove them from the list");
    }

    /// Asserts that the listed tests have failed, and no others.
    pub(crate) fn assert(&self, failed: &[String], output: &str) {
        let complaints = self.complaints(failed);
        assert!(complaints.is_empty(), "{}\n\n{output}", complaints.join("\n"));
    }

    fn complaints(&self, failed: &[String]) -> Vec<String> {
        let unlisted = failed.iter().filter(|test| !self.0.contains_key(*test));
        let fails = self.0.iter().filter(|(_, outcome)| **outcome == Outcome::Fails);
        let passed = fails.filter(|(test, _)| !failed.contains(test));
        let unlisted = unlisted.map(|test| format!("{test} fails, and is not listed"));
        unlisted.chain(passed.map(|(test, _)| format!("{test} is listed, and passes"))).collect()
    }
}

fn deviation(row: &str) -> (String, Outcome) {
    let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
    let [test, outcome, reason] = cells[..] else { panic!("{row}") };
    assert!(!reason.is_empty(), "{row} has no reason");
    let outcome = match outcome {
        "fails" => Outcome::Fails,
        "left out" => Outcome::LeftOut,
        _ => panic!("{row}"),
    };
    (test.trim_matches('`').to_owned(), outcome)
}

#[test]
fn the_list_is_compared_both_ways() {
    let rows =
        "## Of a\n| `x` | fails | so |\n\n## Of b\n| `y` | fails | so |\n| `z` | left out | so |";
    let listed = Deviations::read(&format!("# Title\n\n{rows}\n"), "b");
    let complaints = |failed: &[&str]| {
        listed.complaints(&failed.iter().map(|test| test.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(complaints(&["y"]), Vec::<String>::new());
    assert_eq!(complaints(&["y", "x"]), ["x fails, and is not listed"]);
    assert_eq!(complaints(&[]), ["y is listed, and passes"]);
    assert!(listed.leave_out("z") && !listed.leave_out("y"));
}
