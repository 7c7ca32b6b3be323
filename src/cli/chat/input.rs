//! What a typed line means.
//!
//! Nothing that might have been meant for one person may end up in a room: a line that begins like
//! a command and is none is explained, not posted. That holds for each line of a text that was
//! pasted.

pub(crate) mod commands;

use crate::model::{Endpoint, Fingerprint, Invalid, Name, PeerStatus, RoomName, Text};

/// How many messages `/history` shows unless it is told.
const DEFAULT_HISTORY: u32 = 20;

/// The most messages `/history` shows: what one answer of a hub holds.
const MAX_HISTORY: u32 = 1000;

/// A line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// A blank line.
    Nothing,
    /// A text for the current room.
    Post(Text),
    /// Something that takes a while.
    Ask(Request),
    /// Say how the chat is.
    ShowStatus,
    /// List the commands.
    Help,
    /// Leave the chat.
    Quit,
    /// Not understood: what to tell the person. Nothing is sent.
    Mistake(String),
}

/// What takes a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// List the peers.
    Peers,
    /// A text for one peer.
    Send { to: Name, text: Text },
    /// A text for whoever is at an address.
    SendTo { to: Endpoint, text: Text },
    /// Be in a room and talk there.
    Join(RoomName),
    /// Leave a room; none: the current one.
    Leave(Option<RoomName>),
    /// List the rooms.
    Rooms,
    /// Show this many of the current room's latest messages.
    History(u32),
    /// Find messages of the current room.
    Search(String),
    /// Show one's own key.
    Id,
    /// List the contacts.
    Contacts,
    /// Show a key to compare; with a fingerprint: mark it as compared.
    Verify { name: Name, said: Option<Fingerprint> },
    /// Accept that somebody has another key.
    Accept(Name),
    /// Tell the others how one is.
    SetStatus(PeerStatus),
}

impl Request {
    /// Whether it changes where the next line goes.
    pub(crate) fn moves(&self) -> bool {
        matches!(self, Self::Join(_) | Self::Leave(_))
    }
}

impl Input {
    /// Understands what was typed, without its end: a line, or several that were pasted.
    pub(crate) fn parse(typed: &str) -> Self {
        let understood = no_command_inside(typed).and_then(|()| understand(typed));
        understood.unwrap_or_else(|Invalid(problem)| Self::Mistake(problem))
    }
}

/// Whether a line is, or might have been, meant for one person: then no file may keep it.
pub(crate) fn is_private(typed: &str) -> bool {
    use Request::{Send, SendTo};
    matches!(Input::parse(typed), Input::Ask(Send { .. } | SendTo { .. }) | Input::Mistake(_))
}

/// Refuses a text with a command after its first line: what is meant for one person, as in
/// `/msg NAME TEXT`, would go wherever the first line goes.
fn no_command_inside(typed: &str) -> Result<(), Invalid> {
    let mut later = typed.split(['\n', '\r']).skip(1);
    match later.position(begins_like_a_command) {
        None => Ok(()),
        Some(i) => Err(usage(&format!(
            "nothing was sent: line {} begins like a command, and a command stands alone; to post \
             it, put a word before it",
            i + 2
        ))),
    }
}

fn begins_like_a_command(line: &str) -> bool {
    let trimmed = line.trim();
    line.trim_end() == "PEER"
        || line.strip_prefix("P2P").is_some_and(starts_blank)
        || (trimmed.starts_with('/') && !trimmed.starts_with("//"))
}

fn understand(line: &str) -> Result<Input, Invalid> {
    let trimmed = line.trim();
    if trimmed.is_empty() {
        return Ok(Input::Nothing);
    }
    if line.trim_end() == "PEER" {
        return Ok(Input::Ask(Request::Peers));
    }
    // Not trimmed at its beginning: a blank before it is the way to talk about P2P.
    if let Some(rest) = line.strip_prefix("P2P").filter(|rest| starts_blank(rest)) {
        return p2p_words(rest);
    }
    match trimmed.strip_prefix('/') {
        None => Text::parse(line).map(Input::Post),
        Some(text) if text.starts_with('/') => Text::parse(text).map(Input::Post),
        Some(command) => understand_command(command),
    }
}

fn starts_blank(rest: &str) -> bool {
    rest.chars().next().is_none_or(char::is_whitespace)
}

/// The original program's way to name an address.
fn p2p_words(rest: &str) -> Result<Input, Invalid> {
    let (host, rest) = first_word(rest);
    let (port, text) = first_word(rest);
    let to = match port.parse::<u32>() {
        Ok(port) if !text.is_empty() => Endpoint::new(host, port)?,
        _ => {
            return Err(usage(
                "P2P HOST PORT TEXT sends straight to an address; to post a text that begins with \
                 P2P, put a blank before it",
            ));
        }
    };
    Ok(Input::Ask(Request::SendTo { to, text: Text::parse(text)? }))
}

