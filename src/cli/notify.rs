//! How the full screen tells the user of messages while its terminal is not looked at.

use super::values;
use crate::model::Invalid;

/// Words that mean no notification. `false` is also a command, which does nothing.
const OFF: [&str; 7] = ["off", "none", "no", "false", "never", "silent", "disabled"];

/// Words that mean [`Notify::Terminal`] and [`Notify::Bell`].
const TERMINAL: [&str; 9] =
    ["terminal", "term", "desktop", "on", "yes", "true", "auto", "always", "default"];
const BELL: [&str; 4] = ["bell", "bel", "bells", "ring"];

/// Why a value of the setting `notify` is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidNotify {
    #[error("expected terminal, bell or a command")]
    Blank,
    #[error(
        "{0:?} is neither terminal, bell nor a command: notify = \"bell\" leaves only the bell, and \
         quiet = true turns off both"
    )]
    Off(String),
    #[error("{0:?} is neither terminal, bell nor a command: did you mean {1:?}?")]
    Near(String, &'static str),
    #[error(transparent)]
    Command(#[from] Invalid),
}

/// The setting `notify`. The bell rings in any case, unless the user wants it quiet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Notify {
    /// A notice of the desktop, if the terminal shows such.
    #[default]
    Terminal,
    /// Only the bell.
    Bell,
    /// A command for `sh -c`, which gets the message as `chinwag on --run` passes it.
    Command(String),
}

impl Notify {
    /// Parses the setting. Errors if it is blank, or a word that is probably meant as another value.
    pub(crate) fn parse(raw: &str) -> Result<Self, InvalidNotify> {
        let raw = raw.trim();
        let word = raw.to_lowercase();
        let is_in = |words: &[&str]| words.contains(&word.as_str());
        match raw {
            "" => Err(InvalidNotify::Blank),
            "terminal" => Ok(Self::Terminal),
            "bell" => Ok(Self::Bell),
            _ if is_in(&OFF) => Err(InvalidNotify::Off(raw.to_owned())),
            _ if is_in(&TERMINAL) => Err(InvalidNotify::Near(raw.to_owned(), "terminal")),
            _ if is_in(&BELL) => Err(InvalidNotify::Near(raw.to_owned(), "bell")),
            command => Ok(Self::Command(values::shell_command(command)?)),
        }
    }
}

/// The most characters of a keyword, and the most keywords.
const MAX_KEYWORD: usize = 64;
const MAX_KEYWORDS: usize = 50;

/// Checks the setting `keywords`: words that count as if one was named.
pub(crate) fn keywords(raw: &[String]) -> Result<Vec<String>, String> {
    let is_bad = |word: &String| word.trim().is_empty() || word.chars().count() > MAX_KEYWORD;
    if let Some(word) = raw.iter().find(|word| is_bad(word)) {
        return Err(format!("{word:?}: a keyword has 1 to {MAX_KEYWORD} characters"));
    }
    if raw.len() > MAX_KEYWORDS {
        return Err(format!("at most {MAX_KEYWORDS} keywords"));
    }
    Ok(raw.iter().map(|word| word.trim().to_lowercase()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_command_is_refused_with_what_to_write() {
        assert_eq!(Notify::parse("terminal"), Ok(Notify::Terminal));
        assert_eq!(Notify::parse(" bell "), Ok(Notify::Bell));
        assert_eq!(Notify::parse("tell me"), Ok(Notify::Command("tell me".into())));
        assert_eq!(Notify::parse(" "), Err(InvalidNotify::Blank));
        for off in ["off", "none", "None", "NO", "false"] {
            let error = Notify::parse(off).unwrap_err();
            assert_eq!(error, InvalidNotify::Off(off.into()));
            assert!(error.to_string().contains("quiet = true"), "{error}");
        }
        for (near, meant) in [("Terminal", "terminal"), ("on", "terminal"), ("BEL", "bell")] {
            let error = Notify::parse(near).unwrap_err();
            assert_eq!(error, InvalidNotify::Near(near.into(), meant));
            assert!(error.to_string().ends_with(&format!("did you mean {meant:?}?")), "{error}");
        }
        assert!(matches!(Notify::parse("tell\0me"), Err(InvalidNotify::Command(_))));
    }

    #[test]
    fn documented_commands_never_take_a_text_for_an_option() {
        let page = include_str!("../../docs/chat.md");
        let commands: Vec<&str> = page.split("notify = 'notify-send ").skip(1).collect();
        assert!(!commands.is_empty());
        assert!(commands.iter().all(|arguments| arguments.starts_with("-- ")), "{commands:?}");
    }
}
