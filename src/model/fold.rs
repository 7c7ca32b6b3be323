//! Folds text: what differs only in case, accents, width or invisible characters becomes equal.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_script::{Script, UnicodeScript};

/// Appends the folded form of a text: compatibility forms replaced (NFKC), full case folding, letters
/// with a stroke as their base letters, and without invisible characters and accents. Marks of scripts
/// in which they are vowels, tones or other letters, such as Devanagari, Thai and kana, are kept.
pub(crate) fn fold(text: &str, to: &mut String) {
    let mut on_letter_with_accents = true;
    let letters = text.nfkd().filter(|&c| {
        if is_combining_mark(c) {
            return !on_letter_with_accents && !is_ignorable(c);
        }
        on_letter_with_accents = has_accents(c);
        !is_ignorable(c)
    });
    to.extend(letters.flat_map(without_case).flat_map(base_letters).nfc());
}

/// Returns the folded form of a text.
pub(crate) fn folded(text: &str) -> String {
    let mut folded = String::new();
    fold(text, &mut folded);
    folded
}

/// Returns true if marks on this character are accents or optional vowels, which people leave out.
fn has_accents(c: char) -> bool {
    use Script::{Arabic, Common, Cyrillic, Greek, Hebrew, Latin, Syriac};
    matches!(c.script(), Latin | Greek | Cyrillic | Hebrew | Arabic | Syriac | Common)
}

/// Full case folding of a character in NFKD: `ß` and `ẞ` both become `ss`.
fn without_case(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// Returns the base letters of a letter that Unicode does not decompose. The character is in lower
/// case.
fn base_letters(c: char) -> impl Iterator<Item = char> {
    let base = match c {
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ł' | 'ƚ' | 'ɫ' | 'ⱡ' => "l",
        'ø' | 'ɵ' => "o",
        'đ' | 'ð' | 'ɖ' | 'ɗ' => "d",
        'ħ' | 'ⱨ' => "h",
        'ŧ' | 'ⱦ' | 'ƭ' | 'ʈ' => "t",
        'ɨ' => "i",
        'ŋ' | 'ɲ' | 'ƞ' => "n",
        'ƀ' | 'ɓ' => "b",
        'ȼ' | 'ƈ' => "c",
        'ɇ' => "e",
        'ǥ' | 'ɠ' => "g",
        'ɉ' => "j",
        'ƙ' | 'ĸ' => "k",
        'ᵽ' | 'ƥ' => "p",
        'ɍ' => "r",
        'ʉ' => "u",
        'ʋ' => "v",
        'ɏ' | 'ƴ' => "y",
        'ƶ' | 'ȥ' => "z",
        'ⱥ' => "a",
        _ => "",
    };
    base.chars().chain(base.is_empty().then_some(c))
}

/// Returns true for characters that are not seen: Default_Ignorable_Code_Point. Joiners and variation
/// selectors, which change how their neighbours are drawn, are among them.
pub(crate) fn is_ignorable(c: char) -> bool {
    matches!(c,
        // Soft hyphen, grapheme joiner, Arabic letter mark, fillers, inherent vowels of Khmer.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        // Mongolian variation selectors, zero width characters, controls of direction, invisible
        // operators.
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        // Controls of shorthand and music, tags, further variation selectors.
        | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        let mut folded = String::new();
        fold(text, &mut folded);
        folded
    }

    #[test]
    fn case_accents_and_width_do_not_matter() {
        for (text, same) in [
            ("Straße STRASSE", "strasse strasse"),
            ("GROẞ ﬁne", "gross fine"),
            ("Łódź Øre đak Ħal", "lodz ore dak hal"),
            ("Ærø œuvre Þór", "aero oeuvre thor"),
            ("İstanbul ısı Istanbul", "istanbul isi istanbul"),
            ("ＡＢＣ ａｂｃ １２", "abc abc 12"),
            ("йод и\u{306}од", "иод иод"),
            ("Ёлка Ўзбек", "елка узбек"),
            ("ΆΛΦΑ Οδυσσεύς ᾳ", "αλφα οδυσσευσ α"),
            ("cafe\u{301} Zürich e\u{34f}\u{301}", "cafe zurich e"),
            ("שָׁלוֹם مُحَمَّد", "שלום محمد"),
            ("co\u{ad}op me\u{200b}\u{feff}n", "coop men"),
            ("① ㎏ ﾃｽﾄ", "1 kg テスト"),
        ] {
            assert_eq!(folded(text), same, "{text}");
        }
    }

    #[test]
    fn marks_that_are_letters_stay() {
        for (text, same) in [
            ("प्रिया", "प्रिया"),
            ("தமிழ்", "தமிழ்"),
            ("ที่นี่", "ที่นี่"),
            ("မြန်မာ", "မြန်မာ"),
            ("か\u{3099}ぱ", "がぱ"),
            ("\u{1112}\u{1161}\u{11ab}국어", "한국어"),
        ] {
            assert_eq!(folded(text), same, "{text}");
        }
    }

    #[test]
    fn folding_twice_changes_nothing() {
        let odd = "ẞŉǰΐﬀᾳ ﷺ ½ ℌ ㋿ Ǆ ꭰ Ꭰ ჯ Ჯ ս և 각 ㅋㅋ";
        assert_eq!(folded(&folded(odd)), folded(odd));
    }
}
