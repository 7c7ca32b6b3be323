//! Finding mentions of the user in texts.

use crate::model::Name;

/// The user: the name, and the words that count as if the user was named.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) name: Name,
    /// In lower case.
    keywords: Vec<String>,
}

impl Reader {
    pub(crate) fn new(name: Name, keywords: Vec<String>) -> Self {
        Self { name, keywords }
    }

    /// Returns true if the name or a keyword is a word of the text, in upper or lower case.
    pub(crate) fn is_named_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let words = self.keywords.iter().map(String::as_str);
        std::iter::once(self.name.as_str()).chain(words).any(|word| has_word(&text, word))
    }
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let after = text[at + found.len()..].chars().next();
        !before.is_some_and(is_word_char) && !after.is_some_and(is_word_char)
    })
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
        for text in ["sova", "Sova: hi", "hi,SOVA!", "@sova", "日本 sova 語", "a sovata sova"] {
            assert!(sova.is_named_in(text), "{text}");
        }
        for text in ["Deploy failed", "who is on call?", "in C++, please"] {
            assert!(sova.is_named_in(text), "{text}");
        }
        for text in ["", "sovata", "my_sova", "sova2", "sov a", "日sova語", "sova\u{301}"] {
            assert!(!sova.is_named_in(text), "{text}");
        }
        assert!(!sova.is_named_in("deployed"));
        assert!(reader("Zoë", &[]).is_named_in("ZOË?"));
    }
}
