//! The colours of the full screen: a style for each role. No other module names a colour.
//!
//! The background is the terminal's own, except for bars and selected rows. Colours are indexes from
//! 16 on in the 256-colour palette, because terminals let users redefine the first sixteen. The tests
//! compute the contrast of each. `plain` has no colours, for `NO_COLOR`.

use ratatui::style::{Color, Modifier, Style};

use crate::model::Name;

/// A style for each role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Theme {
    pub(crate) text: Style,
    /// Secondary information: times, paths, hints.
    pub(crate) dim: Style,
    pub(crate) notice: Style,
    /// The user's own name.
    pub(crate) own: Style,
    /// A text that mentions the user.
    pub(crate) mention: Style,
    /// Patched onto the text's style for a link.
    pub(crate) link: Style,
    /// Patched onto the style of a row that is selected or was jumped to.
    pub(crate) selected: Style,
    /// Lines between the parts of the screen.
    pub(crate) border: Style,
    /// Headings.
    pub(crate) title: Style,
    /// The line between two days.
    pub(crate) day: Style,
    /// The line above unread messages.
    pub(crate) new_line: Style,
    pub(crate) status: Style,
    /// Success; a verified key.
    pub(crate) good: Style,
    /// Warnings.
    pub(crate) warn: Style,
    /// Errors.
    pub(crate) bad: Style,
    /// A room or peer with unread messages.
    pub(crate) unread: Style,
    /// The colours that other people's names are spread over; without any, names are like the own.
    names: &'static [u8],
}

const fn on(colour: u8) -> Style {
    Style::new().fg(Color::Indexed(colour))
}

const fn bold(colour: u8) -> Style {
    on(colour).add_modifier(Modifier::BOLD)
}

const fn modified(modifier: Modifier) -> Style {
    Style::new().add_modifier(modifier)
}

/// Colours of names on a dark background.
const ON_DARK: [u8; 12] = [39, 208, 113, 176, 221, 80, 210, 147, 150, 180, 213, 75];

/// Colours of names on a light background.
const ON_LIGHT: [u8; 12] = [25, 130, 28, 90, 88, 24, 161, 54, 58, 95, 126, 20];

impl Theme {
    pub(crate) const fn dark() -> Self {
        Self {
            text: Style::new(),
            dim: on(245),
            notice: on(109),
            own: bold(255),
            mention: bold(229),
            link: modified(Modifier::UNDERLINED),
            selected: Style::new().bg(Color::Indexed(237)),
            border: on(240),
            title: bold(252),
            day: on(245),
            new_line: on(209),
            status: on(252).bg(Color::Indexed(236)),
            good: on(114),
            warn: on(221),
            bad: on(203),
            unread: bold(255),
            names: &ON_DARK,
        }
    }

    pub(crate) const fn light() -> Self {
        Self {
            text: Style::new(),
            dim: on(241),
            notice: on(24),
            own: bold(16),
            mention: bold(88),
            link: modified(Modifier::UNDERLINED),
            selected: Style::new().bg(Color::Indexed(253)),
            border: on(248),
            title: bold(236),
            day: on(241),
            new_line: on(130),
            status: on(236).bg(Color::Indexed(254)),
            good: on(22),
            warn: on(94),
            bad: on(160),
            unread: bold(16),
            names: &ON_LIGHT,
        }
    }

    /// Without colours.
    pub(crate) const fn plain() -> Self {
        const PLAIN: Style = Style::new();
        const BOLD: Style = modified(Modifier::BOLD);
        const DIM: Style = modified(Modifier::DIM);
        Self {
            text: PLAIN,
            dim: DIM,
            notice: DIM,
            own: BOLD,
            mention: BOLD,
            link: modified(Modifier::UNDERLINED),
            selected: modified(Modifier::REVERSED),
            border: DIM,
            title: BOLD,
            day: DIM,
            new_line: BOLD,
            status: modified(Modifier::REVERSED),
            good: PLAIN,
            warn: BOLD,
            bad: BOLD,
            unread: BOLD,
            names: &[],
        }
    }

    /// The theme with this name in the configuration: `dark`, `light` or `plain`. Errors if there
    /// is no such theme; the message lists the names.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        match name {
            "dark" => Ok(Self::dark()),
            "light" => Ok(Self::light()),
            "plain" => Ok(Self::plain()),
            _ => Err(format!("no theme {name:?}: expected dark, light or plain")),
        }
    }

    /// The style of a peer's name, the same for every occurrence of the name.
    pub(crate) fn of_name(&self, name: &Name) -> Style {
        // FNV-1a with its halves folded, so that names differing in one letter differ in the low bits.
        let hash = name.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let folded = (hash ^ (hash >> 32)) & u64::from(u32::MAX);
        let count = self.names.len().max(1);
        let at = usize::try_from(folded).map_or(0, |hash| hash % count);
        self.names.get(at).map_or(self.own, |&colour| on(colour))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2.1) of one of the xterm colours 16–255.
    fn luminance(colour: u8) -> f64 {
        let steps = [0.0, 95.0, 135.0, 175.0, 215.0, 255.0];
        let rgb = match colour {
            16..=231 => {
                let cube = usize::from(colour - 16);
                [steps[cube / 36], steps[cube / 6 % 6], steps[cube % 6]]
            }
            232.. => [8.0 + 10.0 * f64::from(colour - 232); 3],
            _ => panic!("{colour} can be redefined by the user"),
        };
        let linear = |value: f64| {
            let value: f64 = value / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2])
    }

    fn contrast(style: Style, ground: u8) -> f64 {
        let Some(Color::Indexed(colour)) = style.fg else { panic!("{style:?}") };
        let (a, b) = (luminance(colour), luminance(ground));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_colour_has_enough_contrast() {
        for (theme, ground, selected) in [(Theme::dark(), 234, 237), (Theme::light(), 231, 253)] {
            let Theme { dim, notice, own, mention, title, .. } = theme;
            let Theme { day, new_line, good, warn, bad, unread, .. } = theme;
            let roles = [dim, notice, own, mention, title, day, new_line, good, warn, bad, unread];
            let names = theme.names.iter().map(|&colour| on(colour));
            for style in roles.into_iter().chain(names) {
                let (much, enough) = (contrast(style, ground), contrast(style, selected));
                assert!(much >= 4.5, "{style:?} on {ground}: {much}");
                assert!(enough >= 3.0, "{style:?} on {selected}: {enough}");
            }
        }
    }

    #[test]
    fn plain_has_no_colour() {
        let plain = format!("{:?}", Theme::plain());
        assert!(!plain.contains("Indexed") && !plain.contains("fg") && !plain.contains("bg"));
    }

    #[test]
    fn names_keep_their_colour_and_lookalikes_differ() {
        let name = |raw: &str| Name::parse(raw).unwrap();
        for theme in [Theme::dark(), Theme::light()] {
            assert_eq!(theme.of_name(&name("sova")), theme.of_name(&name("Sova")));
            // The second ones have a Cyrillic о and а.
            for (one, other) in [("sova", "sоva"), ("anna", "аnna"), ("bob", "bоb")] {
                assert_ne!(theme.of_name(&name(one)), theme.of_name(&name(other)), "{one}");
            }
            let crowd = (0..1200).map(|i| theme.of_name(&name(&format!("peer-{i}"))));
            let first = crowd.filter(|style| *style == on(theme.names[0])).count();
            assert!((50..150).contains(&first), "{first} of 1200 have the first of 12 colours");
        }
    }
}
