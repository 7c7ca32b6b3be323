//! Text forms of keys for people who compare them.

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

use super::view::{INDENT, table};
use crate::{
    identity::Contact,
    model::{Endpoint, Fingerprint, Name},
};

/// Groups or words of a fingerprint per line.
const PER_LINE: usize = 7;

/// Returns the user's own key in groups, in words and as a QR code, and what to do with it.
pub(crate) fn own(name: &Name, key: Fingerprint) -> Vec<String> {
    let mut lines = vec![format!("Fingerprint of your key, {name}:")];
    lines.extend(split_lines(&key.to_string()));
    lines.push("In words, to read aloud:".into());
    lines.extend(split_lines(&key.words()));
    lines.extend(qr_code(key));
    lines.push(format!(
        "Peers check it with `chinwag verify {name}`: show it to them, or read it to them over the"
    ));
    lines.push("telephone. The last symbol of each group detects typing errors.".into());
    lines
}

/// Returns both keys, to compare before a peer is marked as verified.
pub(crate) fn to_compare(name: &Name, contact: &Contact, own: Fingerprint) -> Vec<String> {
    let mut lines = vec![format!("Key of {name} in your contact book:")];
    lines.extend(split_lines(&contact.key.to_string()));
    lines.extend(split_lines(&contact.key.words()));
    lines.push(format!("Your own key, for {name} to compare:"));
    lines.extend(split_lines(&own.to_string()));
    lines.push(format!("{name} sees their key with `chinwag id`. Ask in person or by telephone."));
    lines
}

/// Returns the known and the refused key, to compare before the new one is accepted.
pub(crate) fn to_accept(name: &Name, known: Fingerprint, refused: Fingerprint) -> Vec<String> {
    let mut lines = vec![format!("Key of {name} in your contact book:")];
    lines.extend(split_lines(&known.to_string()));
    lines.push(format!("New key of {name}, according to the hub:"));
    lines.extend(split_lines(&refused.to_string()));
    lines.extend(split_lines(&refused.words()));
    lines.push(format!(
        "{name} sees their key with `chinwag id`. Ask over another channel whether they have a new key,"
    ));
    lines.push("and which. If not, somebody intercepts your connections.".into());
    lines
}

/// Returns the known key of a hub and that of its join link, to compare before the latter is accepted.
pub(crate) fn hub_to_accept(
    hub: &Endpoint,
    known: Fingerprint,
    linked: Fingerprint,
) -> Vec<String> {
    let mut lines = vec![format!("Key of the hub at {hub} in your contact book:")];
    lines.extend(split_lines(&known.to_string()));
    lines.push("Key in the join link:".into());
    lines.extend(split_lines(&linked.to_string()));
    lines.push(
        "The operator sees the key with `chinwagd link`. Ask over another channel whether the hub has a \
         new"
            .into(),
    );
    lines.push("key, and which. If not, the link leads to somebody else's hub.".into());
    lines
}

/// Returns one line per contact, and a second one for a refused key.
pub(crate) fn contacts<'a>(
    contacts: impl IntoIterator<Item = (&'a Name, &'a Contact)>,
) -> Vec<String> {
    let contacts: Vec<_> = contacts.into_iter().collect();
    let rows = contacts.iter().map(|(name, contact)| {
        [name.to_string(), mark(contact).into(), contact.key.to_string(), contact.note.clone()]
    });
    let refused = contacts.iter().map(|(_, contact)| {
        let key = contact.refused_key?;
        Some(format!("{INDENT}refused key: {key}"))
    });
    let lines = table(rows).into_iter().zip(refused);
    lines.flat_map(|(line, refused)| std::iter::once(line).chain(refused)).collect()
}

/// Returns in one word how far a contact is trusted.
pub(crate) fn mark(contact: &Contact) -> &'static str {
    match (contact.blocked, contact.verified) {
        (true, _) => "blocked",
        (false, true) => "verified",
        (false, false) => "known",
    }
}

fn split_lines(fingerprint: &str) -> Vec<String> {
    let parts: Vec<&str> = fingerprint.split('-').collect();
    parts.chunks(PER_LINE).map(|line| format!("{INDENT}{}", line.join("-"))).collect()
}

/// Returns a QR code in half blocks, inverted for dark terminals, since cameras read dark on light best.
fn qr_code(key: Fingerprint) -> Vec<String> {
    // A fingerprint always fits: the largest code holds fifty times as much.
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
        let mut book = crate::identity::ContactBook::default();
        let hub = crate::model::Endpoint::parse("127.0.0.1:1").unwrap();
        let _ = book.meet_hub(&hub, None).unwrap();
        let _ = book.meet(&hub, &name(), key(1), &[]).unwrap();
        book.contact(&hub, &name()).unwrap().clone()
    }

    fn all(lines: &[String]) -> String {
        lines.iter().map(|line| line.trim_start().to_owned() + "-").collect()
    }

    #[test]
    fn the_own_key_is_shown_in_every_form() {
        let lines = own(&name(), key(7));
        let shown = all(&lines);
        assert!(shown.contains(&key(7).to_string()), "{shown}");
        assert!(shown.contains(&key(7).words()), "{shown}");
        assert!(lines.iter().filter(|line| line.contains('█')).count() > 10, "{lines:#?}");
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{lines:#?}");
    }

    #[test]
    fn both_keys_are_shown() {
        let shown = all(&to_compare(&name(), &contact(), key(2)));
        for key in [key(1), key(2)] {
            assert!(shown.contains(&key.to_string()), "{shown}");
        }
        assert!(shown.contains("for sova to compare"), "{shown}");
    }

    #[test]
    fn a_contact_is_one_line_whatever_its_note_contains() {
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
