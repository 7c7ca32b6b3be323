//! What is known about the colours of the terminal.

use std::env;

use super::contrast::{Depth, Rgb};

/// Beginnings of the names of terminals (`TERM`) that show 256 colours and do not say so in the name.
const WITH_PALETTE: [&str; 9] = [
    "alacritty",
    "contour",
    "foot",
    "ghostty",
    "rio",
    "tmux",
    "wezterm",
    "xterm-ghostty",
    "xterm-kitty",
];

/// The colours of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TerminalColours {
    /// The background, if the terminal has told it.
    pub(crate) background: Option<Rgb>,
    /// Whether the environment says that the background is light.
    pub(crate) light_by_environment: Option<bool>,
    pub(crate) depth: Depth,
}

impl TerminalColours {
    /// What the environment says: `COLORTERM`, `TERM` and `COLORFGBG`.
    pub(crate) fn from_environment() -> Self {
        let variable = |name| env::var(name).unwrap_or_default();
        Self {
            background: None,
            light_by_environment: light_by(&variable("COLORFGBG")),
            depth: depth(&variable("COLORTERM"), &variable("TERM")),
        }
    }

    /// Whether the background is light; `None` if nothing is known.
    pub(super) fn is_light(&self) -> Option<bool> {
        self.background.map(Rgb::is_light).or(self.light_by_environment)
    }
}

fn depth(colorterm: &str, term: &str) -> Depth {
    let has_palette = |term: &str| {
        term.contains("256color") || WITH_PALETTE.iter().any(|known| term.starts_with(known))
    };
    match (colorterm, term) {
        ("truecolor" | "24bit", _) => Depth::Rgb,
        (_, term) if term.ends_with("-direct") => Depth::Rgb,
        // The terminals of Windows set no variable.
        (_, "") => Depth::Indexed,
        (_, term) if has_palette(term) => Depth::Indexed,
        _ => Depth::Sixteen,
    }
}

/// Reads `COLORFGBG`, which some terminals set: the numbers of the colours of text and background.
fn light_by(colorfgbg: &str) -> Option<bool> {
    match colorfgbg.rsplit(';').next()?.parse::<u8>().ok()? {
        0..=6 | 8 => Some(false),
        7 | 9..=15 => Some(true),
        16.. => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_tells_how_many_colours_there_are() {
        for (colorterm, term, expected) in [
            ("truecolor", "xterm-256color", Depth::Rgb),
            ("24bit", "screen", Depth::Rgb),
            ("", "xterm-direct", Depth::Rgb),
            ("", "xterm-256color", Depth::Indexed),
            ("yes", "tmux", Depth::Indexed),
            ("", "xterm-kitty", Depth::Indexed),
            ("", "", Depth::Indexed),
            ("", "xterm", Depth::Sixteen),
            ("", "linux", Depth::Sixteen),
            ("", "screen", Depth::Sixteen),
        ] {
            assert_eq!(depth(colorterm, term), expected, "{colorterm} {term}");
        }
    }

    #[test]
    fn the_environment_may_tell_the_background() {
        for (value, expected) in [
            ("15;0", Some(false)),
            ("0;15", Some(true)),
            ("0;default;15", Some(true)),
            ("0;7", Some(true)),
            ("7;8", Some(false)),
            ("15;default", None),
            ("", None),
            ("0;99", None),
        ] {
            assert_eq!(light_by(value), expected, "{value}");
        }
        let known = |background, light_by_environment| TerminalColours {
            background,
            light_by_environment,
            ..TerminalColours::default()
        };
        assert_eq!(known(None, None).is_light(), None);
        assert_eq!(known(None, Some(true)).is_light(), Some(true));
        let black = known(Some(Rgb::BLACK), Some(true)).is_light();
        assert_eq!(black, Some(false), "the terminal knows better");
        assert_eq!(known(Some(Rgb(253, 246, 227)), Some(false)).is_light(), Some(true));
    }
}
