//! Join links, which the operator of a hub gives to newcomers.
//!
//! `chinwag://HOST:PORT#FINGERPRINT` has the address of the hub and its key.
//! `chinwag://HOST:PORT?invite=CODE#FINGERPRINT` also admits a newcomer to a closed hub. Without a
//! fingerprint the hub must have a certificate of an authority that the machine trusts.

use std::{fmt, str::FromStr};

use super::{Endpoint, Fingerprint, Invalid};

/// The maximum length of a join link, in bytes: more than the longest host and code need.
pub const MAX_LINK_BYTES: usize = 1024;

/// The maximum length of an invitation's code, in bytes.
pub const MAX_INVITE_BYTES: usize = 64;

const SCHEME: &str = "chinwag://";
const INVITE: &str = "invite=";

/// A join link: the address of a hub, its key, and an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinLink {
    /// Where the hub listens.
    pub hub: Endpoint,
    /// The key of the hub; `None` if an authority vouches for it.
    pub fingerprint: Option<Fingerprint>,
    /// The invitation to a closed hub.
    pub invite: Option<InviteCode>,
}

/// The code of an invitation: 1 to [`MAX_INVITE_BYTES`] of `A-Z`, `a-z`, `0-9`, `-` and `_`. A
/// secret: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteCode(String);

impl JoinLink {
    /// Parses a link. The invitation may be before or after the fingerprint. The error says which
    /// part is wrong, and what would be right.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        let raw = raw.trim();
        if raw.len() > MAX_LINK_BYTES {
            return Err(Invalid::because(format!(
                "a join link must not be longer than {MAX_LINK_BYTES} bytes; this one has {}",
                raw.len()
            )));
        }
        let rest = without_scheme(raw).ok_or_else(|| {
            Invalid::because("a join link looks like chinwag://HOST:PORT#FINGERPRINT")
        })?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (hub, rest) = rest.split_at(end);
        let mut link = Self { hub: Endpoint::parse(hub)?, fingerprint: None, invite: None };
        // Some programs append an empty path to a link.
        link.read_parts(rest.strip_prefix('/').unwrap_or(rest))?;
        Ok(link)
    }

    /// Parses the parts after the endpoint, which begin with `?` or `#`.
    fn read_parts(&mut self, mut rest: &str) -> Result<(), Invalid> {
        while let Some(mark) = rest.chars().next() {
            let Some(part) = rest.strip_prefix(['?', '#']) else {
                return Err(Invalid::because("a join link has no path behind HOST:PORT"));
            };
            let end = part.find(['?', '#']).unwrap_or(part.len());
            rest = &part[end..];
            let part = &part[..end];
            let again = if mark == '#' {
                self.fingerprint.replace(Fingerprint::parse(part)?).is_some()
            } else {
                let code = part.strip_prefix(INVITE).ok_or_else(|| {
                    Invalid::because(
                        "the only thing to say behind the ? of a join link is invite=CODE",
                    )
                })?;
                self.invite.replace(InviteCode::parse(code)?).is_some()
            };
            if again {
                return Err(Invalid::because(format!("a join link has one part with {mark}")));
            }
        }
        Ok(())
    }
}

fn without_scheme(raw: &str) -> Option<&str> {
    let (scheme, rest) = raw.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(rest)
}

impl fmt::Display for JoinLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.hub)?;
        if let Some(invite) = &self.invite {
            write!(f, "?{INVITE}{}", invite.0)?;
        }
        if let Some(fingerprint) = &self.fingerprint {
            write!(f, "#{fingerprint}")?;
        }
        Ok(())
    }
}

impl FromStr for JoinLink {
    type Err = Invalid;

    fn from_str(raw: &str) -> Result<Self, Invalid> {
        Self::parse(raw)
    }
}

