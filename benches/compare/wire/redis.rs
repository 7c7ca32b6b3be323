//! The protocol of redis-server: RESP3, in which a subscriber may also publish. In workloads that
//! keep posts, they go to a stream (`XADD`) instead of subscribers.

use anyhow::{Result, bail};

use super::Heard;

/// The start of a published message; the channel and the payload follow.
const MESSAGE: &[u8] = b">3\r\n$7\r\nmessage\r\n";

/// The stream of posts.
const STREAM: &str = "bench";

/// One connection.
#[derive(Debug)]
pub(crate) struct Redis {
    keeps: bool,
}

impl Redis {
    /// Opens a connection.
    pub(crate) fn open(keeps: bool, out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(b"HELLO 3\r\n");
        Self { keeps }
    }

    /// Subscribes to a channel; answered by [`Heard::Subscribed`].
    pub(crate) fn subscribe(&mut self, channel: &str, out: &mut Vec<u8>) {
        command(&["SUBSCRIBE", channel], out);
    }

    /// Posts.
    pub(crate) fn post(&mut self, channel: &str, text: &str, out: &mut Vec<u8>) {
        if self.keeps {
            command(&["XADD", STREAM, "*", "text", text], out);
        } else {
            command(&["PUBLISH", channel, text], out);
        }
    }

    /// Parses the complete messages at the start of `bytes`, and returns their length.
    pub(crate) fn take(&mut self, bytes: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<usize> {
        let mut taken = 0;
        loop {
            let rest = &bytes[taken..];
            if let Some(published) = rest.strip_prefix(MESSAGE) {
                let Some((_, after_channel)) = bulk(published) else { break };
                let Some((payload, after)) = bulk(after_channel) else { break };
                hear(Heard::Message(payload));
                taken = bytes.len() - after.len();
            } else if MESSAGE.starts_with(rest) {
                break;
            } else if let Some((line, after)) = super::line(rest) {
                self.other(line, hear)?;
                taken = bytes.len() - after.len();
            } else {
                break;
            }
        }
        Ok(taken)
    }

    /// Handles one line of an answer.
    fn other(&self, line: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<()> {
        match line {
            b"subscribe" => hear(Heard::Subscribed),
            // The answer of XADD is an id: milliseconds, a dash, a number.
            [b'0'..=b'9', ..] if self.keeps && line.contains(&b'-') => hear(Heard::Acked),
            [b'-', ..] => bail!("redis-server says {}", String::from_utf8_lossy(line)),
            _ => {}
        }
        Ok(())
    }
}

fn command(words: &[&str], out: &mut Vec<u8>) {
    out.extend(format!("*{}\r\n", words.len()).bytes());
    for word in words {
        out.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
    }
}

/// Splits a length-prefixed string from the bytes after it.
fn bulk(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = super::line(bytes)?;
    let length = super::number(head.strip_prefix(b"$")?)?;
    Some((rest.get(..length)?, rest.get(length + 2..)?))
}
