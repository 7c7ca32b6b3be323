//! Positions and styles.

use super::*;

#[test]
fn names_and_texts_have_columns() {
    let mut transcript = of([said(1, "sova", "hi"), said(2, "buzz-lightyear", "hello\nthere")]);
    let expected = [
        "────────────────────── today ───────────────────────",
        "09:15 sova            hi",
        "09:15 buzz-lightyear  hello",
        "                      there",
    ];
    assert_eq!(shown(&mut transcript, 52, 4), expected);
    transcript.push(said(3, "a-name-that-is-longer-than-it-should-be", "ok"));
    transcript.push(said(4, "日本", "ok"));
    // Of a name that is cut, both ends are shown.
    let expected = ["09:15 a-name-…ould-be  ok", "09:15 日本             ok"];
    assert_eq!(shown(&mut transcript, 52, 2), expected);
    let rows = shown(&mut transcript, 120, 2);
    assert_eq!(rows[0], "09:15 a-name-that-…t-should-be  ok");
}

#[test]
fn the_first_message_in_view_and_a_found_message_say_whose_they_are() {
    let long = "so many words that they need two of the rows";
    let mut transcript = of((1..=9).map(|seq| said(seq, "sova", long)));
    let count = |rows: &[String]| rows.iter().filter(|row| row.contains("sova")).count();
    for height in 3..12 {
        let rows = shown(&mut transcript, 50, height);
        assert_eq!(count(&rows), 1, "{rows:?}");
    }
    assert!(transcript.jump(key(5)));
    let rows = shown(&mut transcript, 50, 12);
    assert_eq!(count(&rows), 2, "{rows:?}");
}

#[test]
fn few_rows_are_at_the_bottom_and_an_empty_area_is_left_alone() {
    let mut transcript = of([said(1, "sova", "hi")]);
    assert_eq!(shown(&mut transcript, 50, 4)[..2], ["", ""]);
    for (width, height) in [(0, 0), (5, 0), (0, 5)] {
        drawn(&mut transcript, width, height);
    }
    assert_eq!(shown(&mut Transcript::new(), 5, 2), ["", ""]);
    // An area beyond the buffer.
    let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 2));
    transcript.arrange(10, 1, &TimeZone::UTC);
    transcript.draw(Rect::new(10, 1, 50, 50), &mut buffer, &Theme::plain(), TODAY);
    assert_eq!(rows_of(&buffer)[1], "          sova: hi");
}

#[test]
fn names_are_in_the_text_on_narrow_screens() {
    let text = "the quick brown fox jumps over the lazy dog";
    let mut transcript = of([
        said(1, "sova", text),
        at(2, MORNING, EntryBody::Notice(NoticeKind::Info, text.into())),
    ]);
    let expected = [
        "09:15 sova: the quick brown",
        "      fox jumps over the",
        "      lazy dog",
        "09:15 * the quick brown fox",
        "        jumps over the lazy",
        "        dog",
    ];
    assert_eq!(shown(&mut transcript, 28, 6), expected);
    let expected = ["jumps over", "the lazy dog"];
    assert_eq!(shown(&mut transcript, 15, 7)[5..], expected.map(|row| format!("  {row}")));
}

#[test]
fn days_begin_as_the_time_zone_says() {
    let mut transcript = of([
        at(1, "2026-11-20T12:00:00Z", body("sova", "long ago", None)),
        at(2, "2026-11-21T22:30:00Z", body("sova", "late", None)),
        at(3, "2026-11-21T23:30:00Z", body("sova", "later", None)),
        at(4, "2026-11-22T00:30:00Z", body("sova", "latest", None)),
    ]);
    let mut times = |zone: &str| -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let rows = rows_of(&drawn_in(&mut transcript, 60, 7, &zone));
        let words =
            |row: &String| row.trim_matches(['─', ' ']).split("  ").next().unwrap().to_owned();
        rows.iter().map(words).collect()
    };
    let date = "Friday, 20 November 2026";
    let sova = |time: &str| format!("{time} sova");
    // The name is shown again on another day.
    let (a, b, d) = (sova("12:00"), sova("22:30"), sova("00:30"));
    assert_eq!(times("UTC"), [date, &a, "yesterday", &b, "23:30", "today", &d]);
    let (a, b, c) = (sova("13:00"), sova("23:30"), sova("00:30"));
    assert_eq!(times("Europe/Zurich"), [date, &a, "yesterday", &b, "today", &c, "01:30"]);
    assert_eq!(times("Asia/Tokyo")[..3], ["", date, &sova("21:00")]);
    assert_eq!(times("Asia/Tokyo")[3..], ["today", &sova("07:30"), "08:30", "09:30"]);
}

