//! Colours with enough contrast on the backgrounds that they are drawn on.
//!
//! The contrast is that of WCAG 2.1: 1 for equal colours, 21 for black on white. On any background,
//! black or white has at least 4.58.

use ratatui::style::Color;

/// A colour in sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rgb(pub(crate) u8, pub(crate) u8, pub(crate) u8);

/// The colours that a terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Depth {
    /// The first sixteen.
    Sixteen,
    /// The fixed part of the 256-colour palette, from 16 on: terminals let users redefine the others.
    #[default]
    Indexed,
    Rgb,
}

/// The first sixteen colours of the Linux console, and of xterm. Users redefine them; what has enough
/// contrast in both has it in most terminals.
const SIXTEEN: [[Rgb; 16]; 2] = [
    [
        Rgb(0, 0, 0),
        Rgb(170, 0, 0),
        Rgb(0, 170, 0),
        Rgb(170, 85, 0),
        Rgb(0, 0, 170),
        Rgb(170, 0, 170),
        Rgb(0, 170, 170),
        Rgb(170, 170, 170),
        Rgb(85, 85, 85),
        Rgb(255, 85, 85),
        Rgb(85, 255, 85),
        Rgb(255, 255, 85),
        Rgb(85, 85, 255),
        Rgb(255, 85, 255),
        Rgb(85, 255, 255),
        Rgb(255, 255, 255),
    ],
    [
        Rgb(0, 0, 0),
        Rgb(205, 0, 0),
        Rgb(0, 205, 0),
        Rgb(205, 205, 0),
        Rgb(0, 0, 238),
        Rgb(205, 0, 205),
        Rgb(0, 205, 205),
        Rgb(229, 229, 229),
        Rgb(127, 127, 127),
        Rgb(255, 0, 0),
        Rgb(0, 255, 0),
        Rgb(255, 255, 0),
        Rgb(92, 92, 255),
        Rgb(255, 0, 255),
        Rgb(0, 255, 255),
        Rgb(255, 255, 255),
    ],
];

/// The steps of a channel in the colour cube of the 256-colour palette.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The greatest difference of the channels of a grey.
const GREY: u8 = 40;

/// The number of steps from a colour to black or white in which one with enough contrast is searched.
const STEPS: u8 = 32;

impl Rgb {
    pub(crate) const BLACK: Self = Self(0, 0, 0);
    pub(crate) const WHITE: Self = Self(255, 255, 255);

    /// The relative luminance, from 0 to 1.
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    /// The contrast between two colours, from 1 to 21.
    pub(crate) fn contrast(self, other: Self) -> f64 {
        ratio(self.luminance(), other.luminance())
    }

    /// Returns true if black is easier to read on this colour than white.
    pub(crate) fn is_light(self) -> bool {
        self.contrast(Self::BLACK) > self.contrast(Self::WHITE)
    }

