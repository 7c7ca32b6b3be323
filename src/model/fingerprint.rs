//! Fingerprints of keys, in forms for people to compare.
//!
//! # The grouped form
//!
//! Thirteen groups of five symbols, for example `003GN-W58WH-…`. The symbols are Crockford's
//! Base32: digits and letters without `I`, `L`, `O` and `U`. Lower case is accepted, and so are `O`
//! for `0` and `I` or `L` for `1`.
//!
//! 1. The 256 bits of the fingerprint, the highest first, and four zero bits make 52 symbols of
//!    five bits: four for each group.
//! 2. The fifth symbol of a group is its check: `a·x + b·x² + c·x³ + d·x⁴ + g`, where `a` to `d`
//!    are the group's symbols and `g` is the group's number from 0, computed in the field of 32
//!    elements with `x⁵ = x² + 1`.
//!
//! The check detects every wrong symbol, every two swapped symbols and every group in the wrong
//! place, and which group is wrong. It protects against typing errors, not against forgers: only
//! comparing all groups does.
//!
//! # Words
//!
//! Sixteen proquints (D. S. Wilkerson, "A Proposal for Proquints", 2009): five letters, consonants
//! and vowels in turn, for every 16 bits. They are meant to be read aloud, and have no check.

mod bits;

use std::{fmt, str::FromStr};

use super::Invalid;
use bits::Bits;

/// The SHA-256 of a public key (its SubjectPublicKeyInfo in DER), which identifies a peer or a hub.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; BYTES]);

const BYTES: usize = 32;

const GROUPS: usize = 13;

/// Symbols of a group; the last is its check.
const GROUP: usize = 5;

/// Letters of a word, which encodes two bytes.
const WORD: usize = 5;

const SYMBOL_BITS: usize = 5;

const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The lengths of the three forms without separators, which differ.
const HEX_CHARS: usize = 2 * BYTES;
const GROUPED_CHARS: usize = GROUPS * GROUP;
const WORD_CHARS: usize = WORD * BYTES / 2;

impl Fingerprint {
    /// Returns the fingerprint with these bytes.
    pub fn from_bytes(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// Parses any of the three forms. Spaces, hyphens and colons between symbols, and the case of
    /// letters, are ignored. The error says which group is wrong, or what a fingerprint looks like.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        let mut symbols = String::new();
        for symbol in raw.chars().filter(|&c| !(c.is_whitespace() || c == '-' || c == ':')) {
            if !symbol.is_ascii_alphanumeric() {
                return Err(Invalid::because(format!("a fingerprint has no {symbol:?}")));
            }
            if symbols.len() == WORD_CHARS {
                return Err(Invalid::because("that is too long for a fingerprint"));
            }
            symbols.push(symbol);
        }
        match symbols.len() {
            GROUPED_CHARS => Self::from_groups(&symbols),
            WORD_CHARS => Self::from_words(&symbols),
            n => Self::from_hex(&symbols).ok_or_else(|| {
                Invalid::because(format!(
                    "a fingerprint has {GROUPS} groups of {GROUP} symbols, or 16 words of {WORD} \
                     letters, or {HEX_CHARS} hexadecimal digits; this has {n} symbols"
                ))
            }),
        }
    }

