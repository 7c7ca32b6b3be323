//! Cuts text into the words that search finds: folded, and with their places in the text as written.
//!
//! A word is letters, digits and their marks. Scripts that do not separate words, and Korean, which
//! joins particles to them, are cut into overlapping pairs of characters instead, so that any two or
//! more characters in a row can be found. An emoji is a word of its own.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;
use unicode_properties::UnicodeEmoji;
use unicode_script::{Script, UnicodeScript};
use unicode_segmentation::UnicodeSegmentation;

use crate::model::fold::fold;

/// A word, or a part of a text in a script without blanks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    /// The folded word.
    pub(crate) folded: &'a str,
    /// Its bytes in the text as written: whole grapheme clusters.
    pub(crate) range: Range<usize>,
    /// The end of its first character in the text as written.
    pub(crate) head_end: usize,
    /// What it is.
    pub(crate) kind: WordKind,
}

/// The kinds of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WordKind {
    /// A word between blanks, or an emoji.
    Whole,
    /// Two neighbours of a script without blanks.
    Pair,
    /// The last character before something else, after its pair; `alone` if it has none.
    Last { alone: bool },
}

/// Calls `sink` with all words of a text, in order.
pub(crate) fn for_each_word(text: &str, sink: impl FnMut(Word<'_>)) {
    let mut cutter = Cutter { sink, word: String::new(), place: 0..0, head_end: 0, last: None };
    let mut folded = String::new();
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        // Most text is ASCII, where a character is a grapheme cluster unless a mark may follow it.
        if byte.is_ascii() && text.as_bytes().get(at + 1).is_none_or(u8::is_ascii) {
            cutter.put(byte.to_ascii_lowercase().into(), at..at + 1);
            at += 1;
            continue;
        }
        let cluster = text[at..].graphemes(true).next().unwrap_or_default();
        folded.clear();
        fold(cluster, &mut folded);
        let place = at..at + cluster.len();
        match folded.chars().next() {
            Some(first) if is_emoji(first) => cutter.put_emoji(&folded, place),
            _ => folded.chars().for_each(|c| cutter.put(c, place.clone())),
        }
        at += cluster.len().max(1);
    }
    cutter.end_word();
    cutter.end_run();
}

/// Returns where folded parts are in a text: whole grapheme clusters, in order, without overlaps.
#[cfg(feature = "cli")]
pub(crate) fn places_of(parts: &[String], text: &str) -> Vec<Range<usize>> {
    let (mut text_folded, mut clusters) = (String::new(), Vec::new());
    for (at, cluster) in text.grapheme_indices(true) {
        fold(cluster, &mut text_folded);
        clusters.push((text_folded.len(), at..at + cluster.len()));
    }
    let mut places: Vec<Range<usize>> = Vec::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        for (at, found) in text_folded.match_indices(part.as_str()) {
            let first = clusters.partition_point(|(end, _)| *end <= at);
            let last = clusters.partition_point(|(end, _)| *end < at + found.len());
            if let (Some((_, first)), Some((_, last))) = (clusters.get(first), clusters.get(last)) {
                places.push(first.start..last.end);
            }
        }
    }
    places.sort_by_key(|place| place.start);
    places.dedup_by(|later, earlier| {
        let overlaps = later.start < earlier.end;
        if overlaps {
            earlier.end = earlier.end.max(later.end);
        }
        overlaps
    });
    places
}

/// Collects characters to words.
struct Cutter<F> {
    sink: F,
    /// The word so far, its place, and the end of its first character.
    word: String,
    place: Range<usize>,
    head_end: usize,
    /// The last character of a script without blanks, its place, and whether it is the first.
    last: Option<(char, Range<usize>, bool)>,
}

impl<F: FnMut(Word<'_>)> Cutter<F> {
    /// Takes the next folded character, which is written at `place`.
    fn put(&mut self, c: char, place: Range<usize>) {
        let is_letter = c.is_alphanumeric() || (!c.is_ascii() && is_combining_mark(c));
        if !is_letter {
            self.end_word();
            self.end_run();
        } else if !c.is_ascii() && is_without_blanks(c) {
            self.end_word();
            self.put_in_run(c, place);
        } else {
            self.end_run();
            if self.word.is_empty() {
                (self.place.start, self.head_end) = (place.start, place.end);
            }
            self.word.push(c);
            self.place.end = place.end;
        }
    }

    /// Takes an emoji: each of its parts is a word, except colours of skin. The letters of a flag are one
    /// word.
    fn put_emoji(&mut self, folded: &str, place: Range<usize>) {
        self.end_word();
        self.end_run();
        let mut put = |folded: &str| {
            let (range, head_end) = (place.clone(), place.end);
            (self.sink)(Word { folded, range, head_end, kind: WordKind::Whole });
        };
        if folded.starts_with(is_flag_letter) {
            return put(folded);
        }
        for (at, part) in folded.char_indices() {
            if at == 0 || !is_skin_colour(part) {
                put(part.encode_utf8(&mut [0; 4]));
            }
        }
    }

    fn put_in_run(&mut self, c: char, place: Range<usize>) {
        let is_first = self.last.is_none();
        if let Some((before, first, _)) = self.last.take() {
            let pair = String::from_iter([before, c]);
            let range = first.start..place.end;
            let kind = WordKind::Pair;
            (self.sink)(Word { folded: &pair, range, head_end: first.end, kind });
        }
        self.last = Some((c, place, is_first));
    }

    fn end_word(&mut self) {
        if !self.word.is_empty() {
            let (folded, range, head_end) = (&*self.word, self.place.clone(), self.head_end);
            (self.sink)(Word { folded, range, head_end, kind: WordKind::Whole });
            self.word.clear();
        }
    }

    fn end_run(&mut self) {
        if let Some((c, range, alone)) = self.last.take() {
            let (mut buffer, head_end) = ([0; 4], range.end);
            let folded = c.encode_utf8(&mut buffer);
            (self.sink)(Word { folded, range, head_end, kind: WordKind::Last { alone } });
        }
    }
}

