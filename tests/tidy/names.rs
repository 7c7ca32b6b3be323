//! Finds types of the same name in one folder of src, which are easily confused.
//!
//! A folder consists of the files directly in it and the file of its own module: `src/hub.rs` and
//! `src/hub/*.rs`. Associated types, types within a function and those of unit tests do not count.

use std::collections::{BTreeMap, BTreeSet};

use super::source;

/// The keywords that declare a type.
const KEYWORDS: [&str; 5] = ["struct", "enum", "trait", "type", "union"];

/// Names that many files of a folder may have, each with a reason.
const SHARED: [(&str, &str); 2] = [
    ("Args", "the arguments of each subcommand, as clap's examples call them"),
    ("Result", "an alias of the standard one with the errors of the file"),
];

/// Folders and names that are still repeated. Remove a pair when it is fixed.
pub(crate) const KNOWN: [&str; 0] = [];

/// Returns the repeated names: the folder with the name, and the files.
///
/// `files` contains paths from the top and texts.
pub(crate) fn repeated(files: &[(String, String)]) -> Vec<(String, String)> {
    let mut found: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (path, text) in files {
        // A file may have several, each for another system.
        for name in BTreeSet::from_iter(declared(source::without_tests(text))) {
            for folder in folders(path) {
                found.entry((folder, name)).or_default().push(path);
            }
        }
    }
    let shared = |name: &str| SHARED.iter().any(|(shared, _)| *shared == name);
    found
        .into_iter()
        .filter(|((_, name), paths)| paths.len() > 1 && !shared(name))
        .map(|((folder, name), paths)| (format!("{folder} {name}"), paths.join(" ")))
        .collect()
}

/// Returns the folders that a file counts for: its own, and that of its module.
fn folders(path: &str) -> [&str; 2] {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    [folder, path.strip_suffix(".rs").unwrap_or(path)]
}

/// Returns the types that a file declares outside of all braces.
fn declared(text: &str) -> Vec<&str> {
    let tokens = source::tokens(text);
    let mut depth = 0_usize;
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            keyword if depth == 0 && KEYWORDS.contains(&keyword) => {
                found.extend(tokens.get(at + 1))
            }
            _ => {}
        }
    }
    found
}

mod tests {
    use super::*;

    fn check(files: &[(&str, &str)]) -> Vec<String> {
        let own = |(path, text): &(&str, &str)| (path.to_string(), text.to_string());
        let found = repeated(&files.iter().map(own).collect::<Vec<_>>());
        found.into_iter().map(|(name, files)| format!("{name}: {files}")).collect()
    }

    #[test]
    fn one_name_in_two_files_of_a_folder_is_found() {
        let files =
            [("src/a/x.rs", "pub(crate) struct Entry(u8);"), ("src/a/y.rs", "enum Entry {}")];
        assert_eq!(check(&files), ["src/a Entry: src/a/x.rs src/a/y.rs"]);
        let files = [("src/a.rs", "trait Entry {}"), ("src/a/y.rs", "type Entry = u8;")];
        assert_eq!(check(&files), ["src/a Entry: src/a.rs src/a/y.rs"]);
    }

    #[test]
    fn other_folders_and_other_things_do_not_count() {
        let one = (
            "src/a/x.rs",
            "struct Entry; fn f() { struct Inner; } impl T for U { type Item = u8; }",
        );
        for other in [
            ("src/b/x.rs", "struct Entry;"),
            ("src/a/b/x.rs", "struct Entry;"),
            ("src/a/y.rs", "use super::x::Entry; fn f() { struct Inner; }"),
            ("src/a/y.rs", "impl V for W { type Item = u8; }"),
            ("src/a/y.rs", "struct Other;\n#[cfg(test)]\nmod tests { struct Entry; }"),
        ] {
            assert!(check(&[one, other]).is_empty(), "{other:?}");
        }
        let args = [("src/a/x.rs", "struct Args;"), ("src/a/y.rs", "struct Args;")];
        assert!(check(&args).is_empty());
    }
}
