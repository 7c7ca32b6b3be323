//! Colours of what commands print, on a terminal only.

use std::io::{self, IsTerminal};

use anstyle::{Ansi256Color, RgbColor, Style};
use ratatui::style::{Color, Modifier};

use super::{json::Verdict, theme::Theme};
use crate::model::Name;

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    // On a terminal that has them, unless NO_COLOR, CLICOLOR or CLICOLOR_FORCE says otherwise.
    #[default]
    Auto,
    Always,
    Never,
}

impl ColorChoice {
    /// Returns true if standard output gets colours.
    pub(crate) fn applies(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if anstyle_query::no_color() => false,
            Self::Auto if anstyle_query::clicolor_force() => true,
            Self::Auto => {
                io::stdout().is_terminal()
                    && anstyle_query::term_supports_color()
                    && anstyle_query::clicolor().unwrap_or(true)
            }
        }
    }
}

/// Adds colours to lines that are escaped already.
#[derive(Debug)]
pub(crate) struct Paint {
    /// `None`: no colours.
    theme: Option<Theme>,
    /// The user's own name.
    me: Name,
}

impl Paint {
    pub(crate) fn new(theme: Option<Theme>, me: Name) -> Self {
        Self { theme, me }
    }

    /// Colours the name of a peer in a line, after `before`, which is dimmed.
    pub(crate) fn name(&self, line: String, before: &str, name: &Name) -> String {
        let Some(theme) = &self.theme else { return line };
        let rest = line.strip_prefix(before).and_then(|rest| rest.strip_prefix(name.as_str()));
        let Some(rest) = rest else { return line };
        let style = converted(theme.of_name(name, *name == self.me));
        format!("{}{}{rest}", painted(converted(theme.dim), before), painted(style, name.as_str()))
    }

    /// Colours the result of a check, which begins the line.
    pub(crate) fn verdict(&self, line: String, word: &str, verdict: Verdict) -> String {
        let (Some(theme), Some(rest)) = (&self.theme, line.strip_prefix(word)) else { return line };
        let style = match verdict {
            Verdict::Ok => theme.good,
            Verdict::Warn => theme.warn,
            Verdict::Fail => theme.bad,
        };
        format!("{}{rest}", painted(converted(style), word))
    }
}

fn painted(style: Style, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{style}{text}{style:#}") }
}

/// Converts the foreground and the weight of a style of the full screen.
fn converted(style: ratatui::style::Style) -> Style {
    let colour = match style.fg {
        Some(Color::Indexed(index)) => Some(Ansi256Color(index).into()),
        Some(Color::Rgb(red, green, blue)) => Some(RgbColor(red, green, blue).into()),
        _ => None,
    };
    let mut converted = Style::new().fg_color(colour);
    if style.add_modifier.contains(Modifier::BOLD) {
        converted = converted.bold();
    }
    if style.add_modifier.contains(Modifier::DIM) {
        converted = converted.dimmed();
    }
    converted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::theme::{ThemeName, detect::TerminalColours};

    #[test]
    fn names_and_results_have_colours() {
        let name = |raw: &str| Name::parse(raw).unwrap();
        let dark = || Theme::for_output(ThemeName::Dark, &TerminalColours::default());
        let paint = Paint::new(Some(dark()), name("sova"));
        let line = || "09:15 buzz: hi sova".to_owned();
        let shown = paint.name(line(), "09:15 ", &name("buzz"));
        let index = |who: &str| match dark().of_name(&name(who), false).fg {
            Some(Color::Indexed(index)) => index,
            other => panic!("{other:?}"),
        };
        let buzz = format!("\x1b[38;5;{}mbuzz\x1b[0m: hi sova", index("buzz"));
        assert!(shown.ends_with(&buzz), "{shown:?}");
        let own = paint.name("sova: hi".into(), "", &name("sova"));
        assert_eq!(own, format!("\x1b[1m\x1b[38;5;{}msova\x1b[0m: hi", index("sova")));
        assert_eq!(paint.name(line(), "09:16 ", &name("buzz")), line(), "not there");
        let fail = paint.verdict("fail  hub".into(), "fail", Verdict::Fail);
        assert!(fail.starts_with("\x1b[38;5;") && fail.ends_with("mfail\x1b[0m  hub"), "{fail:?}");
        let none = Paint::new(None, name("sova"));
        assert_eq!(none.name(line(), "09:15 ", &name("buzz")), line());
    }
}
