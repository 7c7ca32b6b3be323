//! Full-text search.

use chinwag::{
    error::RequestError,
    model::Name,
    storage::{Edge, MessageLog, Search, SearchCursor},
};

use super::test_log::{TestLog, room, search, texts};

pub(crate) async fn words_are_found(test: &TestLog) {
    let texts = [
        "the red car",
        "the green car",
        "a car, green and RED",
        "Zürich is étonnant",
        "carpet",
        "日本語 text",
    ];
    test.say("lobby", "alice", &texts).await;
    let queries: &[(&str, &[usize])] = &[
        ("car", &[0, 1, 2]),
        ("CAR red", &[0, 2]),
        ("car*", &[0, 1, 2, 4]),
        ("\"green car\"", &[1]),
        ("\"car green\"", &[2]),
        ("\"red car\" the", &[0]),
        ("\"car green", &[2]),
        ("zurich", &[3]),
        ("ÉTONNANT zür*", &[3]),
        ("日本*", &[5]),
        ("green-and", &[2]),
        ("bicycle", &[]),
        ("car bicycle", &[]),
        ("car !!! ***", &[0, 1, 2]),
    ];
    check(test, &texts, queries).await;
}

/// Checks which of the texts of a room each query finds.
async fn check(test: &TestLog, texts: &[&str], queries: &[(&str, &[usize])]) {
    for (query, found) in queries {
        let expected: Vec<_> = found.iter().map(|&at| texts[at].to_owned()).collect();
        assert_eq!(test.find(query).await, expected, "{query}");
    }
}

pub(crate) async fn case_accents_and_forms_do_not_matter(test: &TestLog) {
    let texts = [
        "Straße und GROẞ",
        "Łódź, Øresund, đak",
        "йод и\u{306}од Ёлка",
        "ａｂｃ １２ ﬁne",
        "İstanbul ISI",
        "ὈΔΥΣΣΕΎΣ Οδυσσεύς",
        "שָׁלוֹם مُحَمَّد",
        "प्रिया नमस्ते",
    ];
    test.say("lobby", "alice", &texts).await;
    let queries: &[(&str, &[usize])] = &[
        ("strasse", &[0]),
        ("STRASSE gross", &[0]),
        ("straß*", &[0]),
        ("lodz oresund dak", &[1]),
        ("ŁÓDŹ", &[1]),
        ("и\u{306}од", &[2]),
        ("йод елка", &[2]),
        ("abc 12 fine", &[3]),
        ("ＡＢＣ", &[3]),
        ("istanbul", &[4]),
        ("ısı", &[4]),
        ("οδυσσευς", &[5]),
        ("ΟΔΥΣΣΕΥΣ", &[5]),
        ("שלום محمد", &[6]),
        ("प्रिया", &[7]),
        ("परया", &[]),
    ];
    check(test, &texts, queries).await;
}

pub(crate) async fn scripts_without_blanks_and_emoji_are_found(test: &TestLog) {
    let texts = [
        "今天玩成语接龙游戏",
        "สวัสดีครับวันนี้อากาศดีมาก",
        "한국어를 배워요 대한민국",
        "カラオケに行きたい ｺｰﾋｰ",
        "ខ្ញុំស្រលាញ់ភាសាខ្មែរ",
        "ကျွန်တော်မြန်မာစကားပြောတတ်တယ်",
        "ສະບາຍດີເຈົ້າ",
        "2026年12月 Rust编程",
        "done 🎉🎉 👍🏽 🇩🇪 👩\u{200d}👧",
        "玩",
    ];
    test.say("lobby", "alice", &texts).await;
    let queries: &[(&str, &[usize])] = &[
        ("接龙", &[0]),
        ("语接龙游", &[0]),
        ("游戏", &[0]),
        ("今天*", &[0]),
        ("龙接", &[]),
        ("今玩", &[]),
        ("玩", &[0, 9]),
        ("戏", &[0]),
        ("อากาศ", &[1]),
        ("วันนี้", &[1]),
        ("한국어", &[2]),
        ("민국", &[2]),
        ("\u{1112}\u{1161}\u{11ab}국어", &[2]),
        ("オケ", &[3]),
        ("コーヒー", &[3]),
        ("行きたい", &[3]),
        ("ភាសា", &[4]),
        ("မြန်မာ", &[5]),
        ("ບາຍດີ", &[6]),
        ("2026年", &[7]),
        ("年12月", &[7]),
        ("rust编程", &[7]),
        ("程", &[7]),
        ("🎉", &[8]),
        ("👍", &[8]),
        ("🇩🇪", &[8]),
        ("👧", &[8]),
        ("🎊", &[]),
    ];
    check(test, &texts, queries).await;
}

