//! Formats everything as text, in pure functions.
//!
//! Text from others is escaped with [`text`] here and nowhere later. Further lines of a message are
//! indented and notices begin with `*`, so that no message can imitate another line.

use jiff::{Timestamp, tz::TimeZone};
use unicode_width::UnicodeWidthStr;

use super::{
    config::hubs::HubEntry,
    failure, graphemes,
    words::{status, verification},
};
use crate::{
    client::{
        Direct, DirectState, Error, Forgotten, HistoryNotice, KeptDirect, Queued, Verification,
    },
    model::{Endpoint, Fingerprint, Message, MessageId, Name, Peer, Receipt, Room, RoomName},
    text,
};

/// The indent of further lines.
pub(crate) const INDENT: &str = "    ";

/// Formats times in the local time zone.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    zone: TimeZone,
    /// Returns the current time; its date is left out, so that lines stay short.
    now: fn() -> Timestamp,
}

impl Clock {
    /// Returns a clock in the time zone of this machine.
    pub(crate) fn local() -> Self {
        Self { zone: TimeZone::system(), now: Timestamp::now }
    }

    /// Formats a time as [`when`] does.
    pub(crate) fn show(&self, at: Timestamp) -> String {
        when(at, (self.now)(), &self.zone)
    }

    pub(crate) fn show_now(&self) -> String {
        self.show((self.now)())
    }
}

/// `HH:MM` on the day of `now`, `YYYY-MM-DD HH:MM` on any other day.
pub(crate) fn when(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let [at, now] = [at, now].map(|moment| moment.to_zoned(zone.clone()));
    let format = if at.date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    at.strftime(format).to_string()
}

/// Formats a message of a room; `room` is given if there are several.
pub(crate) fn message(clock: &Clock, message: &Message, room: Option<&RoomName>) -> String {
    let at = clock.show(message.created_at);
    let room = room.map(|room| format!("{room} ")).unwrap_or_default();
    entry(&format!("{at} {room}{}:", message.sender), message.text.as_str())
}

/// Formats a direct message that was received.
pub(crate) fn direct(clock: &Clock, direct: &Direct) -> String {
    let mark = match direct.verification {
        Verification::Unverified(Some(key)) => format!("unverified, key {key}"),
        known => verification(known).into(),
    };
    let sender = &direct.message.sender;
    let head = format!("{} [direct] {sender} ({mark}):", clock.show_now());
    entry(&head, direct.message.text.as_str())
}

pub(crate) fn direct_sent(clock: &Clock, receipt: &Receipt, sent: &str) -> String {
    entry(&format!("{} [direct to {}]", clock.show_now(), receipt.receiver), sent)
}

/// Formats a direct message of the history.
pub(crate) fn kept_direct(clock: &Clock, kept: &KeptDirect) -> String {
    let at = clock.show(kept.kept_at);
    let head = match (&kept.receiver, kept.state) {
        (Some(to), DirectState::Queued) => format!("{at} [direct to {to}, queued]"),
        (Some(to), _) => format!("{at} [direct to {to}]"),
        (None, _) => {
            format!("{at} [direct] {} ({}):", kept.message.sender, verification(kept.verification))
        }
    };
    entry(&head, kept.message.text.as_str())
}

/// Formats a conversation with what is kept, unread and queued of it.
pub(crate) fn conversation(peer: &Name, kept: u64, unread: u64, queued: usize) -> String {
    let mut text = format!("direct with {peer}: {kept} kept");
    if unread > 0 {
        text.push_str(&format!(", {unread} not read"));
    }
    if queued > 0 {
        text.push_str(&format!(", {queued} queued"));
    }
    text
}

/// Says what a person should know about the history.
pub(crate) fn history_notice(notice: &HistoryNotice) -> String {
    match notice {
        HistoryNotice::Began { file, .. } => format!(
            "direct messages are kept in {}; `keep = false` in config.toml turns it off",
            file.display()
        ),
        HistoryNotice::Failed(cause) => format!("direct messages are not kept: {cause}"),
    }
}

/// Writes a number of things, as in `1 message` or `2 messages`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Says what was removed with a contact.
pub(crate) fn forgotten(name: &Name, what: &Forgotten) -> String {
    let mut text = match what.contact {
        true => format!(
            "removed {name} from your contacts; the next key under that name is accepted as new"
        ),
        false => format!("{name} was not in your contacts"),
    };
    if what.kept > 0 {
        text.push_str(&format!("; deleted {}", counted(what.kept, "kept message")));
    }
    if what.queued > 0 {
        text.push_str(&format!("; deleted {}", counted(what.queued, "queued message")));
    }
    text
}

/// Reports that not all messages could be deleted.
pub(crate) fn not_forgotten(name: &Name, problems: &[Error]) -> String {
    let problems: Vec<String> = problems.iter().map(Error::to_string).collect();
    format!("not all messages with {name} are deleted: {}", problems.join("; "))
}

pub(crate) fn queued_delivered(receipt: &Receipt) -> String {
    format!("delivered to {}: {}", receipt.receiver, receipt.id)
}

