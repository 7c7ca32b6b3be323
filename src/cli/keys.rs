//! How keys are shown to people who compare them.

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

use super::view::{INDENT, table};
use crate::{
    identity::Contact,
    model::{Fingerprint, Name},
};

/// How many groups or words stand in a line.
const A_LINE: usize = 7;

/// One's own key: in groups, in words, and as a code for a camera; and what to do with it.
pub(crate) fn own(name: &Name, key: Fingerprint) -> Vec<String> {
    let mut lines = vec![format!("{name}, this is the fingerprint of your key:")];
    lines.extend(broken(&key.to_string()));
    lines.push("The same in words, to be read aloud:".into());
    lines.extend(broken(&key.words()));
    lines.extend(code(key));
    lines.push(format!(
        "Who has met you sees it with `chinwag verify {name}`: show it to them, or read it to them"
    ));
    lines
        .push("over the telephone. The last symbol of each group is a check against slips.".into());
    lines
}

/// What two people compare before one of them marks the other as verified.
pub(crate) fn to_compare(name: &Name, contact: &Contact, own: Fingerprint) -> Vec<String> {
    let mut lines = vec![format!("The key of {name}, as you know it:")];
    lines.extend(broken(&contact.key.to_string()));
    lines.extend(broken(&contact.key.words()));
    lines.push("Your own key, for them to compare:".into());
    lines.extend(broken(&own.to_string()));
    lines.push(format!(
        "{name} sees theirs with `chinwag id`. Ask them face to face, or by telephone."
    ));
    lines
}

/// What a person looks at before they accept that somebody has another key.
pub(crate) fn to_accept(name: &Name, known: Fingerprint, refused: Fingerprint) -> Vec<String> {
    let mut lines = vec![format!("The key of {name}, as you know it:")];
    lines.extend(broken(&known.to_string()));
    lines.push(format!("Another key, which the hub says is {name}'s now:"));
    lines.extend(broken(&refused.to_string()));
    lines.extend(broken(&refused.words()));
    lines.push(format!(
        "{name} sees theirs with `chinwag id`. Ask them, in another way than here, whether they have"
    ));
    lines.push("a new key, and which. If they have not, somebody stands in between.".into());
    lines
}

/// One line for each contact, and a second for a key that was refused.
pub(crate) fn contacts<'a>(
    contacts: impl IntoIterator<Item = (&'a Name, &'a Contact)>,
) -> Vec<String> {
    let contacts: Vec<_> = contacts.into_iter().collect();
    let rows = contacts.iter().map(|(name, contact)| {
        [name.to_string(), mark(contact).into(), contact.key.to_string(), contact.note.clone()]
    });
    let refused = contacts.iter().map(|(_, contact)| {
        let key = contact.refused_key?;
        Some(format!("{INDENT}refused: another key, {key}"))
    });
    let lines = table(rows).into_iter().zip(refused);
    lines.flat_map(|(line, refused)| std::iter::once(line).chain(refused)).collect()
}

/// How far a contact is known, in a word.
pub(crate) fn mark(contact: &Contact) -> &'static str {
    match (contact.blocked, contact.verified) {
        (true, _) => "blocked",
        (false, true) => "verified",
        (false, false) => "known",
    }
}

/// A fingerprint in lines that fit everywhere.
fn broken(fingerprint: &str) -> Vec<String> {
    let parts: Vec<&str> = fingerprint.split('-').collect();
    parts.chunks(A_LINE).map(|line| format!("{INDENT}{}", line.join("-"))).collect()
}

/// A code for a camera, in half blocks: dark on light, whatever the terminal's colours, is what
/// cameras are best at, and most terminals are dark.
fn code(key: Fingerprint) -> Vec<String> {
    // It always fits: the largest code holds fifty times as much.
    let Ok(code) = QrCode::with_error_correction_level(key.to_string(), EcLevel::L) else {
        return Vec::new();
    };
    let (dark, light) = (Dense1x2::Dark, Dense1x2::Light);
    let drawn = code.render::<Dense1x2>().dark_color(light).light_color(dark).build();
    drawn.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Fingerprint {
        Fingerprint::from_bytes([byte; 32])
    }

    fn name() -> Name {
        Name::parse("sova").unwrap()
    }

    fn contact() -> Contact {
        let mut book = crate::identity::Book::default();
        let hub = crate::model::Endpoint::parse("127.0.0.1:1").unwrap();
        let _ = book.meet_hub(&hub, None).unwrap();
        let _ = book.meet(&hub, &name(), key(1), &[]).unwrap();
        book.contact(&hub, &name()).unwrap().clone()
    }

    fn all(lines: &[String]) -> String {
        lines.iter().map(|line| line.trim_start().to_owned() + "-").collect()
    }

    #[test]
    fn ones_own_key_is_shown_in_every_form() {
        let lines = own(&name(), key(7));
        let shown = all(&lines);
        assert!(shown.contains(&key(7).to_string()), "{shown}");
        assert!(shown.contains(&key(7).words()), "{shown}");
        assert!(lines.iter().filter(|line| line.contains('█')).count() > 10, "{lines:#?}");
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{lines:#?}");
    }

    #[test]
    fn both_keys_are_there_to_compare() {
        let shown = all(&to_compare(&name(), &contact(), key(2)));
        for key in [key(1), key(2)] {
            assert!(shown.contains(&key.to_string()), "{shown}");
        }
    }

    #[test]
    fn a_contact_is_a_line_whatever_its_note_says() {
        let mut contact = contact();
        contact.note = "two\nlines\x1b[2J".into();
        let name = name();
        let line = |contact: &Contact| contacts([(&name, contact)]).join("\n");
        assert_eq!(line(&contact), format!("sova  known  {}  two␊lines␛[2J", key(1)));
        contact.verified = true;
        contact.refused_key = Some(key(9));
        let shown = line(&contact);
        assert!(shown.contains("sova  verified") && shown.contains(&key(9).to_string()), "{shown}");
        contact.refused_key = None;
        let (other, short) = (self::contact(), Name::parse("bo").unwrap());
        let [short, long] = &contacts([(&short, &other), (&name, &contact)])[..] else {
            panic!("a line each");
        };
        assert!(short.starts_with("bo    known     "), "{short}");
        assert!(long.starts_with("sova  verified  "), "{long}");
        contact.blocked = true;
        assert!(line(&contact).contains("sova  blocked"));
    }
}
