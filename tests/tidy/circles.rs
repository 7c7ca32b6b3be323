//! Finds circular dependencies of files in src.
//!
//! A file depends on another if it names one of its items, by `use` or by a path in its code. A
//! path through a re-export counts for the file with the item, so a module that only declares and
//! re-exports its children depends on none of them. A child's dependency on its parent's file does
//! not count, except below [`FACADES`]. Unit tests do not count.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{self, Path};

/// Modules whose own file uses the folder's files, and so must not have items that they use.
const FACADES: [&str; 1] = ["hub"];

/// Folders that still have circles, in themselves or below. Remove a folder when its last circle is
/// gone.
pub(crate) const KNOWN: [&str; 0] = [];

/// The maximum number of re-exports in a path.
const MAX_STEPS: usize = 16;

/// A module's path from the top: `src/hub/auth.rs` is `["hub", "auth"]`.
type Module = Vec<String>;

/// Returns the circles: the folder of each, and its files.
pub(crate) fn circles(files: &[(Module, String)]) -> Vec<(String, String)> {
    let crate_ = Crate::new(files);
    let uses: BTreeMap<&Module, BTreeSet<Module>> =
        crate_.files.keys().map(|&module| (module, crate_.uses(module))).collect();
    let reach: BTreeMap<&Module, BTreeSet<&Module>> =
        uses.keys().map(|&module| (module, reachable(module, &uses))).collect();
    let mut circles = BTreeSet::new();
    for (module, reached) in &reach {
        let circle = reached.iter().filter(|other| reach[*other].contains(*module));
        circles.insert(circle.map(|module| module.join("/")).collect::<Vec<_>>());
    }
    circles.remove(&Vec::new());
    circles.iter().map(|circle| (folder(circle), circle.join(" "))).collect()
}

/// Returns the common folder of these files.
fn folder(files: &[String]) -> String {
    let (first, last) = (&files[0], &files[files.len() - 1]);
    // The files are sorted, so the first and the last differ earliest.
    let common = first.split('/').zip(last.split('/')).take_while(|(a, b)| a == b);
    common.map(|(name, _)| name).collect::<Vec<_>>().join("/")
}

/// Returns all direct and indirect dependencies of a module.
fn reachable<'a>(
    from: &Module,
    uses: &'a BTreeMap<&Module, BTreeSet<Module>>,
) -> BTreeSet<&'a Module> {
    let mut found = BTreeSet::new();
    let mut open: Vec<_> = uses[from].iter().collect();
    while let Some(module) = open.pop() {
        if found.insert(module) {
            open.extend(&uses[module]);
        }
    }
    found
}

/// The files of a crate.
struct Crate<'a> {
    files: BTreeMap<&'a Module, File>,
}

/// The content of a file.
struct File {
    /// All imports by name, re-exported or not.
    imports: BTreeMap<String, Vec<String>>,
    /// The paths in its own code.
    paths: Vec<Vec<String>>,
}

impl<'a> Crate<'a> {
    fn new(files: &'a [(Module, String)]) -> Self {
        let files = files.iter().map(|(module, text)| (module, File::read(module, text)));
        Self { files: files.collect() }
    }

    /// Returns the files whose items a module uses.
    fn uses(&self, module: &Module) -> BTreeSet<Module> {
        let owners = self.files[module].paths.iter().filter_map(|path| self.owner(path));
        let counts = |owner: &Module| {
            !module.starts_with(owner)
                || owner != module && FACADES.contains(&owner.join("/").as_str())
        };
        owners.filter(counts).collect()
    }

    /// Returns the file with the item at the end of a path.
    fn owner(&self, path: &[String]) -> Option<Module> {
        let mut path = path.to_vec();
        for _ in 0..MAX_STEPS {
            let length =
                (0..=path.len()).rev().find(|&n| self.files.contains_key(&path[..n].to_vec()))?;
            let (module, rest) = path.split_at(length);
            let file = &self.files[&module.to_vec()];
            match rest.first().and_then(|name| file.imports.get(name)) {
                Some(import) => path = [import, &rest[1..]].concat(),
                None => return Some(module.to_vec()),
            }
        }
        None
    }
}

