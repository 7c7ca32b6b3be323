//! Scrolling, and a view that does not move when entries are added.

use super::{entries::MAX_ENTRIES, *};

/// The numbers of the visible texts.
fn seen(transcript: &mut Transcript, width: u16, height: u16) -> Vec<u64> {
    let number = |row: &String| row.rsplit_once("text ")?.1.parse().ok();
    shown(transcript, width, height).iter().filter_map(number).collect()
}

#[test]
fn messages_that_another_chat_received_are_put_in_by_time() {
    let said_at = |seq: u64, minute: u8| {
        let text = format!("text {seq}");
        at(seq, &format!("2026-11-22T09:{minute:02}:00Z"), body("sova", &text, None))
    };
    let queued = at(9, "2026-11-22T09:01:00Z", body("sova", "text 9", Some(Mark::Queued)));
    let mut transcript = of([said_at(2, 20), said_at(4, 40), queued]);
    for _ in 0..2 {
        transcript.merge(vec![said_at(1, 10), said_at(2, 20), said_at(3, 30), said_at(5, 50)]);
        let rows = shown(&mut transcript, 60, 20).join("\n");
        let found = [1, 2, 3, 4, 5, 9].map(|seq| rows.find(&format!("text {seq}")).unwrap());
        assert!(found.is_sorted(), "{rows}");
        assert_eq!(transcript.len(), 6);
    }
}

#[test]
fn a_view_at_the_end_stays_at_the_end() {
    let mut transcript = of(numbered(1, 100));
    assert_eq!(seen(&mut transcript, 50, 3), [98, 99, 100]);
    transcript.push(said(101, "sova", "text 101"));
    assert_eq!(seen(&mut transcript, 50, 3), [99, 100, 101]);
    assert!(transcript.is_at_end());
    assert_eq!(transcript.below(), 0);
}

#[test]
fn a_scrolled_view_does_not_move_when_entries_are_added() {
    let mut transcript = of(numbered(101, 100));
    drawn(&mut transcript, 50, 5);
    transcript.scroll(-50);
    let before = shown(&mut transcript, 50, 5);
    assert_eq!(seen(&mut transcript, 50, 5), [146, 147, 148, 149, 150]);
    assert_eq!((transcript.is_at_end(), transcript.below()), (false, 50));
    for entry in numbered(201, 10) {
        transcript.push(entry);
    }
    assert_eq!(shown(&mut transcript, 50, 5), before);
    assert_eq!(transcript.below(), 60);
    transcript.prepend(numbered(1, 100));
    assert_eq!(shown(&mut transcript, 50, 5), before);
    transcript.remove(key(3));
    transcript.remove(key(199));
    assert_eq!(shown(&mut transcript, 50, 5), before);
    assert_eq!(transcript.below(), 59);
    transcript.to_end();
    assert!(transcript.is_at_end());
    assert_eq!(seen(&mut transcript, 50, 5).last(), Some(&210));
}

#[test]
fn scrolling_by_a_page_leaves_a_row_in_view() {
    let mut transcript = of(numbered(1, 100));
    drawn(&mut transcript, 50, 5);
    transcript.page(-1);
    assert_eq!(seen(&mut transcript, 50, 5), [92, 93, 94, 95, 96]);
    transcript.page(-2);
    assert_eq!(seen(&mut transcript, 50, 5), [84, 85, 86, 87, 88]);
    transcript.page(1);
    assert_eq!(seen(&mut transcript, 50, 5), [88, 89, 90, 91, 92]);
    transcript.page(9);
    assert!(transcript.is_at_end());
}