    /// Returns the bytes of the fingerprint.
    pub fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }

    /// Returns 64 hexadecimal digits, as other tools print.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns sixteen words with hyphens between them, to read aloud.
    pub fn words(&self) -> String {
        let mut bits = Bits::of(self);
        let mut letters = (0..WORD_CHARS).map(|at| {
            let (alphabet, width) = alphabet(at % WORD);
            char::from(alphabet[usize::from(bits.pop(width))])
        });
        let words = (0..WORD_CHARS / WORD).map(|_| letters.by_ref().take(WORD).collect::<String>());
        words.collect::<Vec<_>>().join("-")
    }

    fn from_hex(digits: &str) -> Option<Self> {
        let mut bits = Bits::new();
        for digit in Some(digits).filter(|digits| digits.len() == HEX_CHARS)?.chars() {
            bits.push(digit.to_digit(16)? as u8, 4);
        }
        bits.fingerprint()
    }

    fn from_groups(symbols: &str) -> Result<Self, Invalid> {
        let mut bits = Bits::new();
        let groups = symbols.as_bytes().as_chunks::<GROUP>().0;
        for (number, group) in groups.iter().enumerate() {
            let [data @ .., _] = values(group)
                .filter(|[data @ .., given]| check(number, *data) == *given)
                .ok_or_else(|| {
                    Invalid::because(format!(
                        "group {} of the fingerprint, {}, has a slip: compare it again",
                        number + 1,
                        String::from_utf8_lossy(group)
                    ))
                })?;
            data.into_iter().for_each(|value| bits.push(value, SYMBOL_BITS));
        }
        bits.fingerprint()
            .ok_or_else(|| Invalid::because("no fingerprint ends so: compare the last group again"))
    }

    fn from_words(letters: &str) -> Result<Self, Invalid> {
        let mut bits = Bits::new();
        for word in letters.to_ascii_lowercase().as_bytes().as_chunks::<WORD>().0 {
            for (at, letter) in word.iter().enumerate() {
                let (alphabet, width) = alphabet(at);
                let value = alphabet.iter().position(|known| known == letter).ok_or_else(|| {
                    Invalid::because(format!(
                        "{:?} is none of the words of fingerprints",
                        String::from_utf8_lossy(word)
                    ))
                })?;
                bits.push(value as u8, width);
            }
        }
        bits.fingerprint().ok_or_else(|| Invalid::because("these words make no fingerprint"))
    }
}

