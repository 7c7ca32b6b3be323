//! Grouped messages, code, lists, long links, marks beside the text, and folded texts.

use super::*;

/// The colours of a row from a column on.
fn tinted(buffer: &Buffer, row: &str, column: u16) -> Vec<bool> {
    let y = rows_of(buffer).iter().position(|shown| shown.contains(row)).unwrap();
    let y = u16::try_from(y).unwrap();
    let tint = dark().code.bg;
    (column..buffer.area.width).map(|x| Some(buffer[(x, y)].bg) == tint).collect()
}

#[test]
fn consecutive_messages_of_a_person_have_the_name_once() {
    let mut transcript = of([
        said(1, "sova", "one"),
        said(2, "sova", "two"),
        said(3, "buzz", "three"),
        said(4, "sova", "four"),
        at(5, MORNING, EntryBody::Notice(NoticeKind::Info, "a word".into())),
        said(6, "sova", "five"),
        said(7, "sova", "six"),
    ]);
    let expected = [
        "09:15 sova  one",
        "09:15       two",
        "09:15 buzz  three",
        "09:15 sova  four",
        "09:15 * a word",
        "09:15 sova  five",
        "09:15       six",
    ];
    assert_eq!(shown(&mut transcript, 50, 8)[1..], expected);
    // The first row in view has the name, and so has the first unread message.
    assert_eq!(shown(&mut transcript, 50, 1), ["09:15 sova  six"]);
    transcript.set_new_line(Some(key(7)));
    assert_eq!(shown(&mut transcript, 50, 9)[8], "09:15 sova  six");
    // Where the name is in the text, it always is.
    assert_eq!(shown(&mut transcript, 40, 9)[2], "09:15 sova: two");
}

#[test]
fn a_mark_is_never_alone_in_a_row() {
    let texts = ["two words", "one", "日本語", "a list\n- of\n- things", "so `it` is", "x"];
    for width in 24..70 {
        for long in texts.map(|text| text.repeat(9)) {
            let marks = [Mark::Sent, Mark::Sending, Mark::Failed("why not".into()), Mark::Verified];
            for mark in marks {
                let mut transcript = of([at(1, MORNING, body("sova", &long, Some(mark)))]);
                transcript.jump(key(1));
                let signs = ["✓", "…", "✗", "(verified)"];
                for row in shown(&mut transcript, width, 30) {
                    let alone = signs.iter().any(|sign| row.trim_start().starts_with(sign));
                    assert!(!alone, "{width}: {row:?} of {long:?}");
                }
            }
        }
    }
}

#[test]
fn a_mark_is_beside_what_says_that_a_message_is_folded() {
    let long = "row\n".repeat(40);
    for width in 24..70 {
        let failed = Mark::Failed("why not".into());
        let marks = [(Mark::Sent, "✓"), (failed, "✗"), (Mark::Unverified, "(unverified)")];
        for (mark, sign) in marks {
            let body = body("a-rather-long-name", &long, Some(mark));
            let rows = shown(&mut of([at(1, MORNING, body)]), width, 30);
            let fold = rows.iter().find(|row| row.contains('⋯')).unwrap();
            assert!(fold.contains(sign), "{width}: {fold:?}");
        }
    }
    let rows = shown(&mut of([said(1, "sova", &long)]), 42, 30);
    assert_eq!(rows[29], "      ⋯ 32 more rows · Enter shows them");
}

#[test]
fn fenced_code_keeps_its_columns_and_is_tinted() {
    let text =
        "look:\n```rust\nfn main() {\n\tlet x = \"a long line of code, is it?\";\n}\n```\nok?";
    let mut transcript = of([said(1, "sova", text)]);
    let buffer = drawn(&mut transcript, 44, 9);
    let expected = [
        "09:15 sova  look:",
        "            ```rust",
        "            fn main() {",
        "                let x = \"a long line of code",
        "                , is it?\";",
        "            }",
        "            ```",
        "            ok?",
    ];
    assert_eq!(rows_of(&buffer)[1..], expected);
    for row in ["fn main", "let x", "is it"] {
        assert!(tinted(&buffer, row, 12).iter().all(|tinted| *tinted), "{row}");
        assert!(!tinted(&buffer, row, 11)[0], "{row}");
    }
    assert!(!tinted(&buffer, "look", 12).contains(&true));
}

