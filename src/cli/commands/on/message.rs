//! A message as input for a command: a JSON line and environment variables.

use std::{fmt, io};

use crate::{
    cli::{json::JsonLine, options::Settings, words},
    client::Direct,
    model::{JoinLink, Message, Name, RoomName},
};

/// An incoming message.
pub(in crate::cli) struct IncomingMessage {
    /// The line that `tail --json` or `listen --json` would print.
    pub(in crate::cli) line: String,
    pub(super) sender: Name,
    pub(super) source: Source,
    id: String,
    text: String,
}

/// Where a message came from, and where its reply goes.
pub(super) enum Source {
    Room(RoomName),
    /// A direct message, and how far the key of its sender is known.
    Direct(&'static str),
}

impl fmt::Display for IncomingMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Room(room) => write!(f, "message from {} in {room}", self.sender),
            Source::Direct(_) => write!(f, "direct message from {}", self.sender),
        }
    }
}

impl IncomingMessage {
    pub(in crate::cli) fn in_room(message: &Message) -> io::Result<Self> {
        Ok(Self {
            line: JsonLine::from(message).to_json()?,
            sender: message.sender.clone(),
            source: Source::Room(message.room.clone()),
            id: message.id.to_string(),
            text: message.text.as_str().to_owned(),
        })
    }

    pub(in crate::cli) fn direct(direct: &Direct) -> io::Result<Self> {
        Ok(Self {
            line: JsonLine::from(direct).to_json()?,
            sender: direct.message.sender.clone(),
            source: Source::Direct(words::verification(direct.verification)),
            id: direct.message.id.to_string(),
            text: direct.message.text.as_str().to_owned(),
        })
    }

    /// Returns the variables for the command. They do not begin with `CHINWAG_`, or chinwag commands
    /// inside it would take the room of the message for an option. Variables cannot contain NUL.
    pub(in crate::cli) fn environment(&self) -> [(&'static str, String); 6] {
        let (kind, room, standing) = match &self.source {
            Source::Room(room) => ("message", room.as_str(), ""),
            Source::Direct(standing) => ("direct", "", *standing),
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

/// Returns the variables by which chinwag commands inside the command act as the bot.
pub(super) fn environment(settings: &Settings) -> Vec<(&'static str, String)> {
    // The invitation is used up, and should not be passed on.
    let hub = JoinLink { invite: None, ..settings.hub.clone() };
    let mut environment = vec![
        ("CHINWAG_HUB", hub.to_string()),
        ("CHINWAG_NAME", settings.name.to_string()),
        // A profile would have other settings.
        ("CHINWAG_AT", String::new()),
    ];
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
    fn the_environment_has_the_message() {
        let message = Message {
            id: MessageId::new(),
            room: RoomName::lobby(),
            position: Position { epoch: 1, seq: 7 },
            prev_seq: 5,
            sender: Name::parse("sova").unwrap(),
            created_at: Timestamp::UNIX_EPOCH,
            text: Text::parse("$(id) `id`\n'\"\0 end").unwrap(),
        };
        let message = IncomingMessage::in_room(&message).unwrap();
        let value = |name| {
            let found = message.environment().into_iter().find(|(variable, _)| *variable == name);
            found.unwrap().1
        };
        assert_eq!(value("MESSAGE_TEXT"), "$(id) `id`\n'\" end");
        assert_eq!([value("MESSAGE_TYPE"), value("MESSAGE_ROOM")], ["message", "lobby"]);
        assert_eq!([value("MESSAGE_SENDER"), value("MESSAGE_STANDING")], ["sova", ""]);
        assert!(!message.line.contains('\n'));
        let line: serde_json::Value = serde_json::from_str(&message.line).unwrap();
        assert_eq!(line["text"], message.text.as_str());
    }
}
