//! Draws the output of a program on the emulated screen, and answers its queries.

use std::io::{Read, Write};

use super::{Keyboard, Shown};

/// A program's queries: for the position of the cursor, whether the terminal works, for the colour of
/// the background, and for its abilities.
const QUERIES: [&[u8]; 4] = [CURSOR_POSITION, DEVICE_STATUS, BACKGROUND, ATTRIBUTES];
const CURSOR_POSITION: &[u8] = b"\x1b[6n";
const DEVICE_STATUS: &[u8] = b"\x1b[5n";
const BACKGROUND: &[u8] = b"\x1b]11;?\x07";
const ATTRIBUTES: &[u8] = b"\x1b[c";

/// Draws the program's output and answers its queries.
pub(super) fn show(mut output: Box<dyn Read + Send>, keyboard: &Keyboard, shown: &Shown) {
    let mut buffer = [0; 4096];
    // A possible start of a query whose rest is not read yet.
    let mut begun = Vec::new();
    while let Ok(length @ 1..) = output.read(&mut buffer) {
        let written = &buffer[..length];
        let (cursor, background) = {
            let mut screen = shown.screen.lock();
            if screen.gone {
                break;
            }
            screen.draw(written);
            (screen.cursor(), screen.background)
        };
        shown.changed.notify_all();
        begun.extend(written);
        let mut at = 0;
        while at < begun.len() {
            let rest = &begun[at..];
            let Some(query) = QUERIES.into_iter().find(|query| rest.starts_with(query)) else {
                if QUERIES.iter().any(|query| query.starts_with(rest)) {
                    break;
                }
                at += 1;
                continue;
            };
            at += query.len();
            let answer = match (query, background) {
                (DEVICE_STATUS, _) => "\x1b[0n".to_owned(),
                (CURSOR_POSITION, _) => format!("\x1b[{};{}R", cursor.0 + 1, cursor.1 + 1),
                (BACKGROUND, Some(colour)) => format!("\x1b]11;{colour}\x07"),
                (ATTRIBUTES, Some(_)) => "\x1b[?62;22c".to_owned(),
                _ => continue,
            };
            let _ = keyboard.lock().write_all(answer.as_bytes());
        }
        begun.drain(..at);
    }
    drop(output);
    shown.screen.lock().over = true;
    shown.changed.notify_all();
}
