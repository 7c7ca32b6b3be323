//! Any text, any width, any order of things.

use proptest::{prelude::*, sample::select};
use unicode_segmentation::UnicodeSegmentation;

use super::*;

/// Pieces of text that are hard to lay out.
const ODD: &[&str] = &[
    " ",
    "  ",
    "\n",
    "word",
    "日本語",
    "é",
    "e\u{301}",
    "\u{301}",
    "👩‍👩‍👧",
    "🇨🇭",
    "❤\u{fe0f}",
    "\u{200d}",
    "https://a.example/b",
    "\u{202e}",
    "\x1b[2J",
    "क\u{94d}षि",
    "한",
    "\u{1161}",
    "ﾊﾟ",
    "。",
    "שלום",
    "⸻",
];

/// Pieces that texts are made of.
fn pieces() -> impl Strategy<Value = String> {
    prop_oneof![3 => select(ODD).prop_map(String::from), 1 => any::<char>().prop_map(String::from)]
}

fn texts() -> impl Strategy<Value = String> {
    prop::collection::vec(pieces(), 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    /// Everything that was said is drawn, in order and once; blanks at the ends of rows are not seen.
    #[test]
    fn every_character_is_drawn_once(text in texts(), width in 1_u16..70) {
        let mut transcript = of([said(1, "sova", &text)]);
        let safe = text::lines(text.trim_end_matches('\n')).into_owned();
        let rows = u16::try_from(safe.len() * 3 + 4).unwrap();
        let buffer = drawn(&mut transcript, width, rows.min(u16::MAX / width));
        let drawn: String = rows_of(&buffer).concat();
        let solid = |text: &str| -> String {
            glyphs::settled(text).graphemes(true).filter(|c| !c.trim().is_empty()).collect()
        };
        let expected: String = solid(&safe).split_whitespace().collect();
        let drawn: String = drawn.split_whitespace().collect();
        // Three cells hold every character there is.
        if width >= 10 {
            prop_assert!(drawn.ends_with(&expected), "{expected:?} is not the end of {drawn:?}");
        }
    }

    /// Whatever comes before and after, who looks at the past sees the same.
    #[test]
    fn the_view_holds_still(
        texts in prop::collection::vec(texts(), 20..40),
        up in 1_isize..60,
        (width, height) in (1_u16..70, 1_u16..20),
        older in 0_usize..20,
    ) {
        let entry = |(seq, text): (usize, &String)| said(u64::try_from(seq).unwrap(), "sova", text);
        let entries: Vec<_> = texts.iter().enumerate().map(entry).collect();
        let mut transcript = of(entries[older..].iter().cloned());
        drawn(&mut transcript, width, height);
        transcript.scroll(-up);
        let before = shown(&mut transcript, width, height);
        transcript.prepend(entries[..older].to_vec());
        let day = |row: &String| row.contains("today") || row.contains('…');
        let after = shown(&mut transcript, width, height);
        for (before, after) in before.iter().zip(&after).filter(|(before, _)| !before.is_empty()) {
            prop_assert!(before == after || day(before), "{before:?} {after:?}");
        }
        if !transcript.at_end() {
            let below = transcript.below();
            transcript.push(said(1000, "sova", "new"));
            prop_assert_eq!(shown(&mut transcript, width, height), after);
            prop_assert_eq!(transcript.below(), below + 1);
        }
    }

    /// Rows come one after the other, however they are gone through.
    #[test]
    fn scrolling_down_and_up_meets_the_same_rows(
        texts in prop::collection::vec(texts(), 1..20),
        (width, height) in (1_u16..70, 1_u16..20),
    ) {
        let entry = |(seq, text): (usize, &String)| said(u64::try_from(seq).unwrap(), "sova", text);
        let mut transcript = of(texts.iter().enumerate().map(entry));
        drawn(&mut transcript, width, height);
        transcript.to_start();
        let mut down = vec![shown(&mut transcript, width, height)];
        while !transcript.at_end() {
            transcript.scroll(1);
            let next = shown(&mut transcript, width, height);
            prop_assert_eq!(&down[down.len() - 1][1..], &next[..next.len() - 1]);
            down.push(next);
            prop_assert!(down.len() < 10_000);
        }
        for before in down.iter().rev().skip(1) {
            transcript.scroll(-1);
            prop_assert_eq!(&shown(&mut transcript, width, height), before);
        }
    }
}
