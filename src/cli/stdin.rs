//! Bounded reads of standard input, which is UTF-8.
//!
//! A byte order mark at the beginning is not part of the first text. UTF-16 is refused: a program that
//! takes it for UTF-8 would send something else than what was written. Bytes that are not UTF-8 are
//! replaced by U+FFFD, and this is reported once.

use std::{
    fmt::Display,
    io::{self, BufRead, Cursor, Read},
};

use tokio::sync::mpsc;

use super::{
    failure::{Failure, Result},
    output::print_notice,
};
use crate::model::{MAX_TEXT_BYTES, Text};

/// The longest line: the largest text, with a command before it.
const MAX_LINE_BYTES: usize = MAX_TEXT_BYTES + 1024;

/// The most that is read as one text, to report how long it is.
const MAX_WHOLE_BYTES: usize = 1024 * 1024;

/// Lines that may be read ahead.
const LINES: usize = 64;

/// What UTF-8 text may begin with, as written by Windows programs.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How much is read to recognize UTF-16: two of its characters.
const HEAD_BYTES: u64 = 4;

/// The marks at the beginning of UTF-16, of either byte order.
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

const IS_UTF16: &str =
    "it is UTF-16 and not UTF-8: convert it, as with `iconv -f UTF-16 -t UTF-8`, and try again";

const HAS_NUL: &str = "it contains a NUL byte, so it is not UTF-8 text";

const REPLACED: &str = "standard input is not UTF-8: U+FFFD stands for each byte that is not";

/// A line without its line break.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InputLine {
    /// The line.
    Text(String),
    /// The line cannot be a text and was skipped, with the reason.
    Invalid(String),
}

impl InputLine {
    /// Returns true if the line has only white space.
    pub(crate) fn is_blank(&self) -> bool {
        matches!(self, Self::Text(line) if line.trim().is_empty())
    }
}

/// Starts reading lines. The channel closes at the end of the input.
pub(crate) fn lines() -> mpsc::Receiver<io::Result<InputLine>> {
    let (sender, receiver) = mpsc::channel(LINES);
    // A read from standard input cannot be cancelled, so a thread that nobody joins does it.
    std::thread::spawn(move || {
        if let Err(error) = read_lines(io::stdin().lock(), &sender) {
            // Fails if nobody waits for a line any more.
            let _ = sender.blocking_send(Err(error));
        }
    });
    receiver
}

fn read_lines(stdin: impl BufRead, lines: &mpsc::Sender<io::Result<InputLine>>) -> io::Result<()> {
    let (mut stdin, mut decoder) = (without_mark(stdin)?, Decoder::default());
    while let Some(line) = read_line(&mut stdin, MAX_LINE_BYTES, &mut decoder)? {
        if lines.blocking_send(Ok(line)).is_err() {
            break;
        }
    }
    Ok(())
}

/// Reads all of standard input as one text, without the final line break.
pub(crate) async fn whole() -> Result<String> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    // As above.
    std::thread::spawn(move || {
        sender.send(read_whole(io::stdin().lock(), &mut Decoder::default()))
    });
    receiver.await.unwrap_or(Err(Failure::Interrupted))
}

/// Returns the input without a byte order mark. Errors if it begins like UTF-16.
fn without_mark<R: BufRead>(mut reader: R) -> io::Result<impl BufRead> {
    let mut head = Vec::new();
    // Not beyond the first line: a person may be typing.
    reader.by_ref().take(HEAD_BYTES).read_until(b'\n', &mut head)?;
    if head.starts_with(BYTE_ORDER_MARK) {
        head.drain(..BYTE_ORDER_MARK.len());
    }
    let has_mark = UTF16_MARKS.iter().any(|mark| head.starts_with(mark));
    // Without a mark, UTF-16 begins with the halves of ASCII characters, of which one is zero. A single
    // NUL byte is reported with its line.
    let is_zero = |first| head.len() > first && head.iter().skip(first).step_by(2).all(|&b| b == 0);
    if has_mark || is_zero(0) != is_zero(1) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, IS_UTF16));
    }
    Ok(Cursor::new(head).chain(reader))
}

/// Decodes UTF-8, and reports the first replaced byte.
#[derive(Debug, Default)]
struct Decoder {
    has_replaced: bool,
}

impl Decoder {
    /// Errors with the reason if the bytes are no text.
    fn decode(&mut self, bytes: Vec<u8>) -> Result<String, &'static str> {
        if bytes.contains(&0) {
            return Err(HAS_NUL);
        }
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| {
            if !std::mem::replace(&mut self.has_replaced, true) {
                print_notice(REPLACED);
            }
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        }))
    }
}

