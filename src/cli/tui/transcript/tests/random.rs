//! Random texts, widths and changes.

use proptest::{prelude::*, sample::select};
use unicode_segmentation::UnicodeSegmentation;

use super::*;

/// Pieces of text that are hard to lay out.
const ODD: &[&str] = &[
    " ",
    "  ",
    "\n",
    "\t",
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

/// A change of a transcript. There are few keys, so that they repeat.
#[derive(Debug, Clone)]
enum Act {
    Push(u64),
    Prepend(Vec<u64>),
    Replace(u64, u64),
    Remove(u64),
    Mark(u64),
    Jump(u64),
    Scroll(isize),
    Draw(u16, u16),
    NewLine(u64),
}

fn acts() -> impl Strategy<Value = Act> {
    let seq = || 0_u64..40;
    prop_oneof![
        4 => seq().prop_map(Act::Push),
        1 => prop::collection::vec(seq(), 0..8).prop_map(Act::Prepend),
        1 => (seq(), seq()).prop_map(|(old, new)| Act::Replace(old, new)),
        1 => seq().prop_map(Act::Remove),
        1 => seq().prop_map(Act::Mark),
        1 => seq().prop_map(Act::Jump),
        2 => (-9_isize..9).prop_map(Act::Scroll),
        2 => (1_u16..70, 1_u16..12).prop_map(|(width, height)| Act::Draw(width, height)),
        1 => seq().prop_map(Act::NewLine),
    ]
}

/// Rows without the name, which only the first of the view is sure to have.
fn unnamed(rows: &[String]) -> Vec<String> {
    rows.iter().map(|row| row.replace("sova", "    ").trim_end().to_owned()).collect()
}

/// Applies a change to the transcript and to a list of the keys.
fn act(transcript: &mut Transcript, keys: &mut Vec<u64>, act: Act) {
    let entry = |seq: u64| said(seq, "sova", &format!("text {seq}\n").repeat(1 + seq as usize % 3));
    let has = |keys: &[u64], seq| keys.contains(&seq);
    match act {
        Act::Push(seq) => {
            transcript.push(entry(seq));
            if !has(keys, seq) {
                keys.push(seq);
            }
        }
        Act::Prepend(older) => {
            transcript.prepend(older.iter().copied().map(entry).collect());
            for seq in older.into_iter().rev() {
                if !has(keys, seq) {
                    keys.insert(0, seq);
                }
            }
        }
        Act::Replace(old, new) => {
            assert_eq!(transcript.replace(key(old), entry(new)), has(keys, old));
            if old != new && has(keys, new) {
                keys.retain(|seq| *seq != old);
            }
            keys.iter_mut().filter(|seq| **seq == old).for_each(|seq| *seq = new);
        }
        Act::Remove(seq) => {
            assert_eq!(transcript.remove(key(seq)), has(keys, seq));
            keys.retain(|old| *old != seq);
        }
        Act::Mark(seq) => {
            assert_eq!(transcript.mark(key(seq), Mark::Sent), has(keys, seq));
        }
        Act::Jump(seq) => assert_eq!(transcript.jump(key(seq)), has(keys, seq)),
        Act::Scroll(rows) => transcript.scroll(rows),
        Act::Draw(width, height) => drop(shown(transcript, width, height)),
        Act::NewLine(seq) => transcript.set_new_line(Some(key(seq))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    /// All characters are drawn once and in order, except for blanks at the ends of rows.
    #[test]
    fn every_character_is_drawn_once(text in texts(), width in 1_u16..70) {
        let mut transcript = of([said(1, "sova", &text)]);
        transcript.jump(key(1));
        // Tabs at the beginning of a line are drawn as blanks.
        let lines = text.trim_end_matches('\n').split('\n');
        let indented = |line: &str| {
            let rest = line.trim_start_matches(['\t', ' ']);
            line[..line.len() - rest.len()].replace('\t', " ") + rest
        };
        let lines: Vec<_> = lines.map(indented).collect();
        let safe = text::lines(&lines.join("\n")).into_owned();
        let rows = u16::try_from(safe.len() * 3 + 4).unwrap();
        let buffer = drawn(&mut transcript, width, rows.min(u16::MAX / width));
        let drawn: String = rows_of(&buffer).concat();
        let solid = |text: &str| -> String {
            graphemes::visible(text).graphemes(true).filter(|c| !c.trim().is_empty()).collect()
        };
        let expected: String = solid(&safe).split_whitespace().collect();
        let drawn: String = drawn.split_whitespace().collect();
        // Wide enough for the time and every character.
        if width >= 10 {
            prop_assert!(drawn.ends_with(&expected), "{expected:?} is not the end of {drawn:?}");
        }
    }

    /// A scrolled view shows the same when entries are added before and after.
    #[test]
    fn the_view_does_not_move_when_entries_are_added(
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
        // The line of the day, which narrow screens cut.
        let day = |row: &String| row.contains(['─', '…']);
        let after = shown(&mut transcript, width, height);
        let rows = before.iter().zip(unnamed(&before)).zip(unnamed(&after));
        for ((row, before), after) in rows.filter(|((row, _), _)| !row.is_empty()) {
            prop_assert!(before == after || day(row), "{before:?} {after:?}");
        }
        if !transcript.is_at_end() {
            let below = transcript.below();
            transcript.push(said(1000, "sova", "new"));
            prop_assert_eq!(shown(&mut transcript, width, height), after);
            prop_assert_eq!(transcript.below(), below + 1);
        }
    }

    #[test]
    fn scrolling_down_and_up_shows_the_same_rows(
        texts in prop::collection::vec(texts(), 1..20),
        (width, height) in (1_u16..70, 1_u16..20),
    ) {
        let entry = |(seq, text): (usize, &String)| said(u64::try_from(seq).unwrap(), "sova", text);
        let mut transcript = of(texts.iter().enumerate().map(entry));
        drawn(&mut transcript, width, height);
        transcript.to_start();
        let mut down = vec![shown(&mut transcript, width, height)];
        while !transcript.is_at_end() {
            transcript.scroll(1);
            let next = shown(&mut transcript, width, height);
            prop_assert_eq!(unnamed(&down[down.len() - 1][1..]), unnamed(&next[..next.len() - 1]));
            down.push(next);
            prop_assert!(down.len() < 10_000);
        }
        for before in down.iter().rev().skip(1) {
            transcript.scroll(-1);
            prop_assert_eq!(&shown(&mut transcript, width, height), before);
        }
    }

    /// Entries are found by key and shown in order after any changes.
    #[test]
    fn entries_keep_their_order_and_keys(acts in prop::collection::vec(acts(), 1..120)) {
        let (mut transcript, mut keys) = (Transcript::new(), Vec::new());
        for next in acts {
            act(&mut transcript, &mut keys, next);
            prop_assert!(transcript.below() <= keys.len());
        }
        prop_assert_eq!(transcript.len(), keys.len());
        for seq in 0..40 {
            let found = transcript.get(key(seq)).map(|entry| entry.key);
            prop_assert_eq!(found, keys.contains(&seq).then_some(key(seq)));
        }
        let rows = shown(&mut transcript, 60, 200).join("\n");
        let order: Vec<u64> = rows
            .lines()
            .filter_map(|row| row.strip_prefix("09:15 ")?[4..].strip_prefix("  text "))
            .filter_map(|row| row.split(' ').next()?.parse().ok())
            .collect();
        prop_assert_eq!(order, keys);
    }
}
