//! The shapes of the objects, letter by letter.

use super::*;
use crate::{
    client::{Direct, Verification},
    model::{
        DirectMessage, Endpoint, Message, MessageId, Name, Peer, PeerStatus, Position, Room,
        RoomName, SearchHit, Text,
    },
};

const ID: &str = "018f4e9a-7b2c-7000-8000-000000000001";

fn at(raw: &str) -> Timestamp {
    raw.parse().unwrap()
}

fn message(text: &str) -> Message {
    Message {
        id: MessageId::parse(ID).unwrap(),
        room: RoomName::lobby(),
        position: Position { epoch: u64::MAX, seq: 7 },
        prev_seq: 5,
        sender: Name::parse("sova").unwrap(),
        created_at: at("2026-11-22T08:15:00.5Z"),
        text: Text::parse(text).unwrap(),
    }
}

fn json<'a>(line: impl Into<JsonLine<'a>>) -> String {
    line.into().to_json().unwrap()
}

#[test]
fn a_message_has_the_documented_shape() {
    assert_eq!(
        json(&message("hi \"all\"")),
        format!(
            r#"{{"type":"message","room":"lobby","sender":"sova","text":"hi \"all\"","id":"{ID}","epoch":"18446744073709551615","seq":7,"prev_seq":5,"created_at":"2026-11-22T08:15:00.500000Z"}}"#
        )
    );
}

#[test]
fn a_hit_is_a_message_and_its_ranges() {
    let hit = SearchHit { message: message("hi"), ranges: vec![0..1, 1..2] };
    let json = json(&hit);
    assert!(json.starts_with(r#"{"type":"hit","room":"lobby","#), "{json}");
    assert!(json.ends_with(r#","ranges":[[0,1],[1,2]]}"#), "{json}");
}

#[test]
fn what_is_not_known_is_null() {
    let direct = Direct {
        message: DirectMessage {
            id: MessageId::parse(ID).unwrap(),
            sender: Name::parse("buzz").unwrap(),
            sent_at: None,
            text: Text::parse("psst").unwrap(),
        },
        verification: Verification::Unverified(None),
        from: None,
    };
    assert_eq!(
        json(&direct),
        format!(
            r#"{{"type":"direct","sender":"buzz","standing":"unverified","verified":false,"fingerprint":null,"text":"psst","id":"{ID}","sent_at":null,"from":null,"receiver":null,"state":null}}"#
        )
    );
}

#[test]
fn a_peer_and_a_room_have_the_documented_shape() {
    let peer = Peer {
        name: Name::parse("buzz").unwrap(),
        endpoints: vec![Endpoint::parse("[::1]:54321").unwrap()],
        status: PeerStatus::Away,
        online_since: at("2026-11-22T08:15:00.123456789Z"),
        key: None,
        certificate: None,
        guest: true,
        status_since: Some(at("2026-11-22T08:20:00Z")),
    };
    assert_eq!(
        json(&peer),
        r#"{"type":"peer","name":"buzz","status":"away","endpoints":["[::1]:54321"],"online_since":"2026-11-22T08:15:00.123456Z","status_since":"2026-11-22T08:20:00.000000Z"}"#
    );
    let room = Room {
        name: RoomName::lobby(),
        members: 3,
        head: Position { epoch: 9, seq: 0 },
        first: Position { epoch: 9, seq: 0 },
        last_message_at: None,
    };
    assert_eq!(
        json(&room),
        r#"{"type":"room","name":"lobby","members":3,"epoch":"9","first_seq":0,"head_seq":0,"last_message_at":null}"#
    );
    assert_eq!(json(JsonLine::Reset {}), r#"{"type":"reset"}"#);
}

#[test]
fn a_terminal_obeys_nothing_in_a_line_and_the_text_is_exact() {
    let text = "\x1b[2J\u{9b}31m\u{202e}\u{7f}\u{e0041}\nend";
    let json = json(&message(text));
    assert!(!json.chars().any(text::is_dangerous), "{json}");
    let back: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(back["text"], text);
}