fn understand_command(command: &str) -> Result<Input, Invalid> {
    let (word, rest) = first_word(command);
    match word.to_lowercase().as_str() {
        "help" => alone(word, rest, Input::Help),
        "quit" => alone(word, rest, Input::Quit),
        "status" if rest.is_empty() => Ok(Input::ShowStatus),
        "peers" => alone(word, rest, Input::Ask(Request::Peers)),
        "rooms" => alone(word, rest, Input::Ask(Request::Rooms)),
        "id" => alone(word, rest, Input::Ask(Request::Id)),
        "contacts" => alone(word, rest, Input::Ask(Request::Contacts)),
        _ => request(word, rest).map(Input::Ask),
    }
}

fn request(word: &str, rest: &str) -> Result<Request, Invalid> {
    match word.to_lowercase().as_str() {
        "msg" => {
            let (to, text) = addressed(rest, "/msg NAME TEXT")?;
            Ok(Request::Send { to: Name::parse(to)?, text })
        }
        "p2p" => {
            let (to, text) = addressed(rest, "/p2p HOST:PORT TEXT")?;
            Ok(Request::SendTo { to: Endpoint::parse(to)?, text })
        }
        "join" if rest.is_empty() => Err(usage("which room? /join ROOM")),
        "join" => RoomName::parse(rest).map(Request::Join),
        "leave" if rest.is_empty() => Ok(Request::Leave(None)),
        "leave" => RoomName::parse(rest).map(|room| Request::Leave(Some(room))),
        "history" => history(rest).map(Request::History),
        "search" if rest.is_empty() => Err(usage("which words? /search WORDS")),
        "search" => Ok(Request::Search(rest.to_owned())),
        "verify" => verify(rest),
        "accept" if rest.is_empty() => Err(usage("whose key? /accept NAME")),
        "accept" => Name::parse(rest).map(Request::Accept),
        "status" => status(rest).map(Request::SetStatus),
        _ => Err(usage(&format!(
            "there is no command /{word}: /help lists them, and //TEXT posts a text that begins \
             with a slash"
        ))),
    }
}

fn alone(word: &str, rest: &str, input: Input) -> Result<Input, Invalid> {
    if rest.is_empty() { Ok(input) } else { Err(usage(&format!("/{word} stands alone"))) }
}

fn addressed<'a>(rest: &'a str, form: &str) -> Result<(&'a str, Text), Invalid> {
    let (to, text) = first_word(rest);
    if text.is_empty() {
        return Err(usage(&format!("to whom, and what? {form}")));
    }
    Ok((to, Text::parse(text)?))
}

fn history(rest: &str) -> Result<u32, Invalid> {
    if rest.is_empty() {
        return Ok(DEFAULT_HISTORY);
    }
    let count = rest.parse().ok().filter(|count| (1..=MAX_HISTORY).contains(count));
    count.ok_or_else(|| usage(&format!("how many? /history N, with N from 1 to {MAX_HISTORY}")))
}

fn verify(rest: &str) -> Result<Request, Invalid> {
    let (name, said) = first_word(rest);
    if name.is_empty() {
        return Err(usage("whom? /verify NAME, or /verify NAME FINGERPRINT"));
    }
    let said = (!said.is_empty()).then(|| Fingerprint::parse(said)).transpose()?;
    Ok(Request::Verify { name: Name::parse(name)?, said })
}

fn status(rest: &str) -> Result<PeerStatus, Invalid> {
    match rest.to_lowercase().as_str() {
        "online" => Ok(PeerStatus::Online),
        "away" => Ok(PeerStatus::Away),
        "busy" => Ok(PeerStatus::Busy),
        _ => Err(usage("a status is online, away or busy")),
    }
}

/// The first word and what follows it, without the blanks around either.
fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