/// The grouped form.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bits = Bits::of(self);
        for number in 0..GROUPS {
            if number > 0 {
                f.write_str("-")?;
            }
            let data: [u8; GROUP - 1] = std::array::from_fn(|_| bits.pop(SYMBOL_BITS));
            for value in data.into_iter().chain([check(number, data)]) {
                write!(f, "{}", char::from(SYMBOLS[usize::from(value)]))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = Invalid;

    fn from_str(raw: &str) -> Result<Self, Invalid> {
        Self::parse(raw)
    }
}

fn values(group: &[u8; GROUP]) -> Option<[u8; GROUP]> {
    let mut values = [0; GROUP];
    for (value, symbol) in values.iter_mut().zip(group) {
        let symbol = match symbol.to_ascii_uppercase() {
            b'O' => b'0',
            b'I' | b'L' => b'1',
            other => other,
        };
        *value = SYMBOLS.iter().position(|&known| known == symbol)? as u8;
    }
    Some(values)
}

/// Returns the check symbol of a group: see the module documentation.
fn check(number: usize, data: [u8; GROUP - 1]) -> u8 {
    // Horner's rule, from the last symbol to the first.
    let sum = data.iter().rev().fold(0, |sum, symbol| times_x(sum) ^ symbol);
    times_x(sum) ^ number as u8
}

/// `value · x` in the field of 32 elements.
fn times_x(value: u8) -> u8 {
    let shifted = value << 1;
    if shifted & 0b10_0000 == 0 { shifted } else { shifted ^ 0b10_0101 }
}

/// The letters at a place of a word, and the number of bits that they encode.
fn alphabet(at: usize) -> (&'static [u8], usize) {
    if at.is_multiple_of(2) { (b"bdfghjklmnprstvz", 4) } else { (b"aiou", 2) }
}

#[cfg(test)]
mod tests {
    use proptest::{array::uniform32, prelude::*};

    use super::*;

    fn counting() -> Fingerprint {
        Fingerprint(std::array::from_fn(|at| at as u8 * 7))
    }

    #[test]
    fn the_forms_are_stable() {
        assert_eq!(
            counting().to_string(),
            "003GN-W58WH-4CN3K-2E1ZM-8S6NX-8PV24-D5R79-EZM53-HJ9S6-N8D8G-NYVBN-VH6B2-TBCGP"
        );
        assert_eq!(
            counting().words(),
            "babal-bumij-dubog-fomud-gobuz-hinat-jidir-kanon-\
             ladul-lupaj-mufig-nopod-pofoz-riput-sigar-tarin"
        );
        assert_eq!(
            counting().hex(),
            "00070e151c232a31383f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9"
        );
    }

    /// The example of Wilkerson's paper.
    #[test]
    fn words_are_proquints() {
        let mut bytes = [0; BYTES];
        bytes[..4].copy_from_slice(&[127, 0, 0, 1]);
        assert!(Fingerprint(bytes).words().starts_with("lusab-babad-babab-"));
    }

    #[test]
    fn variants_of_the_forms_are_accepted() {
        let it = counting();
        let groups = it.to_string();
        for written in [
            groups.to_lowercase(),
            groups.replace('-', ""),
            format!("  {}\n", groups.replace('-', " \n")),
            groups.replace('0', "o").replace('1', "l"),
            it.words().to_uppercase(),
            it.hex().to_uppercase(),
            it.hex()
                .as_bytes()
                .chunks(2)
                .map(String::from_utf8_lossy)
                .collect::<Vec<_>>()
                .join(":"),
        ] {
            assert_eq!(Fingerprint::parse(&written), Ok(it), "{written}");
        }
    }

    #[test]
    fn errors_help() {
        let problem = |raw: &str| Fingerprint::parse(raw).unwrap_err().0;
        assert!(problem("").contains("13 groups"));
        assert!(problem("hello").contains("this has 5 symbols"));
        assert!(problem("é").contains("no 'é'"));
        assert!(problem(&"a".repeat(10_000)).contains("too long"));
        assert!(problem(&counting().to_string()[1..]).contains("this has 64 symbols"));
        assert!(problem(&"babab-".repeat(15)).contains("this has 75 symbols"));
        assert!(problem(&"babax-".repeat(16)).contains("\"babax\""));
        let mut groups = counting().to_string();
        groups.replace_range(12..13, "U");
        assert!(problem(&groups).contains("group 3 of the fingerprint"), "{}", problem(&groups));
    }

    #[test]
    fn nonzero_trailing_bits_are_refused() {
        let mut symbols = values(b"00000").unwrap();
        symbols[3] = 1;
        symbols[4] = check(GROUPS - 1, [0, 0, 0, 1]);
        let mut groups = Fingerprint([0; BYTES]).to_string();
        let last = groups.len() - GROUP;
        let forged = symbols.map(|value| char::from(SYMBOLS[usize::from(value)]));
        groups.replace_range(last.., &String::from_iter(forged));
        assert!(Fingerprint::parse(&groups).unwrap_err().0.contains("last group"));
    }

    fn groups_of(it: &Fingerprint) -> Vec<String> {
        it.to_string().split('-').map(str::to_owned).collect()
    }

    proptest! {
        #[test]
        fn every_form_is_read_back(bytes in uniform32(any::<u8>())) {
            let it = Fingerprint(bytes);
            for form in [it.to_string(), it.words(), it.hex()] {
                prop_assert_eq!(Fingerprint::parse(&form), Ok(it));
            }
        }

        #[test]
        fn every_wrong_symbol_is_noticed_in_its_group(
            bytes in uniform32(any::<u8>()), group in 0..GROUPS, at in 0..GROUP, by in 1..32_usize,
        ) {
            let mut groups = groups_of(&Fingerprint(bytes));
            let right = SYMBOLS.iter().position(|&s| s == groups[group].as_bytes()[at]).unwrap();
            let wrong = char::from(SYMBOLS[(right + by) % 32]).to_string();
            groups[group].replace_range(at..=at, &wrong);
            let problem = Fingerprint::parse(&groups.join("-")).unwrap_err().0;
            prop_assert!(problem.contains(&format!("group {} ", group + 1)), "{}", problem);
        }

        #[test]
        fn symbols_that_changed_places_are_noticed(
            bytes in uniform32(any::<u8>()), group in 0..GROUPS, a in 0..GROUP, b in 0..GROUP,
        ) {
            let mut groups = groups_of(&Fingerprint(bytes));
            let mut symbols = groups[group].clone().into_bytes();
            prop_assume!(symbols[a] != symbols[b]);
            symbols.swap(a, b);
            groups[group] = String::from_utf8(symbols).unwrap();
            prop_assert!(Fingerprint::parse(&groups.join("-")).is_err());
        }

        #[test]
        fn groups_that_changed_places_are_noticed(
            bytes in uniform32(any::<u8>()), a in 0..GROUPS, b in 0..GROUPS,
        ) {
            prop_assume!(a != b);
            let mut groups = groups_of(&Fingerprint(bytes));
            groups.swap(a, b);
            prop_assert!(Fingerprint::parse(&groups.join("-")).is_err());
        }

        #[test]
        fn no_text_makes_it_panic(raw: String, short in "[0-9A-Za-z -]{60,90}") {
            let _ = Fingerprint::parse(&raw);
            let _ = Fingerprint::parse(&short);
        }
    }
}
