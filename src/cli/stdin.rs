//! Bounded reads of standard input.

use std::io::{self, BufRead, Read};

use tokio::sync::mpsc;

use super::failure::{Failure, Result};
use crate::model::MAX_TEXT_BYTES;

/// The longest line: the largest text, with a command before it.
const MAX_LINE_BYTES: usize = MAX_TEXT_BYTES + 1024;

/// Lines that may be read ahead.
const LINES: usize = 64;

/// A line without its line break.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InputLine {
    /// The line; invalid UTF-8 is replaced by U+FFFD.
    Text(String),
    /// The line was too long for any text and was skipped.
    TooLong,
}

/// Starts reading lines. The channel closes at the end of the input.
pub(crate) fn lines() -> mpsc::Receiver<io::Result<InputLine>> {
    let (sender, receiver) = mpsc::channel(LINES);
    // A read from standard input cannot be cancelled, so a thread that nobody joins does it.
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        while let Some(line) = read_line(&mut stdin, MAX_LINE_BYTES).transpose() {
            let failed = line.is_err();
            if sender.blocking_send(line).is_err() || failed {
                break;
            }
        }
    });
    receiver
}

/// Reads all of standard input as one text, without the final line break.
pub(crate) async fn whole() -> Result<String> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    // As above.
    std::thread::spawn(move || sender.send(read_whole(io::stdin().lock())));
    let read = receiver.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()));
    read.map_err(|error| Failure::Other(format!("cannot read standard input: {error}")))
}

/// Reads at most one byte more than the largest text.
fn read_whole(reader: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    reader.take(2 + MAX_TEXT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads one line, keeping at most `limit` bytes in memory. Returns `None` at the end of the input.
fn read_line(reader: &mut impl BufRead, limit: usize) -> io::Result<Option<InputLine>> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let chunk = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        if chunk.is_empty() && line.is_empty() && !too_long {
            return Ok(None);
        }
        let end = chunk.iter().position(|&byte| byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        too_long |= line.len() + part.len() > limit;
        if !too_long {
            line.extend_from_slice(part);
        }
        let (used, ended) = (part.len() + usize::from(end.is_some()), chunk.is_empty());
        reader.consume(used);
        if end.is_some() || ended {
            break;
        }
    }
    if too_long {
        return Ok(Some(InputLine::TooLong));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(InputLine::Text(String::from_utf8_lossy(&line).into_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8], capacity: usize) -> Vec<InputLine> {
        let mut reader = io::BufReader::with_capacity(capacity, input);
        std::iter::from_fn(|| read_line(&mut reader, 8).unwrap()).collect()
    }

    fn text(raw: &str) -> InputLine {
        InputLine::Text(raw.into())
    }

    #[test]
    fn lines_do_not_depend_on_the_buffer_size() {
        for capacity in [1, 2, 3, 100] {
            assert_eq!(
                all(b"one\r\n\ntwo\nlast", capacity),
                [text("one"), text(""), text("two"), text("last")]
            );
        }
        assert_eq!(all(b"", 4), []);
    }

    #[test]
    fn only_lines_beyond_the_limit_are_skipped() {
        for capacity in [1, 5, 100] {
            assert_eq!(
                all(b"12345678\n123456789\nok\n1234567890", capacity),
                [text("12345678"), InputLine::TooLong, text("ok"), InputLine::TooLong]
            );
        }
    }

    #[test]
    fn the_whole_input_is_one_text_without_its_last_newline() {
        assert_eq!(read_whole(&b"one\ntwo\n\n"[..]).unwrap(), "one\ntwo\n");
        assert_eq!(read_whole(&b"one\r\n"[..]).unwrap(), "one");
        assert!(read_whole(io::repeat(b'x')).unwrap().len() > MAX_TEXT_BYTES);
    }

    #[test]
    fn invalid_utf8_is_replaced() {
        assert_eq!(all(b"a\xffb\n", 4), [text("a\u{fffd}b")]);
    }
}