impl File {
    fn read(module: &Module, text: &str) -> Self {
        let text = source::without_tests(text);
        let here: Vec<&str> = module.iter().map(String::as_str).collect();
        let tokens = source::tokens(text);
        let own = |path: Path| match path {
            Path::Own(path) => path,
            // The name of a child, or a name from another crate.
            Path::Other(path) => [module.clone(), path].concat(),
        };
        let mut file = Self { imports: BTreeMap::new(), paths: Vec::new() };
        for named in source::named(&here, text) {
            let path = own(named.path);
            let Some(name) = named.import else {
                file.paths.push(path);
                continue;
            };
            // One of them is the import itself.
            let used = tokens.iter().filter(|token| **token == name).count() > 1;
            if !named.public || used {
                file.paths.push(path.clone());
            }
            file.imports.insert(name, path);
        }
        file
    }
}

mod tests {
    use super::*;

    /// Checks files, given by their path without `src` and `.rs`, and their text.
    fn check(files: &[(&str, &str)]) -> Vec<String> {
        let module = |path: &str| path.split('/').map(str::to_owned).collect();
        let files: Vec<_> =
            files.iter().map(|(path, text)| (module(path), text.to_string())).collect();
        circles(&files).into_iter().map(|(_, circle)| circle).collect()
    }

    #[test]
    fn files_that_use_each_other_are_a_circle() {
        let files = [
            ("a", "mod x; mod y; mod z;"),
            ("a/x", "use super::y::Y; pub struct X;"),
            ("a/y", "fn f() { crate::a::z::g() } pub struct Y;"),
            ("a/z", "use crate::a::x::{self, X}; pub fn g() {}"),
            ("a/w", "use super::x::X;"),
        ];
        assert_eq!(check(&files), ["a/x a/y a/z"]);
    }

    #[test]
    fn a_re_export_is_no_use() {
        let child = ("a/x", "use super::Y; pub struct X;");
        let sibling = ("a/y", "pub struct Y;");
        let parent = ("a", "mod x; mod y; pub use x::X; pub(crate) use y::Y;");
        assert!(check(&[parent, child, sibling]).is_empty());
        let circle = ("a/y", "use crate::a::X; pub struct Y;");
        assert_eq!(check(&[parent, child, circle]), ["a/x a/y"]);
    }

    #[test]
    fn a_facade_that_uses_its_children_has_nothing_for_them() {
        let child = ("hub/x", "use super::State; pub struct X;");
        assert!(check(&[("hub", "mod x; pub use x::X; pub struct State;"), child]).is_empty());
        for parent in [
            "mod x; use x::X; pub struct State(X);",
            "mod x; pub use x::X; pub struct State(X);",
            "mod x; pub struct State(x::X);",
        ] {
            assert_eq!(check(&[("hub", parent), child]), ["hub hub/x"], "{parent}");
            let child = ("a/x", child.1);
            assert!(check(&[("a", parent), child]).is_empty());
        }
    }

    #[test]
    fn a_circle_belongs_to_the_innermost_folder_around_it() {
        let folder = |files: &[&str]| {
            super::folder(&files.iter().map(|file| file.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(folder(&["a/b/x", "a/b/x/z", "a/b/y"]), "a/b");
        assert_eq!(folder(&["a", "a/b/x"]), "a");
        assert_eq!(folder(&["a", "b"]), "");
    }

    #[test]
    fn unit_tests_do_not_count() {
        let one = ("a/x", "use super::y::Y; pub struct X;");
        let other = ("a/y", "pub struct Y;\n#[cfg(test)]\nmod tests { use super::super::x::X; }");
        assert!(check(&[("a", "mod x; mod y;"), one, other]).is_empty());
    }
}