/// Reports that the operator of the hub has renamed the user.
pub(crate) fn renamed(from: &Name, to: &Name) -> String {
    format!("you are {to} now, and not {from}: the hub's operator has renamed you")
}

/// Reports that a queued message was refused for good.
pub(crate) fn queued_failed(id: MessageId, peer: &Name, error: &Error) -> String {
    let why = failure::describe(error);
    format!("not delivered to {peer}: {id} stays in the outbox: {why}")
}

/// Reports a caller with a wrong key. The caller appends the command that accepts the key.
pub(crate) fn caller_key_changed(name: &Name, known: Fingerprint, offered: Fingerprint) -> String {
    format!(
        "refused a caller that claims to be {name} but has another key; known: {known}; caller: \
         {offered}; if {name} has told you about a new key"
    )
}

/// Formats a text after its head, with further lines indented.
fn entry(head: &str, raw: &str) -> String {
    let body = text::lines(raw.trim_end_matches('\n')).replace('\n', &format!("\n{INDENT}"));
    format!("{} {body}", text::one_line(head))
}

/// Formats a notice of the program.
pub(crate) fn notice(text: &str) -> String {
    format!("* {}", text::one_line(text))
}

/// Formats one line per peer: name, status, endpoints, time.
pub(crate) fn peers<'a>(clock: &Clock, peers: impl IntoIterator<Item = &'a Peer>) -> Vec<String> {
    table(peers.into_iter().map(|peer| cells(clock, peer)))
}

pub(crate) fn peer(clock: &Clock, peer: &Peer) -> String {
    table([cells(clock, peer)].into_iter()).concat()
}

fn cells(clock: &Clock, peer: &Peer) -> [String; 4] {
    let endpoints: Vec<String> = peer.endpoints.iter().map(Endpoint::to_string).collect();
    let endpoints = if endpoints.is_empty() { "-".into() } else { endpoints.join(", ") };
    let since = format!("since {}", clock.show(peer.online_since));
    [peer.name.to_string(), status(peer.status).into(), endpoints, since]
}

/// The cells of a text in a list of messages.
const TEXT_CELLS: usize = 32;

/// Formats one line per queued message: the beginning of its id, receiver, time, the beginning of its
/// text, attempts and error.
pub(crate) fn outbox(clock: &Clock, queued: &[Queued], id_length: usize) -> Vec<String> {
    table(queued.iter().map(|one| {
        let id = one.id.to_string();
        let tried = match one.attempts {
            0 => "not tried yet".into(),
            1 => "tried once".into(),
            attempts => format!("tried {attempts} times"),
        };
        let why = match (&one.last_error, one.refused) {
            (None, _) => String::new(),
            (Some(why), false) => why.clone(),
            (Some(why), true) => format!("no longer tried: {why}"),
        };
        let short = id.get(..id_length).unwrap_or(&id).to_owned();
        let since = format!("since {}", clock.show(one.queued_at));
        let text = graphemes::fit(one.text.as_str(), TEXT_CELLS);
        [short, one.peer.to_string(), since, text, tried, why]
    }))
}

/// Formats one line per room: name, members, time of the last message.
pub(crate) fn rooms<'a>(clock: &Clock, rooms: impl IntoIterator<Item = &'a Room>) -> Vec<String> {
    table(rooms.into_iter().map(|room| {
        let last = match room.last_message_at {
            Some(at) => format!("last message {}", clock.show(at)),
            None => "no messages".into(),
        };
        [room.name.to_string(), format!("{} here", room.members), last]
    }))
}

/// Formats one line per hub: an asterisk at the current one, profile, address, the user's name there.
pub(crate) fn hubs(hubs: &[HubEntry]) -> Vec<String> {
    table(hubs.iter().map(|entry| {
        let mark = if entry.is_current { "*" } else { "" };
        let name = entry.name.as_ref().map(|name| format!("as {name}")).unwrap_or_default();
        [mark.into(), entry.profile.to_string(), entry.hub.to_string(), name]
    }))
}

/// Lists names; of more than 8 only the number.
pub(crate) fn names<'a>(names: impl ExactSizeIterator<Item = &'a Name>) -> String {
    const MOST: usize = 8;
    if names.len() > MOST {
        return format!("{} peers", names.len());
    }
    names.map(Name::as_str).collect::<Vec<_>>().join(", ")
}

