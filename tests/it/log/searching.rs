//! Full-text search.

use chinwag::{
    error::RequestError,
    model::Name,
    storage::{Edge, MessageLog, Search},
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
    let pick = |picked: &[usize]| picked.iter().map(|&i| texts[i].to_owned()).collect::<Vec<_>>();
    for (query, found) in [
        ("car", &[0, 1, 2_usize] as &[_]),
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
    ] {
        assert_eq!(test.find(query).await, pick(found), "{query}");
    }
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
    // The index terms of rooms and senders are not found as text.
    assert!(test.find("room sender").await.is_empty());
}

pub(crate) async fn found_words_are_marked_where_they_are(test: &TestLog) {
    let all_marks: String = ('\u{e000}'..='\u{f8ff}').take(5000).collect();
    let crowded = format!("{all_marks} tea");
    for (text, query, marked) in [
        ("tea for two", "tea two", &["tea", "two"] as &[&str]),
        ("Le thé à l’Été, the tea", "ete the", &["thé", "Été", "the"]),
        ("🫖 tea 日本語 teapot", "tea* 日本*", &["tea", "日本語", "teapot"]),
        ("two cups of tea", "\"cups of\"", &["cups of"]),
        ("green tea green tea", "\"tea green tea\"", &["tea green tea"]),
        ("nul\0tea\0nul", "tea", &["tea"]),
        ("\u{e000}tea\u{e001} tea", "tea*", &["tea"]),
        (&crowded, "tea", &["tea"]),
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
    let prefixes = "t* ".repeat(1000);
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
    for query in ["", "  ", "\"\"", "*", "!?", "\0"] {
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
    let ordered = |newest_first, offset, limit| {
        let search = Search { newest_first, offset, limit, ..search("tea") };
        async move {
            let messages: Vec<_> =
                test.search(search).await.into_iter().map(|hit| hit.message).collect();
            texts(&messages).join("; ")
        }
    };
    let all = "cold tea; tea or coffee or water or juice or milk; tea tea tea";
    assert_eq!(ordered(true, 0, 10).await, all);
    assert_eq!(ordered(true, 1, 1).await, "tea or coffee or water or juice or milk");
    assert_eq!(ordered(true, 3, 10).await, "");
    let all = "tea tea tea; cold tea; tea or coffee or water or juice or milk";
    assert_eq!(ordered(false, 0, 10).await, all);
    assert_eq!(ordered(false, 2, 10).await, "tea or coffee or water or juice or milk");
}
