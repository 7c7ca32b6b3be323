//! Hostile text is drawn escaped and in its area.

use super::*;
use crate::cli::graphemes::fit;

/// Hostile texts as they could come from the wire.
fn hostile() -> Vec<String> {
    [
        "\x1b[31mred\x1b[0m \x1b]0;owned\x07 \x1b[2J\x1b[H\x1bc \u{9b}31m \u{90}q\u{9c}",
        "\u{202e}gnp.exe \u{2066}x\u{2069} \u{200f}y \u{61c}z",
        "a\tb\rc\0d\x7fe\x08f\x0bg",
        "zero\u{200b}width \u{feff}\u{2060}\u{ad} \u{3164} \u{e0041}",
        "09:16 buzz  I quit\n09:16 * buzz has left\r\n\u{2028}09:17 buzz: \u{85}x",
        "☠ ─── today ───  unverified\n✓✓ direct 10.0.0.1:1\u{301}",
    ]
    .map(String::from)
    .into_iter()
    .chain([
        "z\u{301}".replace('\u{301}', &"\u{301}\u{35c}\u{489}".repeat(500)),
        "x".repeat(16 * 1024),
        "\u{200d}".repeat(4000),
        "👩\u{200d}".repeat(2000),
        "🏳\u{fe0f}\u{200d}🌈 ".repeat(500),
        "日".repeat(5000),
        "\n".repeat(16 * 1024),
        " ".repeat(16 * 1024) + "x",
        "क\u{94d}".repeat(2000),
        "\u{1100}\u{1161}".repeat(1000) + &"\u{1100}".repeat(1000) + &"\u{1161}".repeat(1000),
        "ﾊﾟ".repeat(1000),
        "\u{600}".repeat(1000),
        "⸻".repeat(500),
        "🇨".repeat(4000),
        "https://".repeat(2000),
    ])
    .collect()
}

#[test]
fn no_control_character_gets_into_a_cell() {
    for text in hostile() {
        let marks = Some(Mark::Failed(text.clone()));
        let mut transcript = of([
            at(1, MORNING, body("sova", &text, marks)),
            at(2, MORNING, EntryBody::Notice(NoticeKind::Info, text.clone())),
        ]);
        for (width, height) in [(80, 24), (40, 12), (7, 4), (1, 1)] {
            for seq in [1, 2] {
                drawn(&mut transcript, width, height);
                transcript.jump(key(seq));
                let buffer = drawn(&mut transcript, width, height);
                rows_of(&buffer);
                for cell in buffer.content() {
                    let symbol = cell.symbol();
                    let few = symbol.chars().count() <= 10;
                    let safe = !symbol.contains(text::is_dangerous);
                    assert!(few && safe, "{symbol:?} of {:.40}", text.escape_debug());
                }
            }
        }
    }
}

#[test]
fn no_text_can_pass_for_another_line() {
    for text in hostile() {
        let mut transcript = of([said(1, "sova", &text), said(2, "buzz", "the end")]);
        // With all rows.
        transcript.jump(key(1));
        transcript.to_end();
        for (width, left) in [(80, 12), (40, 6)] {
            let rows = shown(&mut transcript, width, 24);
            let further = |row: &&String| !row.contains("buzz") || row.starts_with(' ');
            let within = rows.iter().filter(|row| !row.contains("09:15")).filter(further);
            for row in within.filter(|row| !row.starts_with("──")) {
                let begins = row.chars().take_while(|c| *c == ' ').count();
                assert!(row.is_empty() || begins >= left, "{row:?}");
            }
            let end = if width == 80 { "09:15 buzz  the end" } else { "09:15 buzz: the end" };
            assert_eq!(rows[23], end);
        }
    }
}

#[test]
fn nothing_is_drawn_beyond_the_area() {
    let area = Rect::new(3, 2, 33, 9);
    for text in hostile() {
        let mut transcript =
            of([said(1, "sova", &text), at(2, MORNING, EntryBody::Notice(NoticeKind::Info, text))]);
        let around = Buffer::filled(Rect::new(0, 0, 40, 14), ratatui::buffer::Cell::new("#"));
        let mut buffer = around.clone();
        for y in area.rows().flat_map(Rect::positions) {
            buffer[y].reset();
        }
        transcript.arrange(area.width, area.height, &TimeZone::UTC);
        transcript.draw(area, &mut buffer, &dark(), TODAY);
        for place in around.area.positions().filter(|place| !area.contains(*place)) {
            assert_eq!(buffer[place], around[place]);
        }
    }
}

#[test]
fn attacks_are_made_visible() {
    let mut transcript = of([said(1, "sova", "\x1b[31mred\x07 \u{202e}gnp.exe a\tb\r\0\u{301}")]);
    let expected = "09:15 sova  ␛[31mred␇ <U+202E>gnp.exe a␉b␍␀<U+0301>";
    // The mark is drawn on the symbol of the NUL before it.
    let expected = expected.replace("<U+0301>", "\u{301}");
    assert_eq!(shown(&mut transcript, 60, 1), [expected]);
    let mut transcript = of([said(1, "sova", "\u{301}x")]);
    assert_eq!(shown(&mut transcript, 60, 1), ["09:15 sova  <U+0301>x"]);
}

#[test]
fn lookalike_names_differ_in_colour() {
    let mut transcript = of([said(1, "sova", "one"), said(2, "sоva", "two")]);
    let buffer = drawn(&mut transcript, 60, 2);
    assert_ne!(style_of(&buffer, "sova").fg, style_of(&buffer, "sоva").fg);
}

#[test]
fn sixteen_kilobytes_without_a_blank_fill_whole_rows() {
    let text: String = ('a'..='z').cycle().take(16 * 1024).collect();
    let mut transcript = of([said(1, "sova", &text)]);
    transcript.jump(key(1));
    drawn(&mut transcript, 80, 24);
    transcript.to_start();
    transcript.scroll(1);
    let mut met = String::new();
    while met.len() < text.len() {
        met.push_str(&shown(&mut transcript, 80, 24)[0][12..]);
        if transcript.is_at_end() {
            let rest = shown(&mut transcript, 80, 24);
            rest[1..].iter().for_each(|row| met.push_str(&row[12..]));
        }
        transcript.scroll(1);
    }
    assert_eq!(met, text);
}

#[test]
fn cut_texts_are_escaped() {
    for text in hostile() {
        for width in [0, 1, 2, 3, 20] {
            let cut = fit(&text, width);
            assert!(graphemes::width(&cut) <= width && !cut.contains(text::is_dangerous));
        }
    }
}