/// Aligns cells in columns, two spaces apart.
pub(crate) fn table<const N: usize>(rows: impl Iterator<Item = [String; N]>) -> Vec<String> {
    let rows: Vec<[String; N]> =
        rows.map(|row| row.map(|cell| text::one_line(&cell).into_owned())).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let line = |row: &[String; N]| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DirectMessage, PeerStatus, Position, Text};

    fn clock() -> Clock {
        Clock { zone: TimeZone::UTC, now: || at("2026-11-22T12:00:00Z") }
    }

    fn at(raw: &str) -> Timestamp {
        raw.parse().unwrap()
    }

    fn lobby_message(text: &str) -> Message {
        Message {
            id: MessageId::new(),
            room: RoomName::lobby(),
            position: Position { epoch: 1, seq: 1 },
            prev_seq: 0,
            sender: Name::parse("sova").unwrap(),
            created_at: at("2026-11-22T09:15:59Z"),
            text: Text::parse(text).unwrap(),
        }
    }

    #[test]
    fn a_message_has_its_time_and_where_there_are_several_its_room() {
        let hi = lobby_message("hi");
        assert_eq!(message(&clock(), &hi, None), "09:15 sova: hi");
        assert_eq!(message(&clock(), &hi, Some(&hi.room)), "09:15 lobby sova: hi");
        let old = Message { created_at: at("2026-11-21T23:59:00Z"), ..hi };
        assert_eq!(message(&clock(), &old, None), "2026-11-21 23:59 sova: hi");
    }

    #[test]
    fn no_text_passes_for_another_line() {
        let shown =
            message(&clock(), &lobby_message("hi\n09:16 buzz: I quit\r* buzz left\n\n"), None);
        assert_eq!(shown, "09:15 sova: hi\n    09:16 buzz: I quit␍* buzz left");
    }

    #[test]
    fn no_text_reaches_the_terminal_as_an_order() {
        let shown = message(&clock(), &lobby_message("\x1b]0;owned\x07\u{202e}txt.exe"), None);
        assert_eq!(shown, "09:15 sova: ␛]0;owned␇<U+202E>txt.exe");
        assert_eq!(notice("no\nhub\x1b[2J"), "* no␊hub␛[2J");
    }

    #[test]
    fn a_direct_message_says_whether_its_sender_is_proved() {
        let mut came = Direct {
            message: DirectMessage {
                id: MessageId::new(),
                sender: Name::parse("sova").unwrap(),
                sent_at: None,
                text: Text::parse("psst\nyou").unwrap(),
            },
            verification: Verification::Unverified(None),
            from: None,
        };
        let shown = direct(&clock(), &came);
        assert_eq!(shown, "12:00 [direct] sova (unverified): psst\n    you");
        let key = Fingerprint::from_bytes([7; 32]);
        came.verification = Verification::Unverified(Some(key));
        let shown = direct(&clock(), &came);
        assert_eq!(shown, format!("12:00 [direct] sova (unverified, key {key}): psst\n    you"));
        came.verification = Verification::Known(key);
        assert_eq!(direct(&clock(), &came), "12:00 [direct] sova (known): psst\n    you");
        came.verification = Verification::Verified(key);
        assert_eq!(direct(&clock(), &came), "12:00 [direct] sova (verified): psst\n    you");
    }

    #[test]
    fn a_sent_direct_message_names_who_holds_it() {
        let receipt = Receipt {
            id: MessageId::new(),
            receiver: Name::parse("buzz").unwrap(),
            accepted_at: at("2026-11-22T11:59:00Z"),
            duplicate: false,
        };
        assert_eq!(direct_sent(&clock(), &receipt, "psst"), "12:00 [direct to buzz] psst");
    }

    #[test]
    fn lists_stand_in_columns_by_what_one_sees() {
        let peer = |name: &str, endpoints: &[&str]| Peer {
            name: Name::parse(name).unwrap(),
            endpoints: endpoints.iter().map(|e| Endpoint::parse(e).unwrap()).collect(),
            status: PeerStatus::Online,
            online_since: at("2026-11-22T08:00:00Z"),
            key: None,
            certificate: None,
            guest: true,
            status_since: None,
        };
        assert_eq!(
            peers(&clock(), &[peer("日本", &["127.0.0.1:54321"]), peer("winter", &[])]),
            [
                "日本    online  127.0.0.1:54321  since 08:00",
                "winter  online  -                since 08:00",
            ]
        );
        assert!(peers(&clock(), &[]).is_empty());
    }

    #[test]
    fn queued_messages_are_listed_with_the_beginning_of_their_text() {
        let queued = |raw: &str, attempts| Queued {
            id: MessageId::parse("0192f3a4-5b6c-7d8e-9f00-112233445566").unwrap(),
            peer: Name::parse("buzz").unwrap(),
            text: Text::parse(raw).unwrap(),
            queued_at: at("2026-11-22T08:00:00Z"),
            attempts,
            last_error: (attempts > 0).then(|| "no peer named buzz is here".into()),
            refused: false,
        };
        let long = "日本 ".repeat(40);
        assert_eq!(
            outbox(&clock(), &[queued("psst\n\x1b[2J", 0), queued(&long, 1)], 8),
            [
                "0192f3a4  buzz  since 08:00  psst␊␛[2J                        not tried yet",
                "0192f3a4  buzz  since 08:00  日本 日本 日本 日本 日本 日本 …  tried once     no peer \
                 named buzz is here",
            ]
        );
    }

    #[test]
    fn a_crowd_is_counted() {
        let some: Vec<Name> = (0..9).map(|i| Name::parse(&format!("p{i}")).unwrap()).collect();
        assert_eq!(names(some[..2].iter()), "p0, p1");
        assert_eq!(names(some.iter()), "9 peers");
    }
}
