//! The protocol of nats-server: its text protocol, and the part of JetStream's JSON that the
//! workloads need.

use anyhow::{Context, Result, ensure};

use super::Heard;

/// The subscription of messages.
const MESSAGES: &str = "1";

/// The subscription of acknowledgements and answers.
const ANSWERS: &str = "2";

/// The stream of JetStream, and its only subject.
const STREAM: &str = "bench";

/// One connection.
#[derive(Debug)]
pub(crate) struct Nats {
    /// The subject of answers to this connection.
    inbox: String,
    /// True if JetStream stores and acknowledges posts.
    keeps: bool,
}

impl Nats {
    /// Opens a connection. `name` must be unique.
    pub(crate) fn open(name: &str, keeps: bool, out: &mut Vec<u8>) -> Self {
        let inbox = format!("_INBOX.{name}");
        out.extend_from_slice(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
        if keeps {
            out.extend(format!("SUB {inbox} {ANSWERS}\r\n").bytes());
        }
        Self { inbox, keeps }
    }

    /// Subscribes to a subject; answered by [`Heard::Subscribed`].
    pub(crate) fn subscribe(&mut self, subject: &str, out: &mut Vec<u8>) {
        out.extend(format!("SUB {subject} {MESSAGES}\r\nPING\r\n").bytes());
    }

    /// Makes the stream; answered by [`Heard::Acked`].
    pub(crate) fn make_stream(&mut self, out: &mut Vec<u8>) {
        let config = format!(
            r#"{{"name":"{STREAM}","subjects":["{STREAM}"],"storage":"file","retention":"limits"}}"#
        );
        self.request(&format!("$JS.API.STREAM.CREATE.{STREAM}"), config.as_bytes(), out);
    }

    /// Reads the whole stream as fast as possible.
    pub(crate) fn replay(&mut self, out: &mut Vec<u8>) {
        let to = format!("_DELIVER.{STREAM}");
        self.subscribe(&to, out);
        let config = format!(
            r#"{{"stream_name":"{STREAM}","config":{{"deliver_subject":"{to}","ack_policy":"none",
            "deliver_policy":"all","replay_policy":"instant","mem_storage":true}}}}"#
        );
        self.request(&format!("$JS.API.CONSUMER.CREATE.{STREAM}"), config.as_bytes(), out);
    }

    /// Posts.
    pub(crate) fn post(&mut self, subject: &str, text: &str, out: &mut Vec<u8>) {
        if self.keeps {
            self.request(STREAM, text.as_bytes(), out);
        } else {
            out.extend(format!("PUB {subject} {}\r\n{text}\r\n", text.len()).bytes());
        }
    }

    fn request(&self, subject: &str, payload: &[u8], out: &mut Vec<u8>) {
        out.extend(format!("PUB {subject} {} {}\r\n", self.inbox, payload.len()).bytes());
        out.extend_from_slice(payload);
        out.extend_from_slice(b"\r\n");
    }

    /// Parses the complete messages at the start of `bytes`, and returns their length.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        hear: &mut impl FnMut(Heard<'_>),
    ) -> Result<usize> {
        let mut taken = 0;
        while let Some((line, rest)) = super::line(&bytes[taken..]) {
            let mut length = line.len() + 2;
            match line.first() {
                Some(b'M') => {
                    let (payload, answers) = payload(line, rest)?;
                    let Some(payload) = payload else { break };
                    length += payload.len() + 2;
                    if answers {
                        self.answer(payload, hear)?
                    } else {
                        hear(Heard::Message(payload))
                    }
                }
                Some(b'P') if line == b"PING" => out.extend_from_slice(b"PONG\r\n"),
                Some(b'P') => hear(Heard::Subscribed),
                Some(b'-') => anyhow::bail!("nats-server says {}", String::from_utf8_lossy(line)),
                _ => {}
            }
            taken += length;
        }
        Ok(taken)
    }

    fn answer(&self, answer: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<()> {
        let answer = std::str::from_utf8(answer)?;
        ensure!(!answer.contains(r#""error":"#), "JetStream says {answer}");
        hear(Heard::Acked);
        Ok(())
    }
}

/// Parses the message after `MSG subject subscription [reply] length`, if it is complete, and
/// whether it is an answer.
fn payload<'a>(line: &[u8], rest: &'a [u8]) -> Result<(Option<&'a [u8]>, bool)> {
    let mut words = line.split(|&byte| byte == b' ');
    let subscription = words.nth(2).context("a message without a subscription")?;
    let length = words.next_back().and_then(super::number).context("a message without a length")?;
    let whole = rest.len() >= length + 2;
    Ok((whole.then(|| &rest[..length]), subscription == ANSWERS.as_bytes()))
}
