//! The base colours of the themes. A theme takes the nearest readable ones.

use super::contrast::Rgb;

/// The base colours on a dark or a light background.
pub(super) struct BaseColours {
    /// The background, if that of the terminal is not known or not wanted.
    pub(super) background: Rgb,
    /// The background on which the colours have the least contrast, if it is not known.
    pub(super) least_contrast_background: Rgb,
    pub(super) text: Rgb,
    pub(super) dim: Rgb,
    pub(super) border: Rgb,
    pub(super) accent: Rgb,
    pub(super) notice: Rgb,
    pub(super) key: Rgb,
    pub(super) code: Rgb,
    pub(super) new_line: Rgb,
    pub(super) good: Rgb,
    pub(super) warn: Rgb,
    pub(super) bad: Rgb,
    pub(super) names: [Rgb; 12],
    /// The share of the text's colour, or of the accent, in the background of marked rows.
    pub(super) selected: f64,
    pub(super) mention: f64,
    pub(super) code_tint: f64,
    pub(super) status: f64,
}

impl BaseColours {
    pub(super) fn on(is_light: bool) -> &'static Self {
        if is_light { &LIGHT } else { &DARK }
    }
}

const DARK: BaseColours = BaseColours {
    background: Rgb(28, 28, 28),
    least_contrast_background: Rgb(54, 54, 54),
    text: Rgb(218, 218, 218),
    dim: Rgb(138, 138, 138),
    border: Rgb(88, 88, 88),
    accent: Rgb(255, 191, 71),
    notice: Rgb(135, 175, 175),
    key: Rgb(111, 195, 223),
    code: Rgb(184, 210, 190),
    new_line: Rgb(255, 160, 60),
    good: Rgb(135, 215, 135),
    warn: Rgb(255, 215, 95),
    bad: Rgb(255, 107, 107),
    names: [
        Rgb(80, 180, 255),
        Rgb(255, 150, 60),
        Rgb(135, 215, 95),
        Rgb(215, 135, 215),
        Rgb(240, 200, 80),
        Rgb(80, 210, 210),
        Rgb(255, 135, 135),
        Rgb(165, 165, 255),
        Rgb(175, 215, 135),
        Rgb(222, 178, 138),
        Rgb(255, 145, 225),
        Rgb(120, 200, 170),
    ],
    selected: 0.12,
    mention: 0.11,
    code_tint: 0.06,
    status: 0.09,
};

const LIGHT: BaseColours = BaseColours {
    background: Rgb(255, 255, 255),
    least_contrast_background: Rgb(228, 228, 228),
    text: Rgb(40, 40, 40),
    dim: Rgb(108, 108, 108),
    border: Rgb(168, 168, 168),
    accent: Rgb(230, 160, 0),
    notice: Rgb(0, 95, 135),
    key: Rgb(0, 95, 175),
    code: Rgb(60, 80, 65),
    new_line: Rgb(145, 80, 0),
    good: Rgb(0, 110, 40),
    warn: Rgb(135, 95, 0),
    bad: Rgb(200, 0, 30),
    names: [
        Rgb(0, 95, 175),
        Rgb(175, 85, 0),
        Rgb(20, 115, 20),
        Rgb(135, 20, 135),
        Rgb(130, 95, 0),
        Rgb(0, 105, 110),
        Rgb(175, 0, 50),
        Rgb(85, 50, 190),
        Rgb(85, 105, 0),
        Rgb(125, 75, 50),
        Rgb(180, 20, 120),
        Rgb(0, 110, 75),
    ],
    selected: 0.12,
    mention: 0.22,
    code_tint: 0.04,
    status: 0.08,
};
