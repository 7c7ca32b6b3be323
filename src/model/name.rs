//! Names of peers and rooms, and which names look alike.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use precis_core::profile::{Profile, Rules};
use precis_profiles::UsernameCaseMapped;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_script::{Script, UnicodeScript};

use super::{
    Invalid,
    fold::{fold, is_ignorable},
};

/// The maximum length of a normalized name of a peer or a room, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// The most marks in a row, such as vowel signs and tones: what UTS 39, section 5.4, allows. No script
/// needs more, and a heap of marks covers other lines.
const MAX_MARKS: usize = 4;

const LETTERS: &str = "a name must be of letters, digits, '.', '_' and '-'";

/// A peer's name, normalized by PRECIS UsernameCaseMapped (RFC 8265, section 3.3).
///
/// It consists of letters and digits of any script with their marks, `.`, `_` and `-`, and begins with
/// a letter or a digit, so that it can stand in a command line and in a path without quoting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// A room's name. The rules are those of [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(Arc<str>);

/// The room that every session is in.
pub const LOBBY: &str = "lobby";

fn normalize(raw: &str) -> Result<Arc<str>, Invalid> {
    if raw.is_empty() {
        return Err(Invalid::because("a name must not be empty"));
    }
    if raw.contains(char::is_whitespace) {
        return Err(Invalid::because(
            "a name must be one word of letters, digits, '.', '_' and '-'",
        ));
    }
    // Checked first, as normalizing is expensive.
    if raw.len() > 4 * MAX_NAME_BYTES {
        return Err(Invalid::because(too_long()));
    }
    // Most names are plain ASCII and need no normalizing.
    let name = if raw.bytes().all(is_plain) {
        Cow::Borrowed(raw)
    } else {
        Cow::Owned(enforce(raw).map_err(|_| Invalid::because(LETTERS))?)
    };
    if name.len() > MAX_NAME_BYTES {
        return Err(Invalid::because(too_long()));
    }
    // The profile admits letters, digits and marks of all scripts, the signs that some languages have
    // within words, and all of ASCII.
    if let Some(bad) = name.chars().find(|c| c.is_ascii() && !is_plain(*c as u8)) {
        return Err(Invalid::because(format!("{LETTERS}, not {bad:?}")));
    }
    if !name.starts_with(char::is_alphanumeric) {
        return Err(Invalid::because("a name must begin with a letter or a digit"));
    }
    check_marks(&name)?;
    Ok(name.into())
}

/// Applies the rules of the profile.
fn enforce(raw: &str) -> Result<String, precis_core::Error> {
    let profile = UsernameCaseMapped::new();
    // The profile refuses letters that are decomposed, or have another form that it knows.
    let name = profile.prepare(raw.nfkc().collect::<String>())?;
    let name = profile.normalization_rule(profile.case_mapping_rule(name)?)?;
    // The lower case of the Turkish İ has a dot of its own above that of the i.
    let name: String = name.replace("i\u{307}", "i").nfc().collect();
    // Such marks are valid in any place (RFC 5893, section 2), and precis-profiles 0.2 refuses them
    // between letters.
    let bare: String = name.chars().filter(|&c| !is_mark_of_any_direction(c)).collect();
    profile.directionality_rule(bare)?;
    Ok(name)
}

/// Returns true for marks that take the direction of their letter.
fn is_mark_of_any_direction(c: char) -> bool {
    use Script as S;
    is_combining_mark(c)
        && matches!(
            c.script(),
            S::Inherited
                | S::Hebrew
                | S::Arabic
                | S::Syriac
                | S::Thaana
                | S::Nko
                | S::Adlam
                | S::Hanifi_Rohingya
        )
}

/// Errors if a mark follows none of a letter, a digit and another mark, if there are too many, or if
/// one is repeated.
fn check_marks(name: &str) -> Result<(), Invalid> {
    let (mut before, mut marks) = ('\0', 0);
    for c in name.chars() {
        let is_mark = is_combining_mark(c);
        marks = if is_mark { marks + 1 } else { 0 };
        if is_mark
            && !before.is_alphanumeric()
            && !is_combining_mark(before)
            && !is_ignorable(before)
        {
            return Err(Invalid::because("a mark in a name must follow a letter or a digit"));
        }
        if marks > MAX_MARKS || (is_mark && c == before) {
            return Err(Invalid::because("a name must not have so many marks on one letter"));
        }
        before = c;
    }
    Ok(())
}

/// Returns true if normalizing a name of such bytes does not change it.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-')
}

fn too_long() -> String {
    format!("a name must not be longer than {MAX_NAME_BYTES} bytes")
}