#[test]
fn scrolling_stops_at_the_first_and_last_row() {
    let mut transcript = of(numbered(1, 10));
    drawn(&mut transcript, 50, 5);
    transcript.scroll(-1000);
    assert_eq!(seen(&mut transcript, 50, 5), [1, 2, 3, 4]);
    transcript.scroll(1);
    assert_eq!(seen(&mut transcript, 50, 5), [1, 2, 3, 4, 5]);
    transcript.scroll(1000);
    assert!(transcript.is_at_end());
    transcript.to_start();
    assert!(shown(&mut transcript, 50, 5)[0].contains("today"));
    // Everything is visible, so the view is at the end.
    drawn(&mut transcript, 50, 20);
    assert!(transcript.is_at_end());
    transcript.scroll(-1);
    assert!(transcript.is_at_end());
}

#[test]
fn scrolling_goes_through_the_rows_of_a_long_text() {
    let long: Vec<_> = (0..50).map(|n| format!("row {n}")).collect();
    let mut transcript = of([said(1, "sova", &long.join("\n"))]);
    drawn(&mut transcript, 30, 5);
    assert!(transcript.toggle_folds());
    drawn(&mut transcript, 30, 5);
    transcript.to_start();
    let mut met = Vec::new();
    loop {
        met.push(shown(&mut transcript, 30, 5)[0].clone());
        if transcript.is_at_end() {
            break;
        }
        assert_eq!(transcript.below(), 1);
        transcript.scroll(1);
    }
    assert_eq!(met.len(), 47);
    assert!((met[0].contains("today"), met[1].ends_with("row 0")) == (true, true));
    assert!((2..47).all(|n| met[n].trim() == format!("row {}", n - 1)), "{met:?}");
}

#[test]
fn scrolling_goes_through_a_short_first_row() {
    // The link does not fit beside the name: the first row of the text is empty.
    let link = format!("https://a.example/{}", "b".repeat(16));
    let mut transcript = of([said(1, "sova", &link), said(2, "sova", "x\nx\nx\nx\nx\nx")]);
    drawn(&mut transcript, 40, 2);
    transcript.to_start();
    let rows: Vec<_> = (0..5)
        .map(|_| {
            transcript.scroll(1);
            shown(&mut transcript, 40, 2)[0].clone()
        })
        .collect();
    assert_eq!(rows[0], "09:15 sova:");
    assert_eq!(rows[1], format!("      {link}"));
    assert_eq!(rows[2], "09:15 sova: x");
}

#[test]
fn older_entries_are_wanted_near_the_start() {
    let mut transcript = of(numbered(101, 100));
    assert!(Transcript::new().wants_older());
    drawn(&mut transcript, 50, 5);
    assert!(!transcript.wants_older());
    transcript.to_start();
    assert!(transcript.wants_older());
    let before = shown(&mut transcript, 50, 5);
    transcript.prepend(numbered(51, 50));
    // The line of the day is gone, because the day begins earlier now.
    let unnamed = |rows: &[String]| rows.join("\n").replace("sova", "    ");
    assert_eq!(unnamed(&shown(&mut transcript, 50, 5)[1..]), unnamed(&before[1..]));
    assert_eq!(seen(&mut transcript, 50, 5), [100, 101, 102, 103, 104]);
    assert!(!transcript.wants_older());
}

#[test]
fn a_jump_centres_and_highlights_until_scrolled() {
    let mut transcript = of(numbered(1, 100));
    assert!(!transcript.jump(key(101)));
    // Also before the first frame.
    assert!(transcript.jump(key(50)));
    let buffer = drawn(&mut transcript, 50, 5);
    assert_eq!(seen(&mut transcript, 50, 5), [48, 49, 50, 51, 52]);
    let lit = dark().selected.bg;
    assert_eq!(style_of(&buffer, "text 50").bg, lit);
    assert_ne!(style_of(&buffer, "text 51").bg, lit);
    transcript.prepend(vec![said(0, "sova", "text 0")]);
    assert_eq!(style_of(&drawn(&mut transcript, 50, 5), "text 50").bg, lit);
    transcript.scroll(1);
    assert_ne!(style_of(&drawn(&mut transcript, 50, 5), "text 50").bg, lit);
    for (to, expected) in [(1, [0, 1, 2, 3]), (100, [97, 98, 99, 100])] {
        assert!(transcript.jump(key(to)));
        let seen = seen(&mut transcript, 50, 5);
        assert!(expected.iter().all(|n| seen.contains(n)), "{seen:?}");
        assert_eq!(style_of(&drawn(&mut transcript, 50, 5), &format!("text {to}")).bg, lit);
    }
    transcript.push(said(101, "sova", "text 101"));
    assert_ne!(style_of(&drawn(&mut transcript, 50, 5), "text 100").bg, lit);
}