#[test]
fn code_and_emphasis_have_styles_and_lists_hang() {
    let text = "run `make -q` *now*, _please_\n- one item that is longer than a row\n10. two";
    let mut transcript = of([said(1, "sova", text)]);
    let buffer = drawn(&mut transcript, 44, 5);
    assert_eq!(
        rows_of(&buffer)[1..],
        [
            "09:15 sova  run `make -q` *now*, _please_",
            "            - one item that is longer than a",
            "              row",
            "            10. two",
        ]
    );
    let theme = dark();
    assert_eq!(style_of(&buffer, "make").bg, theme.code.bg);
    let modifier = |word| style_of(&buffer, word).add_modifier;
    assert_eq!(modifier("now"), theme.strong.add_modifier);
    assert_eq!(modifier("please"), theme.emphasis.add_modifier);
    assert_eq!(modifier("run"), Style::default().add_modifier);
}

#[test]
fn a_link_that_fits_into_the_row_is_whole() {
    let link = format!("https://a.example/{}", "b".repeat(20));
    let mut transcript = of([said(1, "sova", &format!("see {link}, please"))]);
    let expected =
        ["09:15 sova  see".to_owned(), format!("      {link}"), "            , please".to_owned()];
    assert_eq!(shown(&mut transcript, 46, 4)[1..], expected);
    // At the beginning, it leaves the name alone.
    let mut transcript = of([said(1, "sova", &link)]);
    assert_eq!(
        shown(&mut transcript, 46, 3)[1..],
        ["09:15 sova".to_owned(), format!("      {link}")]
    );
    // A blank beyond the edge does not count.
    let mut full = of([said(1, "sova", &format!("{} and more", "w".repeat(32)))]);
    assert_eq!(shown(&mut full, 44, 3)[1], format!("09:15 sova  {}", "w".repeat(32)));
    // It fits beside the name in a wider row.
    assert_eq!(shown(&mut transcript, 50, 2)[1], format!("09:15 sova  {link}"));
}

#[test]
fn long_messages_are_folded_until_somebody_wants_them() {
    let rows =
        |count: usize| (1..=count).map(|n| format!("row {n}")).collect::<Vec<_>>().join("\n");
    let mut transcript =
        of([said(1, "sova", &rows(20)), at(2, MORNING, body("buzz", &rows(50), Some(Mark::Sent)))]);
    let folded = shown(&mut transcript, 50, 24);
    let end = ["            row 8", "            ⋯ 42 more rows · Enter shows them ✓"];
    assert_eq!(folded[22..], end);
    assert_eq!(folded[14], "            row 20", "20 rows are not folded");
    // What is above stays where it is.
    assert!(transcript.toggle_folds());
    let unfolded = shown(&mut transcript, 50, 24);
    assert_eq!(unfolded[..23], folded[..23]);
    assert_eq!(unfolded[23], "            row 9");
    transcript.to_end();
    assert_eq!(shown(&mut transcript, 50, 24)[23], "            row 50 ✓");
    assert!(transcript.toggle_folds());
    transcript.to_end();
    assert_eq!(shown(&mut transcript, 50, 24), folded);
    // A message that is jumped to is shown with all rows.
    transcript.jump(key(2));
    assert!(!shown(&mut transcript, 50, 24).concat().contains('⋯'));
    let mut short = of([said(1, "sova", "short")]);
    drawn(&mut short, 50, 24);
    assert!(!short.toggle_folds());
}
