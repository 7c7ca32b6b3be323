//! How the full screen tells the user of messages while its terminal is not looked at.

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
    /// Parses the setting. Errors if it is blank.
    pub(crate) fn parse(raw: &str) -> Result<Self, String> {
        match raw.trim() {
            "" => Err("expected terminal, bell or a command".into()),
            "terminal" => Ok(Self::Terminal),
            "bell" => Ok(Self::Bell),
            command => Ok(Self::Command(command.to_owned())),
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
        return Err(format!("{word:?} is no word of 1 to {MAX_KEYWORD} characters"));
    }
    if raw.len() > MAX_KEYWORDS {
        return Err(format!("at most {MAX_KEYWORDS} keywords"));
    }
    Ok(raw.iter().map(|word| word.trim().to_lowercase()).collect())
}