pub(crate) async fn a_search_can_be_narrowed(test: &TestLog) {
    test.say("lobby", "alice", &["tea 1"]).await;
    test.say("lobby", "bob", &["tea 2"]).await;
    test.say("attic", "alice", &["tea 3"]).await;
    let narrowed = |to: Option<&str>, sender: Option<&str>| Search {
        room: to.map(room),
        sender: sender.map(|name| Name::parse(name).unwrap()),
        ..search("tea")
    };
    for (search, found) in [
        (narrowed(None, None), &["tea 3", "tea 2", "tea 1"] as &[&str]),
        (narrowed(Some("lobby"), None), &["tea 2", "tea 1"]),
        (narrowed(None, Some("alice")), &["tea 3", "tea 1"]),
        (narrowed(Some("lobby"), Some("alice")), &["tea 1"]),
        (narrowed(Some("attic"), Some("bob")), &[]),
        (narrowed(Some("cellar"), None), &[]),
        (narrowed(None, Some("carol")), &[]),
    ] {
        for newest_first in [true, false] {
            let mut hits = test.search(Search { newest_first, ..search.clone() }).await;
            hits.sort_by_key(|hit| std::cmp::Reverse(hit.message.created_at));
            let messages: Vec<_> = hits.into_iter().map(|hit| hit.message).collect();
            assert_eq!(texts(&messages), found, "{search:?}");
        }
    }
    let said = test.read("lobby", Edge::After(0), 2).await;
    let [first, second] = [0, 1].map(|i| Some(said[i].created_at));
    for (since, until, found) in [
        (first, None, &["tea 3", "tea 2", "tea 1"] as &[&str]),
        (second, None, &["tea 3", "tea 2"]),
        (None, second, &["tea 1"]),
        (first, second, &["tea 1"]),
        (second, first, &[]),
    ] {
        for newest_first in [true, false] {
            let mut hits =
                test.search(Search { since, until, newest_first, ..search("tea") }).await;
            hits.sort_by_key(|hit| std::cmp::Reverse(hit.message.created_at));
            let messages: Vec<_> = hits.into_iter().map(|hit| hit.message).collect();
            assert_eq!(texts(&messages), found, "{since:?} {until:?}");
        }
    }
    // Without words, all are found, the latest first in both orders.
    test.say("lobby", "alice", &["?!"]).await;
    for (search, found) in [
        (narrowed(Some("lobby"), None), &["?!", "tea 2", "tea 1"] as &[&str]),
        (narrowed(None, Some("alice")), &["?!", "tea 3", "tea 1"]),
        (narrowed(Some("lobby"), Some("alice")), &["?!", "tea 1"]),
        (narrowed(Some("cellar"), None), &[]),
    ] {
        for newest_first in [true, false] {
            let search = Search { query: String::new(), newest_first, ..search.clone() };
            let hits = test.search(search.clone()).await;
            assert!(hits.iter().all(|hit| hit.ranges.is_empty()));
            let messages: Vec<_> = hits.into_iter().map(|hit| hit.message).collect();
            assert_eq!(texts(&messages), found, "{search:?}");
        }
    }
    // The index terms of rooms and senders are not found as text.
    assert!(test.find("room sender").await.is_empty());
}

pub(crate) async fn found_words_are_marked_where_they_are(test: &TestLog) {
    for (text, query, marked) in [
        ("tea for two", "tea two", &["tea", "two"] as &[&str]),
        ("Le thé à l’Été, the tea", "ete the", &["thé", "Été", "the"]),
        ("🫖 tea 日本語 teapot", "tea* 日本* 🫖", &["🫖", "tea", "日本", "teapot"]),
        ("我们玩成语接龙, 接龙!", "接龙", &["接龙", "接龙"]),
        ("我们玩成语", "们玩成 语", &["们玩成", "语"]),
        ("die Straße, ŁÓDŹ", "strasse lodz", &["Straße", "ŁÓDŹ"]),
        ("👍🏽 ok", "👍", &["👍🏽"]),
        ("ﷺ ok", "الله", &["ﷺ"]),
        ("a b a b a", "\"a b a\"", &["a b a b a"]),
        ("two cups of tea", "\"cups of\"", &["cups of"]),
        ("green tea green tea", "\"tea green tea\"", &["tea green tea"]),
        ("nul\0tea\0nul", "tea", &["tea"]),
        ("\u{e000}tea\u{e001} tea", "tea*", &["tea", "tea"]),
        ("cafe\u{301} tea", "cafe", &["cafe\u{301}"]),
    ] {
        test.say("lobby", "alice", &[text]).await;
        let hit = test.search(search(query)).await.remove(0);
        assert_eq!(hit.message.text.as_str(), text);
        let found: Vec<_> = hit.ranges.iter().map(|range| &text[range.clone()]).collect();
        assert_eq!(found, marked, "{query}");
        let apart = hit.ranges.windows(2).all(|pair| pair[0].end <= pair[1].start);
        assert!(apart, "{:?}", hit.ranges);
    }
}

