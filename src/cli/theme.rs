//! The colours of the full screen: a style for each role. No other module names a colour.
//!
//! The background is the terminal's own, except for bars, marked rows and code. Every colour is chosen
//! for the background: the nearest to its base colour that has enough contrast. `dark` paints a
//! background of its own unless the terminal is known to be dark, and `light` likewise. `plain` has no
//! colours, for `NO_COLOR`.
//!
//! What commands print has colours that can be read on black and on white: the terminal is not asked,
//! and the output may be shown elsewhere later.

mod base_colours;
pub(crate) mod contrast;
pub(crate) mod detect;

use std::fmt;

use ratatui::style::{Color, Modifier, Style};

use self::{
    base_colours::BaseColours,
    contrast::{Depth, Rgb},
    detect::TerminalColours,
};
use crate::model::Name;

/// The least contrast of a text with its background (WCAG 2.1, AA).
const TEXT_CONTRAST: f64 = 4.5;

/// The least contrast of lines and symbols.
const LINE_CONTRAST: f64 = 3.0;

/// The contrast that black or white must have on a tinted row.
const TINT_CONTRAST: f64 = 7.0;

/// The name of a theme, as in `theme = "auto"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ThemeName {
    /// As the background of the terminal is.
    #[default]
    Auto,
    Dark,
    Light,
    /// Without colours.
    Plain,
}

/// A style for each role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Theme {
    /// The screen before anything is drawn. It has colours only if the theme has a background of its own.
    pub(crate) text: Style,
    /// Secondary information: times, paths, hints.
    pub(crate) dim: Style,
    /// Answers and help.
    pub(crate) notice: Style,
    /// Who came and left.
    pub(crate) presence: Style,
    /// A row with a text that mentions the user, and the bar in it.
    pub(crate) mention: Style,
    pub(crate) mention_bar: Style,
    /// Patched onto the text's style for a link.
    pub(crate) link: Style,
    /// Code in a text, and a row of fenced code.
    pub(crate) code: Style,
    /// Patched onto the style of emphasized text: `*so*` and `_so_`.
    pub(crate) strong: Style,
    pub(crate) emphasis: Style,
    /// A row that is selected or was jumped to.
    pub(crate) selected: Style,
    /// Found words.
    pub(crate) found: Style,
    /// The name of a key or command in a help or greeting.
    pub(crate) key: Style,
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
    /// Patched onto the style of the user's own name.
    own: Style,
    /// The styles that names are spread over; without any, all names are alike.
    names: Vec<Style>,
}

const fn modified(modifier: Modifier) -> Style {
    Style::new().add_modifier(modifier)
}

const BOLD: Style = modified(Modifier::BOLD);
const UNDERLINED: Style = modified(Modifier::UNDERLINED);
const ITALIC: Style = modified(Modifier::ITALIC);
const REVERSED: Style = modified(Modifier::REVERSED);

impl ThemeName {
    /// All names, as in `/theme auto`.
    pub(crate) const NAMES: [&'static str; 4] = ["auto", "dark", "light", "plain"];

    const ALL: [Self; 4] = [Self::Auto, Self::Dark, Self::Light, Self::Plain];

    /// The theme with this name in the configuration or after `/theme`. Errors if there is none; the
    /// message lists the names.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().zip(Self::ALL).find(|(known, _)| **known == name);
        found
            .map(|(_, theme)| theme)
            .ok_or_else(|| format!("no theme {name:?}: expected auto, dark, light or plain"))
    }

    /// Whether the theme is for a light background; `None` if it has no colours.
    fn is_light(self, terminal: &TerminalColours) -> Option<bool> {
        match self {
            // If nothing is known, the background counts as dark.
            Self::Auto => Some(terminal.is_light().unwrap_or(false)),
            Self::Dark => Some(false),
            Self::Light => Some(true),
            Self::Plain => None,
        }
    }
}

impl fmt::Display for ThemeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::NAMES.iter().zip(Self::ALL).find(|(_, theme)| theme == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}

impl Theme {
    /// The theme with a name, for a terminal.
    pub(crate) fn new(name: ThemeName, terminal: &TerminalColours) -> Self {
        let Some(is_light) = name.is_light(terminal) else { return Self::plain() };
        let base = BaseColours::on(is_light);
        let paints = name != ThemeName::Auto && terminal.is_light() != Some(is_light);
        let known = terminal.background.filter(|_| !paints);
        let palette = Palette {
            base,
            depth: terminal.depth,
            background: known.unwrap_or(base.background),
            // A dark terminal whose background is not known may be less dark.
            least_contrast_background: match paints {
                true => base.background,
                false => known.unwrap_or(base.least_contrast_background),
            },
        };
        if paints { palette.theme_with_background() } else { palette.theme() }
    }

    /// The theme of what commands print: names, secondary information and results have colours with
    /// enough contrast on black and on white. A terminal with sixteen colours gets none, because users
    /// redefine them.
    pub(crate) fn for_output(name: ThemeName, terminal: &TerminalColours) -> Self {
        let Some(is_light) = name.is_light(terminal) else { return Self::plain() };
        if terminal.depth == Depth::Sixteen {
            return Self::plain();
        }
        let (base, backgrounds) = (BaseColours::on(is_light), [Rgb::BLACK, Rgb::WHITE]);
        // The palette has enough such colours; between black and white, a scale has no direction.
        let readable = |wanted| Depth::Indexed.readable(wanted, &backgrounds, LINE_CONTRAST, &[]);
        let text = |wanted| Style::new().fg(readable(wanted));
        Self {
            dim: text(base.dim),
            good: text(base.good),
            warn: text(base.warn),
            bad: text(base.bad),
            names: base.names_on(Depth::Indexed, &backgrounds, LINE_CONTRAST),
            ..Self::plain()
        }
    }

