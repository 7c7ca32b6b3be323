//! Finding mentions of the user in texts.

use unicode_script::{Script, UnicodeScript};

use crate::{
    model::{Name, fold::folded},
    text::words::is_without_blanks,
};

/// The user: the name, and the words that count as if the user was named.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) name: Name,
    /// The name and the keywords, folded as for a search.
    words: Vec<String>,
}

impl Reader {
    pub(crate) fn new(name: Name, keywords: Vec<String>) -> Self {
        let words = std::iter::once(name.as_str()).chain(keywords.iter().map(String::as_str));
        let words = words.map(folded).filter(|word| !word.is_empty()).collect();
        Self { name, words }
    }

    /// Returns true if the name or a keyword is a word of the text. Case, accents and width do not
    /// matter, and a word also ends where the script changes. In a script without blanks it may be
    /// anywhere.
    pub(crate) fn is_named_in(&self, text: &str) -> bool {
        let text = folded(text);
        self.words.iter().any(|word| has_word(&text, word))
    }
}

fn has_word(text: &str, word: &str) -> bool {
    let (Some(first), Some(last)) = (word.chars().next(), word.chars().next_back()) else {
        return false;
    };
    text.match_indices(word).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let after = text[at + found.len()..].chars().next();
        before.is_none_or(|before| is_apart(before, first))
            && after.is_none_or(|after| is_apart(after, last))
    })
}

/// Returns true if a word that begins or ends with `inside` may stand next to `outside`.
fn is_apart(outside: char, inside: char) -> bool {
    let script = |c: char| {
        Some(c.script()).filter(|script| !matches!(script, Script::Common | Script::Inherited))
    };
    !is_word_char(outside)
        || is_without_blanks(outside)
        || is_without_blanks(inside)
        || script(outside).zip(script(inside)).is_some_and(|(outside, inside)| outside != inside)
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || unicode_width::UnicodeWidthChar::width(c) == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_is_a_whole_word() {
        let reader = |name: &str, keywords: &[&str]| {
            let keywords = keywords.iter().map(|word| (*word).to_owned()).collect();
            Reader::new(Name::parse(name).unwrap(), keywords)
        };
        let sova = reader("sova", &["deploy", "c++", "on call"]);
        for text in
            ["sova", "Sova: hi", "hi,SOVA!", "@sova", "日本 sova 語", "a sovata sova", "日sova語"]
        {
            assert!(sova.is_named_in(text), "{text}");
        }
        for text in ["Deploy failed", "who is on call?", "in C++, please"] {
            assert!(sova.is_named_in(text), "{text}");
        }
        for text in ["", "sovata", "my_sova", "sova2", "sov a"] {
            assert!(!sova.is_named_in(text), "{text}");
        }
        assert!(!sova.is_named_in("deployed"));
        assert!(reader("Zoë", &[]).is_named_in("ZOË?"));
    }

    #[test]
    fn a_mention_is_found_in_every_script_and_spelling() {
        for (word, text, expected) in [
            ("nia", "niaさんこんにちは", true),
            ("nia", "こんにちはniaさん", true),
            ("nia", "привет,niaпривет", true),
            ("nia", "ｎｉａ？", true),
            ("nia", "NÍA!", true),
            ("nia", "ni\u{301}a", true),
            ("nia", "nianさん", false),
            ("nia", "nia2さん", false),
            ("nia", "さんnia_x", false),
            ("火", "我爱火锅", true),
            ("火", "火事", true),
            ("火", "水", false),
            ("CAFÉ", "at the cafe", true),
            ("CAFÉ", "cafes", false),
            ("नम", "नमस्ते", false),
            ("\u{301}", "anything", false),
        ] {
            let reader = Reader::new(Name::parse("somebody").unwrap(), vec![word.into()]);
            assert_eq!(reader.is_named_in(text), expected, "{word} in {text}");
        }
    }
}
