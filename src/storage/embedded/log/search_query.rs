//! A parsed search query: as an expression for FTS5, which finds messages, and as a matcher, which
//! finds the places of the words in their texts.
//!
//! The index holds the [words](crate::text::words) of the texts. Both forms of the query are made of
//! the same words, and so agree. All words are quoted, so that no operator of FTS5 applies: no query
//! is ever a syntax error.

use std::ops::Range;

use crate::text::words::{WordKind, for_each_word};

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

/// The matches of a query in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueryMatches {
    /// The bytes that match, sorted and without overlap.
    pub(super) ranges: Vec<Range<usize>>,
    /// How well the text matches. Depends on nothing but the query and the text.
    pub(super) score: u32,
}

impl SearchQuery {
    /// Parses a query; `None` if it holds no word.
    pub(super) fn parse(query: &str) -> Option<Self> {
        let mut terms = Vec::new();
        for (index, part) in query.split('"').enumerate() {
            let is_phrase = index % 2 == 1;
            if is_phrase {
                terms.extend(SearchTerm::parse(part, false));
            } else {
                terms.extend(part.split_whitespace().filter_map(|word| {
                    SearchTerm::parse(word.trim_end_matches('*'), word.ends_with('*'))
                }));
            }
        }
        (!terms.is_empty()).then_some(Self { terms })
    }

    /// Returns the expression for FTS5.
    pub(super) fn expression(&self) -> String {
        let terms: Vec<_> = self.terms.iter().map(SearchTerm::expression).collect();
        terms.join(" ")
    }

    /// Returns the matches in a text.
    pub(super) fn matches(&self, text: &str) -> QueryMatches {
        let words = TextWords::of(text);
        let mut ranges = Vec::new();
        let mut score = 0;
        for term in &self.terms {
            let before = ranges.len();
            ranges.extend((0..words.places.len()).filter_map(|at| words.match_at(at, term)));
            score += relevance(ranges.len() - before, words.places.len());
        }
        ranges.sort_by_key(|range| (range.start, range.end));
        ranges.dedup_by(|next, range| {
            let overlaps = next.start < range.end;
            if overlaps {
                range.end = range.end.max(next.end);
            }
            overlaps
        });
        QueryMatches { ranges, score }
    }
}

impl SearchTerm {
    fn parse(text: &str, is_prefix: bool) -> Option<Self> {
        let mut words = Vec::new();
        let mut last = WordKind::Whole;
        for_each_word(text, |word| {
            words.push(word.folded.to_owned());
            last = word.kind;
        });
        // More may follow in the text that is searched: `天玩` in `今天玩成`.
        if last == (WordKind::Last { alone: false }) {
            words.pop();
        }
        let is_prefix = match last {
            WordKind::Whole => is_prefix,
            WordKind::Pair => false,
            WordKind::Last { alone } => alone,
        };
        (!words.is_empty()).then_some(Self { words, is_prefix })
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
    // At most a million for each of the terms, of which a query has at most 128.
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
    fn of(text: &str) -> Self {
        let mut words = Self::default();
        for_each_word(text, |word| {
            let start = words.folded.len();
            words.folded.push_str(word.folded);
            words.places.push(WordPlace {
                folded: start..words.folded.len(),
                written: word.range,
                head_end: word.head_end,
                is_pair: word.kind == WordKind::Pair,
            });
        });
        words
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
        assert_eq!(parsed.map(|query| query.expression()).unwrap_or_default(), expected);
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
    fn a_query_without_a_word_has_no_expression() {
        for query in ["", " ", "*", "\"", "\"\"", "!? -- ** ''", "\0", "\" \" *", "\u{301}"] {
            check(query, "");
        }
    }

    #[test]
    fn a_nul_separates_words() {
        check("red\0green", r#""red green""#);
    }

    #[test]
    fn the_best_match_has_the_highest_score() {
        let score = |query: &str, text: &str| {
            SearchQuery::parse(query).map_or(0, |query| query.matches(text).score)
        };
        let long = "tea ".to_owned() + &"word ".repeat(50);
        for (better, worse) in [("tea tea tea", "tea"), ("tea", "cold tea"), ("cold tea", &long)] {
            assert!(score("tea", better) > score("tea", worse), "{better} / {worse}");
        }
        assert_eq!(score("tea", "coffee"), 0);
        let most = "a ".repeat(8192);
        assert!(score(&"a ".repeat(128), &most) < u32::MAX);
    }
}