fn read_whole(reader: impl BufRead, decoder: &mut Decoder) -> Result<String> {
    let mut bytes = Vec::new();
    without_mark(reader)
        .and_then(|reader| reader.take(MAX_WHOLE_BYTES as u64).read_to_end(&mut bytes))
        .map_err(|error| unreadable(&error))?;
    if bytes.len() == MAX_WHOLE_BYTES {
        let at_least = format_args!("{MAX_WHOLE_BYTES} or more");
        return Err(Failure::Usage(Text::too_long(at_least).0));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    decoder.decode(bytes).map_err(|problem| unreadable(&problem))
}

/// Returns the error of a command that cannot use its standard input.
pub(crate) fn unreadable(problem: &dyn Display) -> Failure {
    Failure::Other(format!("cannot read standard input: {problem}"))
}

/// Reads one line, keeping at most `limit` bytes in memory. Returns `None` at the end of the input.
fn read_line(
    reader: &mut impl BufRead,
    limit: usize,
    decoder: &mut Decoder,
) -> io::Result<Option<InputLine>> {
    let mut line = Vec::new();
    let mut length = 0;
    loop {
        let chunk = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        if chunk.is_empty() && length == 0 {
            return Ok(None);
        }
        let end = chunk.iter().position(|&byte| byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        length += part.len();
        if length <= limit {
            line.extend_from_slice(part);
        }
        let (used, ended) = (part.len() + usize::from(end.is_some()), chunk.is_empty());
        reader.consume(used);
        if end.is_some() || ended {
            break;
        }
    }
    if length > limit {
        return Ok(Some(InputLine::Invalid(Text::too_long(length).0)));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(match decoder.decode(line) {
        Ok(text) => InputLine::Text(text),
        Err(problem) => InputLine::Invalid(problem.into()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8], capacity: usize) -> Vec<InputLine> {
        let reader = io::BufReader::with_capacity(capacity, input);
        let (mut reader, mut decoder) = (without_mark(reader).unwrap(), Decoder::default());
        std::iter::from_fn(|| read_line(&mut reader, 8, &mut decoder).unwrap()).collect()
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
        let too_long = |length: usize| InputLine::Invalid(Text::too_long(length).0);
        for capacity in [1, 5, 100] {
            assert_eq!(
                all(b"12345678\n123456789\nok\n1234567890", capacity),
                [text("12345678"), too_long(9), text("ok"), too_long(10)]
            );
        }
    }

    fn whole(input: impl Read) -> Result<String> {
        read_whole(io::BufReader::new(input), &mut Decoder::default())
    }

    fn problem(read: Result<String>) -> String {
        read.unwrap_err().line().unwrap()
    }

    #[test]
    fn the_whole_input_is_one_text_without_its_last_newline() {
        assert_eq!(whole(&b"one\ntwo\n\n"[..]).unwrap(), "one\ntwo\n");
        assert_eq!(whole(&b"one\r\n"[..]).unwrap(), "one");
        assert_eq!(whole(io::repeat(b'x').take(30_000)).unwrap().len(), 30_000);
        assert!(problem(whole(io::repeat(b'x'))).ends_with("this one has 1048576 or more"));
    }

    #[test]
    fn a_byte_order_mark_is_no_text() {
        for capacity in [1, 2, 100] {
            assert_eq!(
                all(b"\xef\xbb\xbfone\n\xef\xbb\xbf", capacity),
                [text("one"), text("\u{feff}")]
            );
            assert_eq!(all(b"\xef\xbb\xbf", capacity), []);
            assert_eq!(all(b"a\nb", capacity), [text("a"), text("b")]);
        }
        assert_eq!(whole(&b"\xef\xbb\xbfone"[..]).unwrap(), "one");
    }

    #[test]
    fn utf16_is_refused() {
        let little =
            |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
        for text in ["\u{feff}/msg ben hi\r\n", "/msg ben hi", "x", "\u{feff}да", "\u{feff}"] {
            for input in [little(text), big(text)] {
                let refused = problem(whole(&input[..]));
                assert!(refused.contains("UTF-16"), "{text:?}: {refused}");
                assert!(without_mark(&input[..]).is_err(), "{text:?}");
            }
        }
        // Without a mark and an ASCII character in front, blanks and line breaks tell.
        assert!(problem(whole(&little("да нет")[..])).contains("NUL"));
        for lines in [&b"ok\na\0b\n"[..], b"ok\n\0b\n"] {
            assert_eq!(all(lines, 4), [text("ok"), InputLine::Invalid(HAS_NUL.into())]);
            assert_eq!(all(&lines[3..], 4), [InputLine::Invalid(HAS_NUL.into())], "{lines:?}");
        }
    }

    #[test]
    fn invalid_utf8_is_replaced() {
        assert_eq!(all(b"a\xffb\n", 4), [text("a\u{fffd}b")]);
    }
}