#[test]
fn marks_are_behind_the_text() {
    let path = || "direct 127.0.0.1:54322".to_owned();
    let marks = [
        (Mark::Sending, "…"),
        (Mark::Sent, "✓"),
        (Mark::Failed("no room".into()), "✗ no room"),
        (Mark::Queued, "⧗ queued"),
        (Mark::Delivered(path()), "✓ direct 127.0.0.1:54322"),
        (Mark::Read(path()), "✓✓ direct 127.0.0.1:54322"),
        (Mark::Known, "(known)"),
        (Mark::Verified, "(verified)"),
        (Mark::Unverified, "(unverified)"),
    ];
    for (mark, expected) in marks {
        let mut transcript = of([said(1, "sova", "hi")]);
        assert!(transcript.mark(key(1), mark));
        assert_eq!(shown(&mut transcript, 50, 1), [format!("09:15 sova  hi {expected}")]);
    }
    assert!(!Transcript::new().mark(key(1), Mark::Sent));
    assert!(
        !of([at(1, MORNING, EntryBody::Notice(NoticeKind::Info, "x".into()))])
            .mark(key(1), Mark::Sent)
    );
}

#[test]
fn the_reason_in_a_mark_goes_on_in_further_rows() {
    let failed = Mark::Failed("buzz cannot be reached, and nobody knows why".into());
    let mut transcript = of([at(1, MORNING, body("sova", "the quick brown fox", Some(failed)))]);
    let expected = [
        "09:15 sova: the quick",
        "      brown fox ✗ buzz",
        "      cannot be reached,",
        "      and nobody knows why",
    ];
    assert_eq!(shown(&mut transcript, 26, 4), expected);
}

#[test]
fn read_marks_what_was_delivered() {
    let sent = |seq, mark| at(seq, MORNING, body("sova", "hi", mark));
    let delivered = || Some(Mark::Delivered("direct".into()));
    let queued = sent(2, Some(Mark::Queued));
    let mut transcript = of([
        sent(1, delivered()),
        queued,
        sent(3, None),
        sent(4, delivered()),
        sent(5, delivered()),
    ]);
    drawn(&mut transcript, 50, 5);
    let read = [1, 2, 3, 4].map(|seq| transcript.mark_read(key(seq)));
    assert_eq!(read, [true, false, false, true]);
    let ends: Vec<_> =
        shown(&mut transcript, 50, 5).iter().map(|row| row[14..].to_owned()).collect();
    assert_eq!(ends, [" ✓✓ direct", " ⧗ queued", "", " ✓✓ direct", " ✓ direct"]);
    assert!(!transcript.mark_read(key(9)));
}

#[test]
fn roles_have_styles() {
    let theme = dark();
    let sender = Name::parse("buzz").unwrap();
    let mut transcript = of([said(1, "buzz", "see https://a.example/ now")]);
    let said = |own, mention, text: &str, mark| EntryBody::Message {
        sender: sender.clone(),
        own,
        mention,
        text: text.into(),
        mark,
    };
    transcript.push(at(2, MORNING, said(true, false, "mine", Some(Mark::Failed("why".into())))));
    transcript.push(at(3, MORNING, said(false, true, "you!", Some(Mark::Verified))));
    transcript.push(at(4, MORNING, EntryBody::Notice(NoticeKind::Info, "a word".into())));
    transcript.set_new_line(Some(key(4)));
    let buffer = drawn(&mut transcript, 60, 7);
    let is = |word, style: Style| {
        let drawn = style_of(&buffer, word);
        assert_eq!(
            (drawn.fg, drawn.add_modifier),
            (style.fg.or(drawn.fg), style.add_modifier),
            "{word}"
        );
    };
    is("today", theme.day);
    is("09:15", theme.dim);
    is("buzz  see", theme.of_name(&sender, false));
    is("see", theme.text);
    is("https://a.example/", theme.link);
    is(" now", theme.text);
    is("buzz  mine", theme.of_name(&sender, true));
    is("✗ why", theme.bad);
    is("you!", theme.mention);
    is("verified", theme.good);
    is("new messages", theme.new_line);
    is("a word", theme.notice);
}

#[test]
fn the_new_line_is_shown_once_an_entry_follows() {
    let mut transcript = of(numbered(1, 2));
    transcript.set_new_line(Some(key(3)));
    assert!(!shown(&mut transcript, 50, 5).concat().contains("new messages"));
    transcript.push(said(3, "sova", "text 3"));
    let rows = shown(&mut transcript, 50, 5);
    assert_eq!(rows[3], format!("{} new messages {}", "─".repeat(18), "─".repeat(18)));
    // It stays when the entry before it is replaced or removed.
    transcript.replace(key(2), said(7, "sova", "text 7"));
    assert!(shown(&mut transcript, 50, 5)[3].contains("new messages"));
    transcript.remove(key(7));
    assert!(shown(&mut transcript, 50, 4)[2].contains("new messages"));
    transcript.set_new_line(None);
    assert!(!shown(&mut transcript, 50, 5).concat().contains("new messages"));
}
