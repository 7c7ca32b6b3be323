//! From what a person looks for to what SQLite's full-text index understands.
//!
//! Everything goes into FTS5's own quotes, where nothing is an operator: whatever a query holds,
//! it is never a syntax error.

/// The expression that finds all of a query's words, prefixes (`wor*`) and phrases (`"two words"`);
/// `None` where it holds no word at all.
pub(super) fn expression(query: &str) -> Option<String> {
    // FTS5 would read no further than a NUL.
    let query = query.replace('\0', " ");
    let mut terms = Vec::new();
    for (index, part) in query.split('"').enumerate() {
        let is_phrase = index % 2 == 1;
        if is_phrase {
            terms.extend(term(part, ""));
        } else {
            terms.extend(part.split_whitespace().filter_map(word));
        }
    }
    (!terms.is_empty()).then(|| terms.join(" "))
}

fn word(word: &str) -> Option<String> {
    match word.strip_suffix('*') {
        Some(start) => term(start, " *"),
        None => term(word, ""),
    }
}

/// A quoted term; `None` where the index would see no word in it. The quotes need no escaping, as no
/// term has one inside.
fn term(text: &str, suffix: &str) -> Option<String> {
    text.contains(char::is_alphanumeric).then(|| format!("\"{text}\"{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: &str) {
        assert_eq!(expression(query).unwrap_or_default(), expected);
    }

    #[test]
    fn words_prefixes_and_phrases() {
        check("red green", r#""red" "green""#);
        check("gre* red", r#""gre" * "red""#);
        check(r#"a "red green" b"#, r#""a" "red green" "b""#);
        check(r#"red"green blue"#, r#""red" "green blue""#);
        check("été 日本*", r#""été" "日本" *"#);
    }

    #[test]
    fn operators_are_text() {
        check("red OR (green NOT ^blue)", r#""red" "OR" "(green" "NOT" "^blue)""#);
        check("text:red NEAR/2 a+b", r#""text:red" "NEAR/2" "a+b""#);
    }

    #[test]
    fn without_a_word_there_is_nothing_to_find() {
        for query in ["", " ", "*", "\"", "\"\"", "!? -- ** ''", "\0", "\" \" *"] {
            check(query, "");
        }
    }

    #[test]
    fn nothing_hides_behind_a_nul() {
        check("red\0green", r#""red" "green""#);
    }
}
