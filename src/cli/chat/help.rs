//! The commands of the chat, as they are listed.

/// What `/help` prints.
pub(crate) const HELP: &str = "  TEXT                        posts to the current room
  /msg NAME TEXT              sends straight to a peer; the hub does not see it
  /p2p HOST:PORT TEXT         sends straight to an address (also: P2P HOST PORT TEXT)
  /peers                      lists who is here (also: PEER)
  /join ROOM                  joins a room, or makes a joined one the current one
  /leave [ROOM]               leaves a room, or the current one
  /rooms                      lists the rooms of the hub
  /history [N]                shows the latest messages of the current room
  /search WORDS               finds messages of the current room
  /id                         shows the fingerprint of your key
  /contacts                   lists whom you have met, and their keys
  /verify NAME [FINGERPRINT]  marks somebody's key as compared; without one, shows what to compare
  /accept NAME                accepts that somebody has another key now
  /status [online|away|busy]  says how you are; without a word, how the chat is
  /help                       shows this
  /quit                       leaves (also: Ctrl-C, Ctrl-D)
  //TEXT                      posts /TEXT";
