//! A parsed search query: as an expression for FTS5, which finds messages, and as a matcher, which
//! finds the places of the words in their texts.
//!
//! The index holds the [words](crate::text::words) of the texts. Both forms of the query are made of
//! the same words, and so agree. All words are quoted, so that no operator of FTS5 applies: no query
//! is ever a syntax error.

use std::ops::Range;

use crate::text::words::{WordKind, for_each_word};

/// Terms of a query. Each makes the index read all of its matches until one has all terms.
pub(super) const MAX_TERMS: usize = 8;

/// Characters of a prefix. The index has the beginnings of three characters; for shorter ones it would
/// merge the words of a whole letter.
const MIN_PREFIX: usize = 3;

/// The same in a script without blanks, where two characters are already a word of the index.
const MIN_PREFIX_OF_RUN: usize = 2;

/// Words, prefixes (`wor*`) and phrases (`"two words"`), which all have to occur. The default has none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SearchQuery {
    terms: Vec<SearchTerm>,
}

/// Words that follow each other. What has no blanks is one term.
#[derive(Debug, PartialEq, Eq)]
struct SearchTerm {
    words: Vec<String>,
    /// Whether the last word is only a beginning.
    is_prefix: bool,
}

/// Why a query cannot be searched for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error("the search has no word to look for")]
    NoWord,
    #[error("a search has at most {MAX_TERMS} words, prefixes and phrases; this one has {0}")]
    TooManyTerms(usize),
    #[error("the prefix {0}* is too short: write at least {1} characters before the *")]
    ShortPrefix(String, usize),
}

/// Finds the terms of a query in texts, with memory that it uses again for the next text.
pub(super) struct Matcher<'a> {
    query: &'a SearchQuery,
    words: TextWords,
}

impl SearchQuery {
    /// Parses a query. A term that is repeated counts once.
    pub(super) fn parse(query: &str) -> Result<Self, QueryError> {
        let mut terms = Vec::new();
        let mut add = |term: Option<SearchTerm>| {
            terms.extend(term.filter(|term| !terms.contains(term)));
        };
        for (index, part) in query.split('"').enumerate() {
            let is_phrase = index % 2 == 1;
            if is_phrase {
                add(SearchTerm::parse(part, false)?);
            } else {
                for word in part.split_whitespace() {
                    add(SearchTerm::parse(word.trim_end_matches('*'), word.ends_with('*'))?);
                }
            }
        }
        match terms.len() {
            0 => Err(QueryError::NoWord),
            1..=MAX_TERMS => Ok(Self { terms }),
            count => Err(QueryError::TooManyTerms(count)),
        }
    }

    /// Returns the expression for FTS5.
    pub(super) fn expression(&self) -> String {
        let terms: Vec<_> = self.terms.iter().map(SearchTerm::expression).collect();
        terms.join(" ")
    }

    pub(super) fn matcher(&self) -> Matcher<'_> {
        Matcher { query: self, words: TextWords::default() }
    }
}

impl Matcher<'_> {
    /// Returns how well a text matches. Depends on nothing but the query and the text.
    pub(super) fn score(&mut self, text: &str) -> u32 {
        self.words.read(text);
        let terms = self.query.terms.iter();
        let score = |term| relevance(self.words.matches(term).count(), self.words.places.len());
        terms.map(score).sum()
    }

    /// Returns the bytes of a text that match, sorted and without overlap.
    pub(super) fn ranges(&mut self, text: &str) -> Vec<Range<usize>> {
        self.words.read(text);
        let terms = self.query.terms.iter();
        let mut ranges: Vec<_> = terms.flat_map(|term| self.words.matches(term)).collect();
        ranges.sort_by_key(|range| (range.start, range.end));
        ranges.dedup_by(|next, range| {
            let overlaps = next.start < range.end;
            if overlaps {
                range.end = range.end.max(next.end);
            }
            overlaps
        });
        ranges
    }
}

impl SearchTerm {
    /// Parses a word or a phrase; `None` if there is no letter in it.
    fn parse(text: &str, is_prefix: bool) -> Result<Option<Self>, QueryError> {
        let mut words: Vec<String> = Vec::new();
        let mut last = WordKind::Whole;
        for_each_word(text, |word| {
            words.push(word.folded.to_owned());
            last = word.kind;
        });
        let least = match last {
            WordKind::Whole => MIN_PREFIX,
            WordKind::Pair | WordKind::Last { alone: false } => 0,
            WordKind::Last { alone: true } => MIN_PREFIX_OF_RUN,
        };
        if is_prefix && words.last().is_some_and(|word| word.chars().count() < least) {
            return Err(QueryError::ShortPrefix(text.to_owned(), least));
        }
        // More may follow in the text that is searched: `天玩` in `今天玩成`.
        if last == (WordKind::Last { alone: false }) {
            words.pop();
        }
        let is_prefix = match last {
            WordKind::Whole => is_prefix,
            WordKind::Pair => false,
            WordKind::Last { alone } => alone,
        };
        Ok((!words.is_empty()).then_some(Self { words, is_prefix }))
    }

    fn expression(&self) -> String {
        format!("\"{}\"{}", self.words.join(" "), if self.is_prefix { " *" } else { "" })
    }
}

/// Returns the relevance of a text with so many words in which a term occurs so often: BM25 of one
/// document, for texts of an average length. (BM25 of FTS5 depends on all messages: it reads all
/// matches, and its order changes with every post, so that pages would overlap.)
fn relevance(occurrences: usize, words: usize) -> u32 {
    const AVERAGE_WORDS: f64 = 20.0;
    let (occurrences, words) = (occurrences as f64, words as f64);
    let saturation = 1.2 * (0.25 + 0.75 * words / AVERAGE_WORDS);
    // At most a million for each of the terms, of which there are few.
    (1e6 * occurrences / (occurrences + saturation)) as u32
}

