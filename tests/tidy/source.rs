//! A minimal parser of Rust source that finds the modules a file uses.

/// Returns the identifiers and punctuation of `source`, without comments, literals and blanks. `::`
/// is one token.
pub(crate) fn tokens(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest, first).unwrap_or_else(|| {
            let length = token_length(rest, first);
            found.push(&rest[..length]);
            length
        });
        rest = &rest[length..];
    }
    found
}

/// Returns the length of the blank, comment or literal at the start of `rest`, if there is one.
fn skipped(rest: &str, first: char) -> Option<usize> {
    if first.is_whitespace() {
        return Some(first.len_utf8());
    }
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    if first == '\'' {
        return character(rest);
    }
    let prefix = rest.len() - rest.trim_start_matches(['b', 'c', 'r']).len();
    let (raw, quoted) = (rest[..prefix].contains('r'), &rest[prefix..]);
    let fences = quoted.len() - quoted.trim_start_matches('#').len();
    if prefix > 2 || !quoted[fences..].starts_with('"') || (fences > 0 && !raw) {
        return None;
    }
    let body = &quoted[fences + 1..];
    let length = if raw {
        let end = format!("\"{}", "#".repeat(fences));
        body.find(&end).map_or(body.len(), |at| at + end.len())
    } else {
        string(body)
    };
    Some(prefix + fences + 1 + length)
}

/// Returns the length of the rest of a string, with its closing quote.
fn string(body: &str) -> usize {
    let mut escaped = false;
    body.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })
    .map_or(body.len(), |at| at + 1)
}

/// Returns the length of a character literal; `None` if the quote begins a lifetime.
fn character(rest: &str) -> Option<usize> {
    let body = &rest[1..];
    if body.starts_with('\\') {
        return Some(1 + 2 + body[2..].find('\'').map_or(body.len() - 2, |at| at + 1));
    }
    let length = body.chars().next()?.len_utf8();
    body[length..].starts_with('\'').then_some(1 + length + 1)
}

/// Returns the length of a block comment, with nested ones.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    for (at, _) in rest.char_indices() {
        if rest[at..].starts_with("/*") {
            depth += 1;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            if depth == 0 {
                return at + 2;
            }
        }
    }
    rest.len()
}

fn token_length(rest: &str, first: char) -> usize {
    if is_word(first) {
        rest.find(|c| !is_word(c)).unwrap_or(rest.len())
    } else if rest.starts_with("::") {
        2
    } else {
        first.len_utf8()
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the text of a file without its unit tests, which come last.
pub(crate) fn without_tests(source: &str) -> &str {
    source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// Returns every path in a file, from its root: `use super::{a, b::C}` in the module `x::y` is
/// `x::a` and `x::b::C` of this crate; `tonic::Code` is a path of another crate.
///
/// `module` is the path of the file's own module.
pub(crate) fn paths(module: &[&str], source: &str) -> Vec<Path> {
    named(module, source).into_iter().map(|named| named.path).collect()
}

/// A path as written.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) path: Path,
    /// The imported name, for an import.
    pub(crate) import: Option<String>,
    /// True for a re-export.
    pub(crate) public: bool,
}

/// Returns every path in a file like [`paths`], and how it is written.
pub(crate) fn named(module: &[&str], source: &str) -> Vec<Named> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    // Inline modules, each with its depth of braces.
    let mut inner: Vec<(&str, usize)> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while let Some(&token) = tokens.get(at) {
        match token {
            "{" => {
                depth += 1;
                if at >= 2 && tokens[at - 2] == "mod" {
                    inner.push((tokens[at - 1], depth));
                }
            }
            "}" => {
                inner.pop_if(|(_, opened)| *opened == depth);
                depth -= 1;
            }
            _ => {}
        }
        let import = token == "use";
        // `pub use`, or `pub(crate) use`.
        let public = import && at > 0 && ["pub", ")"].contains(&tokens[at - 1]);
        at += usize::from(import);
        let path = token.starts_with(is_word) && tokens.get(at + 1) == Some(&"::");
        if import || path {
            let here = module.iter().copied().chain(inner.iter().map(|(name, _)| *name));
            let (branches, taken) = branches(&tokens[at..]);
            found.extend(branches.iter().map(|branch| Named {
                path: Path::resolve(here.clone().collect(), &branch.path),
                import: import.then(|| branch.name().to_owned()),
                public,
            }));
            at += taken;
        } else {
            at += 1;
        }
    }
    found
}

/// A path from its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Path {
    /// A path in this crate, without the leading `crate`.
    Own(Vec<String>),
    /// A path in the standard library or another crate, or one that starts with an imported name.
    Other(Vec<String>),
}

