//! Every style can be read on every background that it is drawn on.

use super::*;

/// Backgrounds of terminals: black and white, those of well-known colour schemes, and greys between.
const BACKGROUNDS: [Rgb; 16] = [
    Rgb::BLACK,
    Rgb(12, 12, 12),
    Rgb(28, 28, 28),
    Rgb(0, 43, 54),
    Rgb(40, 44, 52),
    Rgb(48, 10, 36),
    Rgb(46, 52, 64),
    Rgb(63, 63, 63),
    Rgb(105, 105, 105),
    Rgb(119, 119, 119),
    Rgb(170, 170, 170),
    Rgb(228, 228, 228),
    Rgb(239, 241, 245),
    Rgb(251, 241, 199),
    Rgb(253, 246, 227),
    Rgb::WHITE,
];

const DEPTHS: [Depth; 3] = [Depth::Sixteen, Depth::Indexed, Depth::Rgb];

fn name(raw: &str) -> Name {
    Name::parse(raw).unwrap()
}

/// All themes for all terminals, each with the background on which it is drawn.
fn all() -> Vec<(Theme, Rgb, String)> {
    let mut all = Vec::new();
    for depth in DEPTHS {
        for theme in [ThemeName::Auto, ThemeName::Dark, ThemeName::Light] {
            for background in BACKGROUNDS {
                let terminal =
                    TerminalColours { background: Some(background), depth, ..Default::default() };
                let made = Theme::new(theme, &terminal);
                let shown = made.text.bg.map_or(background, |own| Rgb::shown(own)[0]);
                all.push((made, shown, format!("{theme} on {background:?}, {depth:?}")));
            }
        }
        // A terminal that does not answer may have any of these backgrounds.
        for (light, backgrounds) in [(false, &BACKGROUNDS[..7]), (true, &BACKGROUNDS[11..])] {
            let light_by_environment = Some(light);
            let terminal = TerminalColours { background: None, light_by_environment, depth };
            for background in backgrounds {
                let made = Theme::new(ThemeName::Auto, &terminal);
                assert_eq!(made.text.bg, None);
                all.push((made, *background, format!("unknown {background:?}, {depth:?}")));
            }
        }
    }
    all
}

#[test]
fn what_commands_print_can_be_read_on_black_and_on_white() {
    let mut coloured = 0;
    for depth in DEPTHS {
        for theme in ThemeName::ALL {
            for light_by_environment in [None, Some(false), Some(true)] {
                let terminal =
                    TerminalColours { depth, light_by_environment, ..Default::default() };
                let made = Theme::for_output(theme, &terminal);
                let mut printed = vec![made.dim, made.good, made.warn, made.bad];
                printed.extend(&made.names);
                for style in printed {
                    let least = contrast(style, &[Rgb::BLACK, Rgb::WHITE]);
                    assert!(least >= 3.0, "{theme}, {depth:?}: {style:?} has {least:.2}");
                    coloured += usize::from(style.fg.is_some());
                }
                for (at, one) in made.names.iter().enumerate() {
                    assert!(!made.names[..at].contains(one), "{theme}, {depth:?}: {one:?} twice");
                }
            }
        }
    }
    assert_eq!(coloured, 2 * 3 * 3 * (4 + 12), "two depths, three themes, three environments");
}

/// The styles of texts and those of lines. A new role does not compile until it is in one of them.
fn roles(theme: &Theme) -> (Vec<Style>, Vec<Style>) {
    let Theme {
        text,
        dim,
        notice,
        presence,
        mention,
        mention_bar,
        link,
        code,
        strong,
        emphasis,
        selected,
        found,
        key,
        border,
        title,
        day,
        new_line,
        status,
        good,
        warn,
        bad,
        unread,
        own,
        names,
    } = theme.clone();
    let patches = [link, strong, emphasis, own];
    assert!(patches.iter().all(|patch| (patch.fg, patch.bg) == (None, None)), "{patches:?}");
    let mut texts = vec![text, dim, notice, presence, mention, code, selected, found, key];
    texts.extend([title, day, new_line, status, good, warn, bad, unread]);
    texts.extend(names);
    (texts, vec![border, mention_bar])
}

/// The least contrast of a style, also on the tinted rows.
fn contrast(style: Style, backgrounds: &[Rgb]) -> f64 {
    // The terminal's own colours are its user's choice.
    let Some(fg) = style.fg else { return f64::INFINITY };
    let own: Vec<Rgb> = style.bg.map_or(backgrounds.to_vec(), Rgb::shown);
    let pairs =
        Rgb::shown(fg).into_iter().flat_map(|fg| own.iter().map(move |bg| fg.contrast(*bg)));
    pairs.fold(f64::INFINITY, f64::min)
}