/// The words of a text.
#[derive(Default)]
struct TextWords {
    /// All of them, folded, one after the other.
    folded: String,
    places: Vec<WordPlace>,
}

struct WordPlace {
    /// The bytes in [`TextWords::folded`].
    folded: Range<usize>,
    /// The bytes in the text, and the end of the first character there.
    written: Range<usize>,
    head_end: usize,
    is_pair: bool,
}

impl TextWords {
    /// Replaces the words by those of a text.
    fn read(&mut self, text: &str) {
        self.folded.clear();
        self.places.clear();
        for_each_word(text, |word| {
            let start = self.folded.len();
            self.folded.push_str(word.folded);
            self.places.push(WordPlace {
                folded: start..self.folded.len(),
                written: word.range,
                head_end: word.head_end,
                is_pair: word.kind == WordKind::Pair,
            });
        });
    }

    /// Returns the bytes of the text that match a term, at each place.
    fn matches(&self, term: &SearchTerm) -> impl Iterator<Item = Range<usize>> {
        (0..self.places.len()).filter_map(|at| self.match_at(at, term))
    }

    /// Returns the bytes of the text that match a term from the word `at` on.
    fn match_at(&self, at: usize, term: &SearchTerm) -> Option<Range<usize>> {
        let places = self.places.get(at..at + term.words.len())?;
        let (last_place, places_before) = places.split_last()?;
        let (last, before) = term.words.split_last()?;
        let folded = |place: &WordPlace| &self.folded[place.folded.clone()];
        let matches = places_before.iter().zip(before).all(|(place, word)| folded(place) == word)
            && if term.is_prefix {
                folded(last_place).starts_with(last)
            } else {
                folded(last_place) == last
            };
        let is_head = last_place.is_pair && folded(last_place) != last;
        let end = if is_head { last_place.head_end } else { last_place.written.end };
        matches.then(|| places[0].written.start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: &str) {
        let parsed = SearchQuery::parse(query);
        assert_eq!(parsed.map(|query| query.expression()).unwrap_or_default(), expected, "{query}");
    }

    #[test]
    fn words_prefixes_and_phrases() {
        check("red green", r#""red" "green""#);
        check("gre* red", r#""gre" * "red""#);
        check(r#"a "red green" b"#, r#""a" "red green" "b""#);
        check(r#"red"green blue"#, r#""red" "green blue""#);
        check("Straße ÉTÉ* green-and", r#""strasse" "ete" * "green and""#);
        check("🎉 a🎉", r#""🎉" "a 🎉""#);
    }

    #[test]
    fn runs_without_blanks_are_phrases_of_pairs() {
        check("接龙", r#""接龙""#);
        check("玩成语*", r#""玩成 成语""#);
        check("龙 2026年", r#""龙" * "2026 年" *"#);
        check("年12", r#""年 12""#);
        check("\"天玩 car\"", r#""天玩 玩 car""#);
    }

    #[test]
    fn operators_are_text() {
        check("red OR (green NOT ^blue)", r#""red" "or" "green" "not" "blue""#);
        check("text:red NEAR/2 a+b", r#""text red" "near 2" "a b""#);
    }

    #[test]
    fn a_query_without_a_word_is_refused() {
        for query in ["", " ", "*", "\"", "\"\"", "!? -- ** ''", "\0", "\" \" *", "\u{301}"] {
            assert_eq!(SearchQuery::parse(query), Err(QueryError::NoWord), "{query}");
        }
    }

    #[test]
    fn a_query_has_few_terms_and_long_prefixes() {
        let problem = |query: &str| SearchQuery::parse(query).unwrap_err().to_string();
        assert!(problem("a b c d e f g h i").contains("at most 8"));
        assert!(problem(&"\"a b\" c ".repeat(9).replace('c', "c*")).contains("c*"));
        assert!(problem(&"a* ".repeat(85)).contains("at least 3"));
        for short in ["to*", "éa*", "12*", "a-bc*", "🎉*"] {
            assert!(problem(short).contains(&format!("{short} is too short")), "{short}");
        }
        for short in ["龙*", "2026年*"] {
            assert!(problem(short).contains("at least 2"), "{short}");
        }
        for (query, expression) in [
            ("a b c d e f g h", r#""a" "b" "c" "d" "e" "f" "g" "h""#),
            ("tea* été* a-bcd*", r#""tea" * "ete" * "a bcd" *"#),
            ("成语* 龙", r#""成语" "龙" *"#),
        ] {
            check(query, expression);
        }
        check(&"tea Tea \"tea\" ".repeat(9), r#""tea""#);
    }

    #[test]
    fn a_nul_separates_words() {
        check("red\0green", r#""red green""#);
    }

    #[test]
    fn the_best_match_has_the_highest_score() {
        let score =
            |query: &str, text: &str| SearchQuery::parse(query).unwrap().matcher().score(text);
        let long = "tea ".to_owned() + &"word ".repeat(50);
        for (better, worse) in [("tea tea tea", "tea"), ("tea", "cold tea"), ("cold tea", &long)] {
            assert!(score("tea", better) > score("tea", worse), "{better} / {worse}");
        }
        assert_eq!(score("tea", "coffee"), 0);
        let most = "a b c d e f g h ".repeat(1024);
        assert!(score("a b c d e f g h", &most) < u32::MAX);
    }
}