#[test]
fn a_resize_keeps_the_text_at_the_top() {
    let words: Vec<_> = (0..2000).map(|n| format!("word{n}")).collect();
    let mut transcript = of([said(1, "sova", &words.join(" ")), said(2, "sova", "text 2")]);
    drawn(&mut transcript, 120, 40);
    assert!(transcript.toggle_folds());
    drawn(&mut transcript, 120, 40);
    transcript.to_start();
    transcript.scroll(60);
    let before = shown(&mut transcript, 120, 40);
    let first = before[0].split_whitespace().next().unwrap().to_owned();
    let narrow = shown(&mut transcript, 40, 12);
    assert!(narrow[0].contains(&first), "{first}: {narrow:?}");
    assert_eq!(shown(&mut transcript, 120, 40), before);
}

#[test]
fn the_oldest_entries_are_dropped_at_the_limit() {
    let most = u64::try_from(MAX_ENTRIES).unwrap();
    let mut transcript = of(numbered(1, most));
    drawn(&mut transcript, 50, 5);
    transcript.to_start();
    drawn(&mut transcript, 50, 5);
    assert!(transcript.wants_older());
    numbered(most + 1, 10).into_iter().for_each(|entry| transcript.push(entry));
    assert_eq!(transcript.len(), MAX_ENTRIES);
    assert_eq!(seen(&mut transcript, 50, 5), [11, 12, 13, 14]);
    assert!(!transcript.wants_older(), "there is no room for more of the past");
    assert_eq!(transcript.first().map(|entry| entry.key), Some(key(11)));
    assert!(transcript.get(key(10)).is_none());
    transcript.prepend(numbered(1, 10));
    assert_eq!(transcript.len(), MAX_ENTRIES);
    transcript.clear();
    assert_eq!((transcript.len(), transcript.wants_older()), (0, true));
}

#[test]
fn the_bytes_are_limited() {
    let long = "x".repeat(16 * 1024);
    let entries = (0..3000).map(|seq| said(seq, "sova", &long));
    let mut transcript = of(entries.clone());
    assert!((1900..2048).contains(&transcript.len()), "{}", transcript.len());
    assert_eq!(transcript.last().map(|entry| entry.key), Some(key(2999)));
    transcript.clear();
    transcript.prepend(entries.collect());
    assert!((1900..2048).contains(&transcript.len()), "{}", transcript.len());
    assert_eq!(transcript.last().map(|entry| entry.key), Some(key(2999)));
    assert!(!transcript.wants_older());
}

#[test]
fn a_draft_is_replaced_by_the_posted_message() {
    let mut transcript = of([said(1, "sova", "one"), said(900, "sova", "draft")]);
    assert!(transcript.replace(key(900), said(2, "sova", "posted")));
    assert!(!transcript.replace(key(900), said(3, "sova", "posted")));
    assert!(shown(&mut transcript, 50, 2)[1].ends_with("posted"));
    // The posted message is there already.
    transcript.push(said(901, "sova", "draft"));
    transcript.push(said(3, "sova", "posted three"));
    assert!(transcript.replace(key(901), said(3, "sova", "the same")));
    assert_eq!(transcript.len(), 3);
    assert!(shown(&mut transcript, 50, 2)[1].ends_with("the same"));
    // A duplicate is shown once.
    transcript.push(said(3, "sova", "again"));
    transcript.prepend(vec![said(3, "sova", "again")]);
    assert_eq!(transcript.len(), 3);
}