    /// Without colours.
    pub(crate) fn plain() -> Self {
        const PLAIN: Style = Style::new();
        const DIM: Style = modified(Modifier::DIM);
        Self {
            text: PLAIN,
            dim: DIM,
            notice: PLAIN,
            presence: DIM,
            mention: BOLD,
            mention_bar: BOLD,
            link: UNDERLINED,
            code: PLAIN,
            strong: BOLD,
            emphasis: ITALIC,
            selected: REVERSED,
            found: REVERSED,
            key: BOLD,
            border: DIM,
            title: BOLD,
            day: DIM,
            new_line: BOLD,
            status: REVERSED,
            good: PLAIN,
            warn: BOLD,
            bad: BOLD,
            unread: BOLD,
            own: BOLD,
            names: Vec::new(),
        }
    }

    /// The weight of what is unread, to be patched onto a colour.
    pub(crate) fn unread_weight(&self) -> Style {
        Style { fg: None, ..self.unread }
    }

    /// The style of a name, the same for every occurrence of the name; `is_own`: the user's.
    pub(crate) fn of_name(&self, name: &Name, is_own: bool) -> Style {
        // FNV-1a with its halves folded, so that names differing in one letter differ in the low bits.
        let hash = name.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let folded = (hash ^ (hash >> 32)) & u64::from(u32::MAX);
        let count = self.names.len().max(1);
        let at = usize::try_from(folded).map_or(0, |hash| hash % count);
        let style = self.names.get(at).copied().unwrap_or_default();
        if is_own || self.names.is_empty() { style.patch(self.own) } else { style }
    }
}

impl BaseColours {
    /// The styles of names, each with a colour of its own as far as there are enough.
    fn names_on(&self, depth: Depth, backgrounds: &[Rgb], ratio: f64) -> Vec<Style> {
        let mut taken = Vec::new();
        for wanted in self.names {
            taken.push(depth.readable(wanted, backgrounds, ratio, &taken));
        }
        taken.into_iter().map(|colour| Style::new().fg(colour)).collect()
    }
}

/// What a theme is made from.
struct Palette<'a> {
    base: &'a BaseColours,
    depth: Depth,
    /// The background of the terminal, and the one on which its colours have the least contrast.
    background: Rgb,
    least_contrast_background: Rgb,
}

impl Palette<'_> {
    fn theme_with_background(&self) -> Theme {
        let (background, _) = self.depth.exact(self.background);
        let text =
            self.foreground(self.base.text, &[self.background], TEXT_CONTRAST).bg(background);
        Theme { text, ..self.theme() }
    }

    fn theme(&self) -> Theme {
        let base = self.base;
        let selected = self.tint(base.text, base.selected);
        let mention = self.tint(base.accent, base.mention);
        let code = self.tint(base.text, base.code_tint);
        let status = self.tint(base.text, base.status);
        // Sixteen colours have no tints. Bold would change their colour.
        let few = self.depth == Depth::Sixteen;
        let tints = [selected, mention, code, status];
        let tints = tints.iter().filter(|_| !few).map(|tint| tint.1);
        let all: Vec<Rgb> =
            tints.chain([self.background, self.least_contrast_background]).collect();
        let text = |wanted| self.foreground(wanted, &all, TEXT_CONTRAST);
        let line = |wanted| self.foreground(wanted, &all, LINE_CONTRAST);
        let bold = |wanted| if few { text(wanted) } else { text(wanted).patch(BOLD) };
        let tinted = |tint: (Color, Rgb), wanted| match few {
            true => text(wanted),
            false => text(wanted).bg(tint.0),
        };
        let or_reversed = |tint: (Color, Rgb)| match few {
            true => REVERSED,
            false => text(base.text).bg(tint.0),
        };
        let (marker, under) = self.depth.exact(base.accent);
        let found = self.foreground(Rgb::BLACK, &[under], TEXT_CONTRAST).bg(marker);
        Theme {
            text: Style::new(),
            dim: text(base.dim),
            notice: text(base.notice),
            presence: text(base.dim),
            mention: tinted(mention, base.text),
            mention_bar: line(base.accent),
            link: UNDERLINED,
            code: tinted(code, base.code),
            strong: BOLD,
            emphasis: ITALIC,
            selected: or_reversed(selected),
            found: if few { REVERSED } else { found },
            key: bold(base.key),
            border: line(base.border),
            title: bold(base.text),
            day: text(base.dim),
            new_line: text(base.new_line),
            status: or_reversed(status),
            good: text(base.good),
            warn: text(base.warn),
            bad: text(base.bad),
            unread: bold(base.text),
            own: BOLD,
            names: base.names_on(self.depth, &all, TEXT_CONTRAST),
        }
    }

    fn foreground(&self, wanted: Rgb, backgrounds: &[Rgb], ratio: f64) -> Style {
        Style::new().fg(self.depth.readable(wanted, backgrounds, ratio, &[]))
    }

    /// The background with a share of a colour: lighter on a dark one, unless texts would be hard to read.
    fn tint(&self, colour: Rgb, share: f64) -> (Color, Rgb) {
        let (text, other) = match self.background.is_light() {
            true => (Rgb::BLACK, Rgb::WHITE),
            false => (Rgb::WHITE, Rgb::BLACK),
        };
        let tint = self.depth.exact(self.background.mixed(colour, share));
        match tint.1.contrast(text) >= TINT_CONTRAST {
            true => tint,
            false => self.depth.exact(self.background.mixed(other, share)),
        }
    }
}

#[cfg(test)]
mod tests;
