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

/// How a terminal is asked to show a notice of the desktop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoticeProtocol {
    /// OSC 9, of iTerm2, WezTerm and Ghostty.
    Osc9,
    /// OSC 99, of kitty.
    Osc99,
    /// OSC 777, of rxvt-unicode, foot and Warp.
    Osc777,
}

/// The most characters of a notice of the desktop.
const MAX_NOTICE: usize = 200;

impl NoticeProtocol {
    /// Returns what the terminal has, by the environment variables that it sets. Within tmux they are
    /// those of the terminal in which tmux was started.
    pub(super) fn detect(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let has = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let (term, program) = (variable("TERM"), variable("TERM_PROGRAM"));
        let (term, program) = (term.unwrap_or_default(), program.unwrap_or_default());
        if has("KITTY_WINDOW_ID") || term == "xterm-kitty" {
            return Some(Self::Osc99);
        }
        let osc_9 = ["ITERM_SESSION_ID", "WEZTERM_PANE", "GHOSTTY_RESOURCES_DIR"];
        if osc_9.into_iter().any(has) || ["iTerm.app", "WezTerm", "ghostty"].contains(&&*program) {
            return Some(Self::Osc9);
        }
        let osc_777 = ["foot", "rxvt-unicode"].iter().any(|name| term.starts_with(name));
        (osc_777 || program == "WarpTerminal").then_some(Self::Osc777)
    }

    /// The sequence that shows a notice.
    pub(super) fn notice(self, title: &str, text: &str, in_tmux: bool) -> String {
        let [title, text] = [title, text].map(|raw| {
            let start: String = raw.chars().take(MAX_NOTICE).collect();
            text::one_line(&start).into_owned()
        });
        let sequence = match self {
            Self::Osc9 => format!("\x1b]9;{title}: {text}\x1b\\"),
            // The title ends at the first semicolon.
            Self::Osc777 => {
                format!("\x1b]777;notify;{};{text}\x1b\\", title.replace(';', ","))
            }
            Self::Osc99 => {
                let [title, text] = [title, text].map(|part| STANDARD.encode(part));
                format!(
                    "\x1b]99;i=chinwag:d=0:e=1:p=title;{title}\x1b\\\
                     \x1b]99;i=chinwag:d=1:e=1:p=body;{text}\x1b\\"
                )
            }
        };
        if in_tmux { through_tmux(&sequence) } else { sequence }
    }
}

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
    fn notices_are_shown_where_the_terminal_has_them_and_end_nothing() {
        let detect = |set: &[(&str, &str)]| {
            NoticeProtocol::detect(|name| {
                set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(detect(&[("TERM", "xterm-256color")]), None);
        assert_eq!(detect(&[("TERM", "xterm-kitty")]), Some(NoticeProtocol::Osc99));
        assert_eq!(detect(&[("TERM_PROGRAM", "WezTerm")]), Some(NoticeProtocol::Osc9));
        assert_eq!(detect(&[("TERM", "foot-extra")]), Some(NoticeProtocol::Osc777));
        for protocol in [NoticeProtocol::Osc9, NoticeProtocol::Osc99, NoticeProtocol::Osc777] {
            let hostile = "\x07\x1b\\\x1b]52;c;\u{9c}".repeat(100);
            let sequence = protocol.notice("a;b", &hostile, false);
            let ends = sequence.matches("\x1b\\").count();
            assert_eq!(ends, sequence.matches('\x1b').count() / 2, "{sequence:?}");
            assert!(!sequence.contains(['\x07', '\u{9c}']) && sequence.len() < 2048);
            assert!(protocol.notice("a", "b", true).starts_with("\x1bPtmux;\x1b\x1b]"));
        }
        let urxvt = NoticeProtocol::Osc777.notice("a;b", "c;d", false);
        assert_eq!(urxvt, "\x1b]777;notify;a,b;c;d\x1b\\");
    }

    #[test]
    fn a_title_has_no_control_characters() {
        assert_eq!(
            title("(2) lobby\x1b]52;c;\x07\u{9c}"),
            "\x1b]2;(2) lobby␛]52;c;␇<U+009C>\x1b\\"
        );
    }
}
