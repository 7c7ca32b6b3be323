//! A message as a command gets it: as a JSON line, and in its environment.

use std::{fmt, io};

use crate::{
    cli::{json::Line, options::Settings, words},
    client::Direct,
    model::{JoinLink, Message, Name, RoomName},
};

/// A message that somebody said.
pub(super) struct Heard {
    /// What `tail` or `listen` would print.
    pub(super) line: String,
    pub(super) sender: Name,
    pub(super) place: Place,
    id: String,
    text: String,
}

/// Where it was said, and is to be answered.
pub(super) enum Place {
    Room(RoomName),
    /// Straight to the bot, by somebody who is known so far.
    Direct(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(room) => write!(f, "in {room}"),
            Self::Direct(_) => f.write_str("directly"),
        }
    }
}

impl Heard {
    /// What was said in a room.
    pub(super) fn said(message: &Message) -> io::Result<Self> {
        Ok(Self {
            line: Line::from(message).to_json()?,
            sender: message.sender.clone(),
            place: Place::Room(message.room.clone()),
            id: message.id.to_string(),
            text: message.text.as_str().to_owned(),
        })
    }

    /// What was said directly.
    pub(super) fn direct(direct: &Direct) -> io::Result<Self> {
        Ok(Self {
            line: Line::from(direct).to_json()?,
            sender: direct.message.sender.clone(),
            place: Place::Direct(words::standing(direct.verification)),
            id: direct.message.id.to_string(),
            text: direct.message.text.as_str().to_owned(),
        })
    }

    /// The variables for the command. They are called otherwise than the options' are, or a command
    /// within it would take a message's room for its own. No variable can hold a NUL.
    pub(super) fn environment(&self) -> [(&'static str, String); 6] {
        let (kind, room, standing) = match &self.place {
            Place::Room(room) => ("message", room.as_str(), ""),
            Place::Direct(standing) => ("direct", "", *standing),
        };
        [
            ("MESSAGE_TYPE", kind.to_owned()),
            ("MESSAGE_ROOM", room.to_owned()),
            ("MESSAGE_SENDER", self.sender.to_string()),
            ("MESSAGE_STANDING", standing.to_owned()),
            ("MESSAGE_ID", self.id.clone()),
            ("MESSAGE_TEXT", self.text.replace('\0', "")),
        ]
    }
}

/// What makes the chinwag commands that a command runs speak as the bot.
pub(super) fn environment(settings: &Settings) -> Vec<(&'static str, String)> {
    // An invitation has done what it is for, and is nobody else's business.
    let hub = JoinLink { invite: None, ..settings.hub.clone() };
    let mut environment =
        vec![("CHINWAG_HUB", hub.to_string()), ("CHINWAG_NAME", settings.name.to_string())];
    if let Some(home) = settings.home.given().and_then(|home| std::path::absolute(home).ok()) {
        environment.push(("CHINWAG_HOME", home.to_string_lossy().into_owned()));
    }
    if settings.plaintext {
        environment.push(("CHINWAG_PLAINTEXT", "1".into()));
    }
    environment
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::{MessageId, Position, Text};

    #[test]
    fn a_message_is_in_the_environment_as_it_was_said() {
        let message = Message {
            id: MessageId::new(),
            room: RoomName::lobby(),
            position: Position { epoch: 1, seq: 7 },
            prev_seq: 5,
            sender: Name::parse("sova").unwrap(),
            created_at: Timestamp::UNIX_EPOCH,
            text: Text::parse("$(id) `id`\n'\"\0 end").unwrap(),
        };
        let heard = Heard::said(&message).unwrap();
        let value = |name| {
            let found = heard.environment().into_iter().find(|(variable, _)| *variable == name);
            found.unwrap().1
        };
        assert_eq!(value("MESSAGE_TEXT"), "$(id) `id`\n'\" end");
        assert_eq!([value("MESSAGE_TYPE"), value("MESSAGE_ROOM")], ["message", "lobby"]);
        assert_eq!([value("MESSAGE_SENDER"), value("MESSAGE_STANDING")], ["sova", ""]);
        assert!(!heard.line.contains('\n'));
        let line: serde_json::Value = serde_json::from_str(&heard.line).unwrap();
        assert_eq!(line["text"], message.text.as_str());
    }
}
