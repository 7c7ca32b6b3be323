//! Checks of the source itself: module dependencies, size and form of files, names, protos and
//! documents.
#![cfg(test)]

use std::{fs, path::Path};

use chinwag::proto::{HUB_DESCRIPTORS, PEER_DESCRIPTORS};

/// The folder beside this file.
mod tidy {
    pub(crate) mod arrows;
    pub(crate) mod circles;
    pub(crate) mod documents;
    pub(crate) mod files;
    pub(crate) mod limits;
    pub(crate) mod msrv;
    pub(crate) mod names;
    pub(crate) mod protos;
    pub(crate) mod source;
}

use tidy::{arrows, circles, documents, files, limits, msrv, names, protos};

#[test]
fn arrows_point_downwards() {
    let modules = tree().into_iter().filter_map(|(path, content)| {
        let module = path.strip_prefix("src/")?.strip_suffix(".rs")?.to_owned();
        (module != "lib" && !module.starts_with("bin/")).then_some((module, content))
    });
    assert_none(modules.flat_map(|(module, content)| {
        let module: Vec<_> = module.split('/').collect();
        arrows::violations(&module, &content)
    }));
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let module = |path: &str| -> Option<Vec<String>> {
        let path = path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let module = path.split('/').map(str::to_owned);
        let module: Vec<_> = module.filter(|segment| segment != "lib").collect();
        (!path.starts_with("bin/") && !module.iter().any(|s| s == "tests")).then_some(module)
    };
    let files: Vec<_> =
        tree().into_iter().filter_map(|(path, content)| Some((module(&path)?, content))).collect();
    assert_known(&circles::KNOWN, &circles::circles(&files));
}

#[test]
fn no_folder_has_two_types_of_one_name() {
    let files: Vec<_> =
        tree().into_iter().filter(|(p, _)| p.starts_with("src/") && p.ends_with(".rs")).collect();
    assert_known(&names::KNOWN, &names::repeated(&files));
}

#[test]
fn files_follow_the_rules_of_the_code_base() {
    let tree = tree();
    assert!(tree.iter().any(|(path, _)| path == "tests/tidy.rs"), "the tree was not found");
    assert_none(tree.iter().flat_map(|(path, content)| files::violations(path, content)));
}

#[test]
fn protos_keep_their_style() {
    let files = protos::files(&[HUB_DESCRIPTORS, PEER_DESCRIPTORS]);
    assert_eq!(files.len(), 4, "{:?}", files.iter().map(|file| file.name()).collect::<Vec<_>>());
    assert_none(protos::violations(&files));
}

#[test]
fn documents_refer_to_what_exists() {
    let tree = tree();
    let documents = tree.iter().filter(|(path, _)| path.ends_with(".md"));
    let documents = documents.filter(|(path, _)| !path.starts_with("benches/results/"));
    assert_none(documents.flat_map(|(path, text)| documents::violations(path, text, &tree)));
    let security = tree.iter().find(|(path, _)| path == "docs/keys-and-security.md").unwrap();
    assert_none(documents::missing_tests(&security.1, &tree));
}

#[test]
fn documented_limits_are_those_of_the_source() {
    let read = |path| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let tree = tree();
    assert_none(limits::violations(&read("docs/limits.md"), &tree));
    assert_none(limits::unit_violations(&read("deploy/chinwagd.service"), &tree));
}

#[test]
fn locked_crates_build_with_the_promised_compiler() {
    assert_none(msrv::violations());
}

fn assert_none(violations: impl IntoIterator<Item = String>) {
    let violations: Vec<_> = violations.into_iter().collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

/// Panics on a problem in an unlisted place, and on a listed place without a problem.
fn assert_known(known: &[&str], found: &[(String, String)]) {
    let covers = |known: &str, place: &str| {
        place.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let new = found.iter().filter(|(place, _)| !known.iter().any(|known| covers(known, place)));
    let new = new.map(|(place, problem)| format!("{place}: {problem}"));
    let solved = known.iter().filter(|known| !found.iter().any(|(place, _)| covers(known, place)));
    let solved = solved.map(|place| format!("{place}: is in order now, remove it from KNOWN"));
    assert_none(new.chain(solved));
}

/// Returns every text file of the project with its path from the top, without build output and
/// git's files.
fn tree() -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            if name == "target" || name == ".git" {
                continue;
            } else if path.is_dir() {
                folders.push(path);
            } else if let Ok(content) = fs::read_to_string(&path) {
                found.push((name, content));
            }
        }
    }
    found
}