pub(crate) async fn hostile_queries_are_answered_or_refused(test: &TestLog) {
    test.say("lobby", "alice", &["tea and OR near text room 1"]).await;
    let long = "tea ".repeat(5000);
    let prefixes = "tea* ".repeat(1000);
    for query in [
        "tea\" OR \"coffee",
        "NOT tea",
        "tea AND",
        "NEAR(tea, 2)",
        "text : tea",
        "{room text} : tea",
        "- tea",
        "^tea",
        "tea + and",
        "tea)",
        "((((tea",
        "tea * and",
        "'; DROP TABLE words; --",
        "tea\0and",
        "\"\"\"tea\"\"\"",
        "tea \u{300}",
        &long,
        &prefixes,
    ] {
        // Only a successful answer matters.
        test.log.search(search(query)).await.unwrap();
    }
    let short = "a* ".repeat(85);
    for query in
        ["", "  ", "\"\"", "*", "!?", "\0", &short, "te*", "茶*", "1 2 3 4 5 6 7 8 \"9 10\""]
    {
        let refused = test.log.search(search(query)).await.unwrap_err();
        assert!(
            matches!(&refused, RequestError::Invalid(what) if what[0].field == "query"),
            "{refused:?}"
        );
    }
    assert_eq!(test.find("OR").await.len(), 1);
}

pub(crate) async fn the_best_or_the_latest_come_first(test: &TestLog) {
    let said = ["tea tea tea", "tea or coffee or water or juice or milk", "coffee", "cold tea"];
    test.say("lobby", "alice", &said).await;
    let (tea3, long, cold) = (said[0], said[1], said[3]);
    for (newest_first, order) in [(true, [cold, long, tea3]), (false, [tea3, cold, long])] {
        for limit in 1..5 {
            assert_eq!(pages(test, newest_first, limit, || None).await, order, "{limit}");
        }
    }
    for broken in ["", "x", "1/2", "1/2/3/4", "-", "/", "1/-1/1", "99999999999999999999"] {
        for newest_first in [true, false] {
            let after = Some(SearchCursor(broken.into()));
            let refused = test.log.search(Search { newest_first, after, ..search("tea") }).await;
            assert!(
                matches!(&refused, Err(RequestError::Invalid(what)) if what[0].field == "page_token"),
                "{broken}: {refused:?}"
            );
        }
    }
}

/// Returns the texts of all pages; posts `between` pages.
async fn pages(
    test: &TestLog,
    newest_first: bool,
    limit: usize,
    mut between: impl FnMut() -> Option<&'static str>,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut search = Search { newest_first, limit, ..search("tea") };
    loop {
        let page = test.log.search(search.clone()).await.unwrap();
        assert!(page.hits.len() <= limit);
        found.extend(page.hits.into_iter().map(|hit| hit.message.text.as_str().to_owned()));
        if page.next.is_none() {
            return found;
        }
        search.after = page.next;
        if let Some(text) = between() {
            test.say("lobby", "bob", &[text]).await;
        }
    }
}

pub(crate) async fn no_hit_comes_twice_while_others_post(test: &TestLog) {
    let said: Vec<_> = (0..9).map(|at| format!("tea {}", "word ".repeat(at))).collect();
    test.say("lobby", "alice", &said.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut newest = said.clone();
    newest.reverse();
    for (newest_first, expected) in [(true, newest), (false, said)] {
        for limit in [1, 2, 4] {
            // Better than all hits so far, and later.
            let found = pages(test, newest_first, limit, || Some("tea tea tea")).await;
            let old: Vec<_> = found.iter().filter(|text| *text != "tea tea tea").collect();
            assert_eq!(old, expected.iter().collect::<Vec<_>>(), "{limit}");
        }
    }
}