/// Returns true for characters of scripts that are cut into pairs.
pub(crate) fn is_without_blanks(c: char) -> bool {
    use Script as S;
    matches!(
        c.script(),
        S::Han
            | S::Hiragana
            | S::Katakana
            | S::Bopomofo
            | S::Hangul
            | S::Thai
            | S::Lao
            | S::Khmer
            | S::Myanmar
            | S::Tai_Le
            | S::New_Tai_Lue
            | S::Tai_Tham
            | S::Tai_Viet
    ) || c == 'ー'
}

fn is_emoji(c: char) -> bool {
    !c.is_ascii() && !c.is_alphanumeric() && c.is_emoji_char()
}

fn is_flag_letter(c: char) -> bool {
    ('\u{1f1e6}'..='\u{1f1ff}').contains(&c)
}

fn is_skin_colour(c: char) -> bool {
    ('\u{1f3fb}'..='\u{1f3ff}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(String, &str)> {
        let mut words = Vec::new();
        for_each_word(text, |word| {
            words.push((word.folded.to_owned(), &text[word.range.clone()]));
        });
        words
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let folded: Vec<_> = words(text).into_iter().map(|(word, _)| word).collect();
        assert_eq!(folded.join(" "), expected, "{text:?}");
    }

    #[test]
    fn words_are_letters_digits_and_marks() {
        check("It's a_b, C3PO: 1.5 €!", "it s a b c3po 1 5");
        check("Zürich  cafe\u{301}s", "zurich cafes");
        check("", "");
        check("\0a\0", "a");
        check("…—", "");
        check("\u{301}\u{300} x", "x");
        check("नमस्ते दुनिया", "नमस्ते दुनिया");
        check("می\u{200c}خواهم", "میخواهم");
        check("ﷺ", "صلى الله عليه وسلم");
    }

    #[test]
    fn scripts_without_blanks_are_cut_into_pairs() {
        check("今天玩", "今天 天玩 玩");
        check("玩", "玩");
        check("2026年12月", "2026 年 12 月");
        check("コーヒー。", "コー ーヒ ヒー ー");
        check("ｺｰﾋｰ", "コー ーヒ ヒー ー");
        check("한국어를 \u{1112}\u{1161}\u{11ab}국", "한국 국어 어를 를 한국 국");
        check("Rust编程!", "rust 编程 程");
        check("ดี ที่", "ดี ี ที ี่ ่");
        check("မြန်", "မြ ြန န် ်");
    }

    #[test]
    fn parts_are_found_as_they_are_written() {
        let text = "a Straße, CAFE\u{301}s and 今天玩";
        for (parts, expected) in [
            (&["strasse"][..], &["Straße"][..]),
            (&["fes", "ca"], &["CA", "FE\u{301}s"]),
            (&["cafe", "afes"], &["CAFE\u{301}s"]),
            (&["天", "s"], &["S", "ß", "s", "天"]),
            (&["", "nothing"], &[]),
        ] {
            let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            let found: Vec<&str> =
                places_of(&parts, text).into_iter().map(|place| &text[place]).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn emoji_are_words() {
        check("done🎉🎉 ❤\u{fe0f}", "done 🎉 🎉 ❤");
        check("👍🏽 👍", "👍 👍");
        check("👩\u{200d}👧 🇩🇪🇫🇷", "👩 👧 🇩🇪 🇫🇷");
        check("1\u{fe0f}\u{20e3} #\u{fe0f}\u{20e3} © ─│", "1 ©");
    }

    #[test]
    fn places_are_those_of_the_text_as_written() {
        let text = "a Straße cafe\u{301}! 今天玩 👍🏽 ㎏";
        let places: Vec<_> = words(text).into_iter().map(|(_, place)| place).collect();
        let expected = ["a", "Straße", "cafe\u{301}", "今天", "天玩", "玩", "👍🏽", "㎏"];
        assert_eq!(places, expected);
    }
}