impl InviteCode {
    /// Checks a code. The error says what a code consists of.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !(1..=MAX_INVITE_BYTES).contains(&raw.len()) || !raw.bytes().all(allowed) {
            return Err(Invalid::because(format!(
                "an invitation's code has 1 to {MAX_INVITE_BYTES} letters, digits, '-' and '_'"
            )));
        }
        Ok(Self(raw.to_owned()))
    }

    /// Returns the code. Do not log it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::{array::uniform32, option, prelude::*};

    use super::*;

    fn key() -> Fingerprint {
        Fingerprint::from_bytes([7; 32])
    }

    #[test]
    fn every_part_is_read() {
        let link = JoinLink::parse(&format!("chinwag://hub.example.org:50051#{}", key())).unwrap();
        assert_eq!(link.hub, Endpoint::new("hub.example.org", 50051).unwrap());
        assert_eq!((link.fingerprint, link.invite), (Some(key()), None));
        let bare = JoinLink::parse("chinwag://[::1]:50051").unwrap();
        assert_eq!((bare.hub.host(), bare.fingerprint, bare.invite), ("::1", None, None));
    }

    #[test]
    fn variants_of_links_are_accepted() {
        let key = key();
        let link = JoinLink::parse(&format!("chinwag://a:1?invite=x_Y-9#{key}")).unwrap();
        assert_eq!(link.invite.as_ref().unwrap().as_str(), "x_Y-9");
        for written in [
            format!(" CHINWAG://A:1?invite=x_Y-9#{key}\n"),
            format!("chinwag://a:1/?invite=x_Y-9#{key}"),
            format!("chinwag://a:1#{key}?invite=x_Y-9"),
            format!("chinwag://a:1?invite=x_Y-9#{}", key.hex()),
        ] {
            assert_eq!(JoinLink::parse(&written).as_ref(), Ok(&link), "{written}");
        }
    }

    #[test]
    fn errors_help() {
        let key = key();
        for (raw, problem) in [
            (String::new(), "looks like chinwag://"),
            ("https://a:1".into(), "looks like chinwag://"),
            ("chinwag://a".into(), "HOST:PORT"),
            ("chinwag://::1:5".into(), "brackets"),
            ("chinwag://a:0".into(), "port"),
            ("chinwag://a:1/rooms".into(), "no path"),
            ("chinwag://a:1#123".into(), "13 groups"),
            ("chinwag://a:1?room=x".into(), "invite=CODE"),
            ("chinwag://a:1?invite=".into(), "1 to 64"),
            ("chinwag://a:1?invite=a%20b".into(), "letters, digits"),
            (format!("chinwag://a:1#{key}#{key}"), "one part with #"),
            ("chinwag://a:1?invite=a?invite=b".into(), "one part with ?"),
            (format!("chinwag://{}:1", "a".repeat(2000)), "1024"),
        ] {
            let got = JoinLink::parse(&raw).unwrap_err().0;
            assert!(got.contains(problem), "{raw}: {got}");
        }
    }

    #[test]
    fn debug_hides_the_code() {
        let link = JoinLink::parse("chinwag://a:1?invite=secret").unwrap();
        assert!(!format!("{link:?}").contains("secret"));
    }

    prop_compose! {
        fn links()(
            host in "[a-z]{1,20}(\\.[a-z0-9-]{1,20}){0,3}|[0-9]{1,3}\\.0\\.0\\.1|::[1-9]",
            port in 1..=u32::from(u16::MAX),
            key in option::of(uniform32(any::<u8>())),
            invite in option::of("[A-Za-z0-9_-]{1,64}"),
        ) -> JoinLink {
            JoinLink {
                hub: Endpoint::new(&host, port).unwrap(),
                fingerprint: key.map(Fingerprint::from_bytes),
                invite: invite.map(|code| InviteCode::parse(&code).unwrap()),
            }
        }
    }

    proptest! {
        #[test]
        fn every_link_is_read_back(link in links()) {
            prop_assert_eq!(JoinLink::parse(&link.to_string()), Ok(link));
        }

        #[test]
        fn no_text_makes_it_panic(
            raw: String, tail in "[#?/a-z0-9:=é-]{0,40}", scheme in "[a-zé:/]{0,12}",
        ) {
            let _ = JoinLink::parse(&raw);
            let _ = JoinLink::parse(&format!("chinwag://{tail}"));
            let _ = JoinLink::parse(&scheme);
        }
    }
}