    /// This colour with a share, from 0 to 1, of another.
    pub(crate) fn mixed(self, other: Self, share: f64) -> Self {
        let mix = |a: u8, b: u8| {
            let value = f64::from(a) * (1.0 - share) + f64::from(b) * share;
            // Between the two channels, so it fits.
            value.round() as u8
        };
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    fn distance(self, other: Self) -> u32 {
        let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
        square(self.0, other.0) + square(self.1, other.1) + square(self.2, other.2)
    }

    fn is_grey(self) -> bool {
        let Self(red, green, blue) = self;
        red.max(green).max(blue) - red.min(green).min(blue) < GREY
    }

    /// The least contrast on backgrounds of these luminances.
    fn least_contrast(self, luminances: &[f64]) -> f64 {
        let own = self.luminance();
        luminances.iter().map(|luminance| ratio(own, *luminance)).fold(f64::INFINITY, f64::min)
    }
}

/// The contrast of two luminances.
fn ratio(a: f64, b: f64) -> f64 {
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

impl Depth {
    /// The colour nearest to `wanted` that has the contrast `ratio` on all backgrounds or, if there is
    /// none, the one with the most. It is none of those in `taken` if there are enough colours.
    pub(super) fn readable(
        self,
        wanted: Rgb,
        backgrounds: &[Rgb],
        ratio: f64,
        taken: &[Color],
    ) -> Color {
        let luminances: Vec<f64> = backgrounds.iter().map(|rgb| rgb.luminance()).collect();
        let luminances = luminances.as_slice();
        match self {
            Self::Rgb => towards_readable(wanted, luminances, ratio),
            Self::Indexed => {
                let all = (16..=u8::MAX).map(|index| (Color::Indexed(index), [indexed(index)]));
                nearest(wanted, all, luminances, ratio, taken)
            }
            Self::Sixteen => {
                let all = (0_u8..16).map(|index| (Color::Indexed(index), sixteen(index)));
                let all = all.filter(|(_, [rgb, _])| rgb.is_grey() == wanted.is_grey());
                let black_and_white =
                    [0_u8, 15].map(|index| (Color::Indexed(index), sixteen(index)));
                nearest(wanted, all.chain(black_and_white), luminances, ratio, &[])
            }
        }
    }

    /// The colour nearest to `wanted`, and what it is in sRGB.
    pub(super) fn exact(self, wanted: Rgb) -> (Color, Rgb) {
        match self {
            Self::Rgb => (Color::Rgb(wanted.0, wanted.1, wanted.2), wanted),
            Self::Indexed | Self::Sixteen => {
                let (from, to) = if self == Self::Indexed { (16, 255) } else { (0, 15) };
                let index = (from..=to).min_by_key(|index| rgb(*index).distance(wanted));
                let index = index.unwrap_or(from);
                (Color::Indexed(index), rgb(index))
            }
        }
    }
}

fn towards_readable(wanted: Rgb, luminances: &[f64], ratio: f64) -> Color {
    let [black, white] = [Rgb::BLACK, Rgb::WHITE].map(|pole| pole.least_contrast(luminances));
    let pole = if black > white { Rgb::BLACK } else { Rgb::WHITE };
    let steps = (0..=STEPS).map(|step| wanted.mixed(pole, f64::from(step) / f64::from(STEPS)));
    let found = { steps }.find(|colour| colour.least_contrast(luminances) >= ratio).unwrap_or(pole);
    Color::Rgb(found.0, found.1, found.2)
}

fn nearest<const N: usize>(
    wanted: Rgb,
    candidates: impl Iterator<Item = (Color, [Rgb; N])>,
    luminances: &[f64],
    ratio: f64,
    taken: &[Color],
) -> Color {
    let rated = candidates.map(|(colour, shown)| {
        let least = shown.iter().map(|rgb| rgb.least_contrast(luminances));
        let least = least.fold(f64::INFINITY, f64::min);
        let distance = shown.iter().map(|rgb| rgb.distance(wanted)).min().unwrap_or(u32::MAX);
        (colour, least, (taken.contains(&colour), distance))
    });
    let better = |a: (Color, f64, (bool, u32)), b: (Color, f64, (bool, u32))| {
        let is_better = match (a.1 >= ratio, b.1 >= ratio) {
            (true, true) => b.2 < a.2,
            (false, false) => b.1 > a.1,
            (_, b) => b,
        };
        if is_better { b } else { a }
    };
    rated.reduce(better).map_or(Color::Reset, |(colour, ..)| colour)
}

/// A colour of the 256-colour palette; the first sixteen are those of xterm.
fn rgb(index: u8) -> Rgb {
    if index < 16 { sixteen(index)[1] } else { indexed(index) }
}

/// One of the colours 16 to 255.
fn indexed(index: u8) -> Rgb {
    let step = |digit: u8| CUBE.get(usize::from(digit % 6)).copied().unwrap_or_default();
    match index.saturating_sub(16) {
        cube @ 0..216 => Rgb(step(cube / 36), step(cube / 6), step(cube)),
        grey => {
            let level = 8 + 10 * (grey - 216);
            Rgb(level, level, level)
        }
    }
}

/// One of the first sixteen colours, as two terminals show it.
fn sixteen(index: u8) -> [Rgb; 2] {
    SIXTEEN.map(|palette| palette.get(usize::from(index)).copied().unwrap_or(Rgb::BLACK))
}

#[cfg(test)]
impl Rgb {
    /// What a terminal may show for a colour.
    pub(super) fn shown(colour: Color) -> Vec<Self> {
        match colour {
            Color::Rgb(red, green, blue) => vec![Self(red, green, blue)],
            Color::Indexed(index @ 0..16) => sixteen(index).to_vec(),
            Color::Indexed(index) => vec![indexed(index)],
            other => panic!("{other:?} is not the program's choice"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contrast_is_that_of_the_standard() {
        assert!((Rgb::BLACK.contrast(Rgb::WHITE) - 21.0).abs() < 1e-9);
        assert!((Rgb(119, 119, 119).contrast(Rgb::WHITE) - 4.48).abs() < 0.01);
        assert_eq!((indexed(16), indexed(231)), (Rgb::BLACK, Rgb::WHITE));
        assert_eq!(
            (indexed(67), indexed(232), indexed(255)),
            (Rgb(95, 135, 175), Rgb(8, 8, 8), Rgb(238, 238, 238))
        );
    }

    #[test]
    fn a_readable_colour_is_kept_and_another_is_moved() {
        let dark = [Rgb(28, 28, 28)];
        let amber = Rgb(255, 175, 95);
        assert_eq!(Depth::Rgb.readable(amber, &dark, 4.5, &[]), Color::Rgb(255, 175, 95));
        assert_eq!(Depth::Indexed.readable(amber, &dark, 4.5, &[]), Color::Indexed(215));
        for depth in [Depth::Sixteen, Depth::Indexed, Depth::Rgb] {
            let moved = Rgb::shown(depth.readable(amber, &[Rgb::WHITE], 4.5, &[]));
            assert!(
                moved.iter().all(|rgb| rgb.contrast(Rgb::WHITE) >= 4.5),
                "{depth:?}: {moved:?}"
            );
        }
        // A grey stays a grey.
        let grey = Depth::Sixteen.readable(Rgb(108, 108, 108), &[Rgb::WHITE], 4.5, &[]);
        assert_eq!(grey, Color::Indexed(0));
    }
}
