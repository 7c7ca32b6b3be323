//! Translates a search query to an FTS5 expression.
//!
//! All terms are quoted, so that no operator of FTS5 applies: no query is ever a syntax error.

/// Returns the expression for all words, prefixes (`wor*`) and phrases (`"two words"`) of a query;
/// `None` if it holds no word.
pub(super) fn expression(query: &str) -> Option<String> {
    // FTS5 stops at a NUL.
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

/// Returns a quoted term; `None` if the index would find no word in it. The text has no quotes.
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
    fn a_query_without_a_word_has_no_expression() {
        for query in ["", " ", "*", "\"", "\"\"", "!? -- ** ''", "\0", "\" \" *"] {
            check(query, "");
        }
    }

    #[test]
    fn a_nul_separates_words() {
        check("red\0green", r#""red" "green""#);
    }
}
