//! Checks that references in the documents exist, and that short documents stay short.

use std::collections::BTreeSet;

/// The maximum sizes of the main documents in bytes.
const SIZES: [(&str, usize); 2] = [("README.md", 6_000), ("ARCHITECTURE.md", 12_000)];

/// The possible bases of a path in backticks.
const ROOTS: [&str; 3] = ["", "src/", "benches/"];

/// The possible endings of a path in backticks.
const ENDINGS: [&str; 7] = [".md", ".proto", ".py", ".rs", ".service", ".sh", ".toml"];

/// Returns the problems of a document, given all paths of the project and the text of each.
pub(crate) fn violations(path: &str, content: &str, tree: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (_, most) in SIZES.iter().filter(|(document, _)| *document == path) {
        if content.len() > *most {
            found.push(format!("{path} has {} bytes, more than {most}", content.len()));
        }
    }
    let is_there = |wanted: &str| {
        let folder = format!("{}/", wanted.trim_end_matches('/'));
        tree.iter().any(|(path, _)| path == wanted || path.starts_with(&folder))
    };
    let missing =
        paths(content).filter(|path| !ROOTS.iter().any(|r| is_there(&format!("{r}{path}"))));
    found.extend(missing.map(|missing| format!("{path} names `{missing}`, which does not exist")));
    for link in links(content) {
        let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = if target.is_empty() { path.to_owned() } else { resolve(path, target) };
        let text = tree.iter().find(|(path, _)| *path == target).map(|(_, text)| text);
        if !is_there(&target) {
            found.push(format!("{path} links to {link}, which does not exist"));
        } else if !anchor.is_empty() && !text.is_some_and(|text| anchors(text).contains(anchor)) {
            found.push(format!("{path} links to {link}, but there is no such heading"));
        }
    }
    found
}

/// Returns the texts in backticks that look like paths in the source.
fn paths(content: &str) -> impl Iterator<Item = &str> {
    let prose = content.split("```").step_by(2);
    let quoted = prose.flat_map(|text| text.split('`').skip(1).step_by(2));
    quoted.filter(|text| {
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
        let is_path = text.contains('/') && ENDINGS.iter().any(|ending| text.ends_with(ending));
        // Absolute paths are not part of the project.
        plain
            && !text.starts_with('/')
            && (is_path || text.starts_with("src/") || text.starts_with("tests/"))
    })
}

/// Returns the targets of links to files and headings.
fn links(content: &str) -> impl Iterator<Item = &str> {
    let prose = content.split("```").step_by(2);
    let targets = prose.flat_map(|text| text.split("](").skip(1));
    targets.filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains("://"))
}

/// Returns the path of a link's target, from the top.
fn resolve(document: &str, target: &str) -> String {
    let mut path: Vec<_> = document.split('/').collect();
    path.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(path.pop()),
            part => path.push(part),
        }
    }
    path.join("/")
}

/// Returns the tests that a document names, as `file::test`, and that do not exist in `tests/it`.
pub(crate) fn missing_tests(content: &str, tree: &[(String, String)]) -> Vec<String> {
    let rows = content.lines().filter(|line| line.starts_with('|'));
    let quoted = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    let tests = quoted.filter_map(|quoted| Some((quoted, quoted.split_once("::")?)));
    let exists = |file: &str, test: &str| {
        let path = format!("tests/it/{file}.rs");
        let of_file = tree.iter().find(|(found, _)| *found == path);
        of_file.is_some_and(|(_, source)| source.contains(&format!("fn {test}()")))
    };
    tests
        .filter(|(_, (file, test))| !exists(file, test))
        .map(|(quoted, _)| format!("there is no test {quoted}"))
        .collect()
}

/// Returns the anchors of a document's headings, as GitHub generates them.
fn anchors(content: &str) -> BTreeSet<String> {
    let headings = content.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            words.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
        })
        .collect()
}

mod tests {
    use super::*;

    fn check(path: &str, content: &str) -> String {
        let tree =
            [("src/hub.rs", ""), ("docs/hub.md", "# The hub\n## Start\n"), ("README.md", "")];
        let tree = tree.map(|(path, content)| (path.to_owned(), content.to_owned()));
        violations(path, content, &tree).join("\n")
    }

    #[test]
    fn named_tests_exist() {
        let tree = [("tests/it/names.rs".to_owned(), "fn a_name_is_kept() {".to_owned())];
        let check = |content: &str| missing_tests(content, &tree).join("\n");
        assert_eq!(check("| claim | `names::a_name_is_kept` |\n`other::text`"), "");
        for missing in ["names::a_name", "name::a_name_is_kept"] {
            assert!(check(&format!("| claim | `{missing}` |")).contains(missing));
        }
    }

    #[test]
    fn what_is_named_exists() {
        assert_eq!(check("README.md", "`src/hub.rs` [hub](docs/hub.md#the-hub) `a/b` `cargo`"), "");
        assert_eq!(check("docs/hub.md", "[top](../README.md) [start](#start)"), "");
        assert!(check("README.md", "`src/hug.rs`").contains("does not exist"));
        assert!(check("README.md", "`hub/chat.rs`").contains("does not exist"));
        assert!(check("README.md", "[hub](docs/hug.md)").contains("does not exist"));
        assert!(check("README.md", "[hub](docs/hub.md#end)").contains("no such heading"));
    }

    #[test]
    fn short_documents_stay_short() {
        assert_eq!(check("README.md", &"x".repeat(6_000)), "");
        assert!(check("README.md", &"x".repeat(6_001)).contains("more than 6000"));
    }
}