macro_rules! name_type {
    ($type:ident) => {
        impl $type {
            /// Normalizes and checks a name. Errors with what is wrong with `raw`.
            pub fn parse(raw: &str) -> Result<Self, Invalid> {
                normalize(raw).map(Self)
            }

            /// Returns the normalized name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = Invalid;

            fn from_str(raw: &str) -> Result<Self, Invalid> {
                Self::parse(raw)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type!(Name);
name_type!(RoomName);

impl Name {
    /// Returns the skeleton of the name: names with the same skeleton cannot be told apart (UTS 39,
    /// section 4).
    pub fn skeleton(&self) -> String {
        unicode_security::skeleton(&self.0).flat_map(char::to_lowercase).collect()
    }

    /// Returns the likeness of the name: names with the same likeness can be mistaken for each other,
    /// and a hub gives out only one of them.
    pub fn likeness(&self) -> String {
        Self::likeness_of(&self.skeleton())
    }

    /// Returns the likeness of names with this skeleton. Beyond what the skeleton ignores, it ignores
    /// accents and strokes, tells `.`, `_` and `-` not apart, ignores them at the end, and takes `vv`
    /// for `w`.
    pub fn likeness_of(skeleton: &str) -> String {
        let mut folded = String::with_capacity(skeleton.len());
        fold(skeleton, &mut folded);
        let parts = folded.split(['.', '_', '-']).filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join("-").replace("vv", "w")
    }
}

impl RoomName {
    /// The room that every session is in.
    pub fn lobby() -> Self {
        Self(LOBBY.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizing_leaves_plain_names_alone() {
        let plain: String = (0..=u8::MAX).filter(|&byte| is_plain(byte)).map(char::from).collect();
        for name in [plain.as_str(), "0-9", "a.b_c-d", "007", "--", "._."] {
            assert_eq!(enforce(name).unwrap(), name);
        }
    }

    #[test]
    fn names_of_living_languages_are_granted() {
        for (raw, name) in [
            ("प्रिया", "प्रिया"),
            ("தமிழ்", "தமிழ்"),
            ("İsmail", "ismail"),
            ("I\u{307}smail", "ismail"),
            ("\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}\u{110b}\u{1165}", "한국어"),
            ("ไพลิน", "ไพลิน"),
            ("น้ำ", "น้\u{e4d}า"),
            ("မြန်မာ", "မြန်မာ"),
            ("ខ្មែរ", "ខ្មែរ"),
            ("সুমিত্রা", "সুমিত্রা"),
            ("ശ്രീ", "ശ്രീ"),
            ("ශ්\u{200d}රී", "ශ්\u{200d}රී"),
            ("བཀྲ་ཤིས", "བཀྲ་ཤིས"),
            ("Nguye\u{302}\u{303}n", "nguyễn"),
            ("Ọláṣẹ́gun", "ọláṣẹ́gun"),
            ("שָׂרָה", "שָׂרָה"),
            ("מֹשֶׁה", "מֹשֶׁה"),
            ("مُحَمَّد", "مُحَمَّد"),
            ("އަހުމަދު", "އަހުމަދު"),
            ("علی\u{200c}رضا", "علی\u{200c}رضا"),
            ("Gal·la", "gal·la"),
            ("ジョン・スミス", "ジョン・スミス"),
            ("ＡＬＩＣＥ", "alice"),
            ("Straße", "straße"),
        ] {
            let parsed = Name::parse(raw).unwrap_or_else(|why| panic!("{raw}: {why}"));
            assert_eq!(parsed.as_str(), name);
            assert_eq!(Name::parse(name), Ok(parsed), "{name}");
            assert!(RoomName::parse(raw).is_ok());
        }
    }

    #[test]
    fn marks_belong_to_letters_and_do_not_pile_up() {
        for raw in [
            "\u{94d}a",
            "-\u{301}",
            "a-\u{301}",
            "a\u{301}\u{323}\u{301}\u{323}\u{331}\u{330}",
            "x\u{331}\u{331}",
            "a\u{200b}b",
            "a\u{200d}b",
            "a\u{ad}b",
            "a\u{34f}b",
            "a\u{fe0f}",
            "x\u{489}",
            "🎉",
            "a b",
            "a'b",
            "a/b",
            "a!",
            "½",
            "",
            ".a",
        ] {
            assert!(Name::parse(raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn names_that_can_be_mistaken_have_one_likeness() {
        for (name, other) in [
            ("alice", "alice."),
            ("alice", "alice_"),
            ("alice", "alice--"),
            ("alice", "alicė"),
            ("alice", "àlíçe"),
            ("alice", "аlice"),
            ("alice", "a1ice"),
            ("word", "vvord"),
            ("m", "rn"),
            ("zoe", "Zoë"),
            ("build-bot", "build_bot"),
            ("build-bot", "build..bot"),
            ("lodz", "łódź"),
            ("ismail", "İsmail"),
            ("ismail", "ısmail"),
            ("иван", "йван"),
            ("שרה", "שָׂרָה"),
        ] {
            let [a, b] = [name, other].map(|raw| {
                Name::parse(raw).unwrap_or_else(|why| panic!("{raw}: {why}")).likeness()
            });
            assert_eq!(a, b, "{name} {other}");
            assert_eq!(Name::likeness_of(&a), a, "{name}");
        }
        for (name, other) in [
            ("alice", "alice2"),
            ("build-bot", "buildbot"),
            ("dave", "clave"),
            ("प्रिया", "परया"),
            ("が", "か"),
            ("ann", "anna"),
        ] {
            let [a, b] = [name, other].map(|raw| {
                Name::parse(raw).unwrap_or_else(|why| panic!("{raw}: {why}")).likeness()
            });
            assert_ne!(a, b, "{name} {other}");
        }
    }
}
