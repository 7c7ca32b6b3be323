//! Escape sequences for what a terminal does beside drawing: its clipboard, links, notices and title.
//!
//! Texts of others are escaped or encoded before they are put into a sequence, so that they cannot end it.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::text;

/// The most bytes that are copied at once: encoded, they stay below the 74,994 bytes that terminals take.
pub(super) const MAX_COPY_BYTES: usize = 48 * 1024;

/// The longest link that a terminal is told of. Terminals cut or ignore longer ones.
const MAX_LINK_BYTES: usize = 2048;

/// The sequences that put a text on the clipboard (OSC 52). `in_tmux`: tmux takes the first itself if
/// its option `set-clipboard` is on, and passes on the second if `allow-passthrough` is on.
pub(super) fn copy(text: &str, in_tmux: bool) -> String {
    let sequence = format!("\x1b]52;c;{}\x07", STANDARD.encode(text));
    match in_tmux {
        true => format!("{sequence}{}", through_tmux(&sequence)),
        false => sequence,
    }
}

/// The sequence that begins a link (OSC 8), or `None` if the link is too long or has characters that
/// a terminal could misread. `id` tells the terminal which rows are the same link.
pub(super) fn link(url: &str, id: usize) -> Option<String> {
    let is_plain = url.len() <= MAX_LINK_BYTES && url.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain.then(|| format!("\x1b]8;id={id};{url}\x1b\\"))
}

/// The sequence that ends a link.
pub(super) const LINK_END: &str = "\x1b]8;;\x1b\\";

/// The sequence that sets the title of the window.
pub(super) fn title(title: &str) -> String {
    format!("\x1b]2;{}\x1b\\", text::one_line(title))
}

/// Saves and restores the title of the window.
pub(super) const SAVE_TITLE: &str = "\x1b[22;2t";
pub(super) const RESTORE_TITLE: &str = "\x1b[23;2t";

/// A sequence that tmux hands on to the terminal that it runs in.
fn through_tmux(sequence: &str) -> String {
    format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_text_cannot_end_the_sequence() {
        assert_eq!(copy("a\x07\x1b\\", false), "\x1b]52;c;YQcbXA==\x07");
        let in_tmux = "\x1b]52;c;YQ==\x07\x1bPtmux;\x1b\x1b]52;c;YQ==\x07\x1b\\";
        assert_eq!(copy("a", true), in_tmux);
        assert!(copy(&"x".repeat(MAX_COPY_BYTES), false).len() < 74_994);
    }

    #[test]
    fn only_plain_links_become_links_of_the_terminal() {
        assert_eq!(link("https://a/b;c", 3).unwrap(), "\x1b]8;id=3;https://a/b;c\x1b\\");
        for url in ["https://a/\x1b\\", "https://a/\x07", "https://a b", "https://ä"] {
            assert_eq!(link(url, 0), None, "{url}");
        }
        assert_eq!(link(&format!("https://{}", "a".repeat(MAX_LINK_BYTES)), 0), None);
    }

    #[test]
    fn a_title_has_no_control_characters() {
        assert_eq!(
            title("(2) lobby\x1b]52;c;\x07\u{9c}"),
            "\x1b]2;(2) lobby␛]52;c;␇<U+009C>\x1b\\"
        );
    }
}
