//! Finding mentions of a name.

use crate::model::Name;

/// Returns true if the name is a word of the text, in upper or lower case.
pub(crate) fn mentions(text: &str, name: &Name) -> bool {
    let (text, name) = (text.to_lowercase(), name.as_str());
    text.match_indices(name).any(|(at, found)| {
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
        let sova = Name::parse("sova").unwrap();
        for text in ["sova", "Sova: hi", "hi,SOVA!", "@sova", "日本 sova 語", "a sovata sova"] {
            assert!(mentions(text, &sova), "{text}");
        }
        for text in ["", "sovata", "my_sova", "sova2", "sov a", "日sova語", "sova\u{301}"] {
            assert!(!mentions(text, &sova), "{text}");
        }
        let zoe = Name::parse("Zoë").unwrap();
        assert!(mentions("ZOË?", &zoe));
    }
}