fn usage(problem: &str) -> Invalid {
    Invalid(problem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MAX_TEXT_BYTES;

    fn text(raw: &str) -> Text {
        Text::parse(raw).unwrap()
    }

    fn name(raw: &str) -> Name {
        Name::parse(raw).unwrap()
    }

    fn endpoint(raw: &str) -> Endpoint {
        Endpoint::parse(raw).unwrap()
    }

    fn room(raw: &str) -> RoomName {
        RoomName::parse(raw).unwrap()
    }

    #[track_caller]
    fn mistaken(line: &str, said: &str) {
        match Input::parse(line) {
            Input::Mistake(problem) => assert!(problem.contains(said), "{line:?}: {problem}"),
            other => panic!("{line:?} was understood as {other:?}"),
        }
    }

    #[test]
    fn plain_text_is_posted_as_it_is() {
        for line in
            ["hello", "  indented /quit", "PEER?", "peer", "P2P2", "dup P2P a 1 b", " P2P a"]
        {
            assert_eq!(Input::parse(line), Input::Post(text(line)), "{line:?}");
        }
        assert_eq!(Input::parse("//shrug"), Input::Post(text("/shrug")));
        assert_eq!(Input::parse("///"), Input::Post(text("//")));
    }

    #[test]
    fn blank_lines_are_nothing() {
        for line in ["", "   ", "\t", "\r"] {
            assert_eq!(Input::parse(line), Input::Nothing, "{line:?}");
        }
    }

    #[test]
    fn the_words_of_the_original_program() {
        assert_eq!(Input::parse("PEER"), Input::Ask(Request::Peers));
        assert_eq!(Input::parse("PEER\r"), Input::Ask(Request::Peers));
        assert_eq!(
            Input::parse("P2P 127.0.0.1 54322 secret  messages"),
            Input::Ask(Request::SendTo {
                to: endpoint("127.0.0.1:54322"),
                text: text("secret  messages")
            })
        );
        assert_eq!(
            Input::parse("P2P ::1 54322 hi"),
            Input::Ask(Request::SendTo { to: endpoint("[::1]:54322"), text: text("hi") })
        );
    }

    #[test]
    fn a_private_line_with_a_mistake_is_never_posted() {
        for line in ["P2P", "P2P 127.0.0.1", "P2P 127.0.0.1 54322", "P2P 127.0.0.1:54322 secret"] {
            mistaken(line, "P2P HOST PORT TEXT");
        }
        mistaken("P2P 127.0.0.1 99999 secret", "a port must be from 1 to 65535");
        mistaken("P2P no/host 1 secret", "neither a host name nor an address");
        mistaken(" /msg", "/msg NAME TEXT");
        mistaken("/msg buzz", "/msg NAME TEXT");
        mistaken("/msg -buzz secret", "must begin with a letter or a digit");
        mistaken("/p2p 127.0.0.1 secret", "HOST:PORT");
        mistaken("/mgs buzz secret", "there is no command /mgs");
    }

    #[test]
    fn a_command_in_a_later_line_is_never_posted() {
        for command in
            ["/msg buzz secret", "  /mgs buzz secret", "PEER", "P2P 127.0.0.1 1 secret", "P2P", "/"]
        {
            for before in ["hello\n", "hello\r", "\n", "one\n\ntwo\r\n", "/msg colt hello\n"] {
                let pasted = format!("{before}{command}\nmore");
                mistaken(&pasted, "nothing was sent");
            }
        }
        mistaken("one\ntwo\n/quit", "line 3 begins like a command");
        for fine in ["fn f() {\n    // why\n\n}", "a\nb/c", "a\n P2P is fine\nPEERS"] {
            assert_eq!(Input::parse(fine), Input::Post(text(fine)), "{fine:?}");
        }
    }

    #[test]
    fn what_might_be_meant_for_one_person_is_private() {
        for line in ["/msg buzz a", " /P2P ::1 a", "P2P 127.0.0.1 1 a", "P2P a", "/mgs buzz a"] {
            assert!(is_private(line), "{line:?}");
        }
        for line in ["hello", "/join ops", "PEER", "//msg", "/quit"] {
            assert!(!is_private(line), "{line:?}");
        }
    }

    #[test]
    fn commands_and_their_words() {
        let secret = text("the  secret");
        let key = Fingerprint::from_bytes([7; 32]);
        for (line, request) in [
            ("/peers", Request::Peers),
            ("/msg Buzz  the  secret", Request::Send { to: name("buzz"), text: secret.clone() }),
            ("  /MSG buzz the  secret ", Request::Send { to: name("buzz"), text: secret.clone() }),
            ("/p2p [::1]:9 the  secret", Request::SendTo { to: endpoint("[::1]:9"), text: secret }),
            ("/join Ops", Request::Join(room("ops"))),
            ("/leave", Request::Leave(None)),
            ("/leave ops", Request::Leave(Some(room("ops")))),
            ("/rooms", Request::Rooms),
            ("/history", Request::History(DEFAULT_HISTORY)),
            ("/history 7", Request::History(7)),
            ("/id", Request::Id),
            ("/contacts", Request::Contacts),
            ("/verify Buzz", Request::Verify { name: name("buzz"), said: None }),
            (
                &format!("/verify buzz {}", key.to_string().replace('-', " ")),
                Request::Verify { name: name("buzz"), said: Some(key) },
            ),
            ("/accept buzz", Request::Accept(name("buzz"))),
            ("/search two words", Request::Search("two words".into())),
            ("/status Away", Request::SetStatus(PeerStatus::Away)),
        ] {
            assert_eq!(Input::parse(line), Input::Ask(request), "{line:?}");
        }
        assert_eq!(Input::parse("/status"), Input::ShowStatus);
        assert_eq!(Input::parse("/help"), Input::Help);
        assert_eq!(Input::parse("/quit "), Input::Quit);
    }

    #[test]
    fn mistakes_are_explained() {
        mistaken("/", "/help lists them");
        mistaken("/quit now", "/quit stands alone");
        mistaken("/join", "/join ROOM");
        mistaken("/join two rooms", "letters, digits");
        mistaken("/history 0", "from 1 to 1000");
        mistaken("/history many", "from 1 to 1000");
        mistaken("/search", "/search WORDS");
        mistaken("/verify", "/verify NAME");
        mistaken("/verify buzz 123", "13 groups");
        mistaken("/accept", "/accept NAME");
        mistaken("/id me", "/id stands alone");
        mistaken("/status invisible", "online, away or busy");
        mistaken(&"x".repeat(MAX_TEXT_BYTES + 1), "must not be longer than");
    }
}