#[test]
fn every_style_of_every_theme_has_enough_contrast() {
    for (theme, background, what) in all() {
        let tints = [theme.mention, theme.selected, theme.code, theme.status];
        let tints = tints.iter().filter_map(|tint| tint.bg).flat_map(Rgb::shown);
        let backgrounds: Vec<Rgb> = tints.chain([background]).collect();
        let (texts, lines) = roles(&theme);
        for (styles, least) in [(texts, TEXT_CONTRAST), (lines, LINE_CONTRAST)] {
            for style in styles {
                let contrast = contrast(style, &backgrounds);
                assert!(contrast >= least, "{what}: {style:?}: {contrast:.2} on {backgrounds:?}");
            }
        }
        // A text without a colour of its own must get one on a tinted row.
        for tint in [theme.mention, theme.selected, theme.code, theme.status, theme.found] {
            assert!(tint.bg.is_none() || tint.fg.is_some(), "{what}: {tint:?}");
        }
    }
}

#[test]
fn errors_help_and_arrivals_have_colours_of_their_own() {
    for depth in [Depth::Indexed, Depth::Rgb] {
        for background in [Rgb(28, 28, 28), Rgb::WHITE] {
            let terminal =
                TerminalColours { background: Some(background), depth, ..Default::default() };
            let theme = Theme::new(ThemeName::Auto, &terminal);
            let styles = [theme.bad, theme.notice, theme.presence, theme.text, theme.new_line];
            for (at, style) in styles.iter().enumerate() {
                assert!(!styles[..at].contains(style), "{background:?}: {style:?}");
            }
        }
    }
}

#[test]
fn a_theme_paints_its_background_unless_the_terminal_is_known_to_have_its_kind() {
    let on = |background| TerminalColours { background, ..Default::default() };
    for (theme, background, paints) in [
        (ThemeName::Dark, Some(Rgb::WHITE), true),
        (ThemeName::Light, Some(Rgb::BLACK), true),
        (ThemeName::Dark, Some(Rgb::BLACK), false),
        (ThemeName::Light, Some(Rgb::WHITE), false),
        (ThemeName::Dark, None, true),
        (ThemeName::Light, None, true),
        (ThemeName::Auto, Some(Rgb::WHITE), false),
        (ThemeName::Auto, Some(Rgb::BLACK), false),
        (ThemeName::Auto, None, false),
    ] {
        let made = Theme::new(theme, &on(background));
        assert_eq!(made.text.bg.is_some(), paints, "{theme} on {background:?}");
    }
    for (theme, light, paints) in [
        (ThemeName::Dark, false, false),
        (ThemeName::Dark, true, true),
        (ThemeName::Light, true, false),
        (ThemeName::Light, false, true),
    ] {
        let by_environment =
            TerminalColours { light_by_environment: Some(light), ..Default::default() };
        let made = Theme::new(theme, &by_environment);
        assert_eq!(made.text.bg.is_some(), paints, "{theme}, COLORFGBG says {light}");
    }
}

#[test]
fn plain_has_no_colour() {
    for background in [None, Some(Rgb::WHITE)] {
        let terminal = TerminalColours { background, ..Default::default() };
        let plain = format!("{:?}", Theme::new(ThemeName::Plain, &terminal));
        assert!(!plain.contains("Indexed") && !plain.contains("fg") && !plain.contains("bg"));
    }
}

#[test]
fn themes_have_names() {
    for (name, theme) in ThemeName::NAMES.into_iter().zip(ThemeName::ALL) {
        assert_eq!((ThemeName::parse(name), theme.to_string()), (Ok(theme), name.to_owned()));
    }
    let problem = ThemeName::parse("blue").unwrap_err();
    assert_eq!(problem, "no theme \"blue\": expected auto, dark, light or plain");
}

#[test]
fn names_keep_their_colour_and_lookalikes_differ() {
    for background in [Rgb(28, 28, 28), Rgb::WHITE] {
        let terminal = TerminalColours { background: Some(background), ..Default::default() };
        let theme = Theme::new(ThemeName::Auto, &terminal);
        let style = |raw: &str| theme.of_name(&name(raw), false);
        assert_eq!(style("sova"), style("Sova"));
        assert_eq!(theme.of_name(&name("sova"), true).fg, style("sova").fg);
        // The second ones have a Cyrillic о and а.
        for (one, other) in [("sova", "sоva"), ("anna", "аnna"), ("bob", "bоb")] {
            assert_ne!(style(one), style(other), "{one}");
        }
        for (at, one) in theme.names.iter().enumerate() {
            assert!(!theme.names[..at].contains(one), "{one:?} twice on {background:?}");
        }
        let crowd = (0..1200).map(|i| style(&format!("peer-{i}")));
        let first = crowd.filter(|style| *style == theme.names[0]).count();
        assert!((50..150).contains(&first), "{first} of 1200 have the first of 12 colours");
    }
}