impl Path {
    fn resolve(mut here: Vec<&str>, segments: &[&str]) -> Self {
        let mut rest = segments;
        match segments.first() {
            // Binaries use the library by its name.
            Some(&"crate" | &"chinwag") => {
                here.clear();
                rest = &rest[1..];
            }
            Some(&"self" | &"super") => {
                while let Some(&step @ ("self" | "super")) = rest.first() {
                    if step == "super" {
                        here.pop();
                    }
                    rest = &rest[1..];
                }
            }
            _ => return Self::Other(segments.iter().map(|s| s.to_string()).collect()),
        }
        Self::Own(here.iter().chain(rest).map(|s| s.to_string()).collect())
    }
}

/// A path of a use tree, or a plain one.
struct Branch<'a> {
    path: Vec<&'a str>,
    alias: Option<&'a str>,
}

impl<'a> Branch<'a> {
    /// Returns its imported name.
    fn name(&self) -> &'a str {
        let mut names = self.path.iter().rev().filter(|segment| **segment != "self");
        self.alias.or(names.next().copied()).unwrap_or_default()
    }
}

/// Returns the paths of a use tree or a plain path, and the number of tokens.
fn branches<'a>(tokens: &[&'a str]) -> (Vec<Branch<'a>>, usize) {
    let mut path = Vec::new();
    let mut at = usize::from(tokens.first() == Some(&"::"));
    loop {
        match tokens.get(at) {
            Some(&"{") => {
                let (mut tails, taken) = group(&tokens[at + 1..]);
                for tail in &mut tails {
                    tail.path.splice(0..0, path.iter().copied());
                }
                return (tails, at + 1 + taken);
            }
            Some(&word) => path.push(word),
            None => return (vec![Branch { path, alias: None }], at),
        }
        at += 1;
        match tokens.get(at) {
            Some(&"::") => at += 1,
            Some(&"as") => {
                return (vec![Branch { path, alias: tokens.get(at + 1).copied() }], at + 2);
            }
            _ => return (vec![Branch { path, alias: None }], at),
        }
    }
}

/// Returns the trees of a group, up to and including its closing brace.
fn group<'a>(tokens: &[&'a str]) -> (Vec<Branch<'a>>, usize) {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&token) = tokens.get(at) {
        match token {
            "}" => return (found, at + 1),
            "," => at += 1,
            _ => {
                let (tails, taken) = branches(&tokens[at..]);
                found.extend(tails);
                at += taken;
            }
        }
    }
    (found, at)
}

mod tests {
    use super::*;

    fn own(path: &str) -> Path {
        Path::Own(path.split("::").map(Into::into).collect())
    }

    fn other(path: &str) -> Path {
        Path::Other(path.split("::").map(Into::into).collect())
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        let source = r###"
            // crate::a /* crate::b
            /* crate::c /* crate::d */ crate::e */
            let s = "crate::f \" crate::g"; let r = r#"crate::h " crate::i"#; let b = b"crate::j";
            let c = ('"', '\'', '\u{22}', b'"'); fn f<'a>(x: &'a str) { crate::real::f() }
        "###;
        assert_eq!(paths(&[], source), [own("real::f")]);
    }

    #[test]
    fn a_tree_is_all_its_paths() {
        let source = "use crate::{a::{self, B as C}, d, e::*}; use std::fmt;";
        let wanted = [own("a::self"), own("a::B"), own("d"), own("e::*"), other("std::fmt")];
        assert_eq!(paths(&[], source), wanted);
    }

    #[test]
    fn relative_paths_are_resolved_where_they_stand() {
        let source = "use super::a; mod tests { use super::b; use super::super::c; } use self::d;";
        let wanted = [own("x::a"), own("x::y::b"), own("x::c"), own("x::y::d")];
        assert_eq!(paths(&["x", "y"], source), wanted);
    }

    #[test]
    fn a_path_without_use_counts() {
        let source = "fn f() -> ::tonic::Code { crate::hub::g(chinwag::cli::h) }";
        assert_eq!(paths(&[], source), [other("tonic::Code"), own("hub::g"), own("cli::h")]);
        let source = "use ::tokio::time; mod a { struct B { c: super::D } } struct E(self::F);";
        assert_eq!(paths(&["x"], source), [other("tokio::time"), own("x::D"), own("x::F")]);
    }
}
