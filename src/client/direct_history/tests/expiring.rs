//! Messages that are kept for a time, and a clock that is wrong.

use super::*;

#[tokio::test]
async fn messages_expire_and_a_clock_that_is_wrong_for_a_moment_removes_none() {
    let home = Home::new();
    let history = home.open().await;
    let week = KeepFor::Only(Duration::from_secs(7 * DAY as u64));
    // Before the first message, and before the key is known.
    history.keep(&name("bob"), week).await.unwrap();
    history.came(&direct("bob", "one", Verification::Known(key(1)))).await;
    home.pass(3 * DAY);
    history.came(&direct("bob", "two", Verification::Known(key(1)))).await;

    home.pass(400 * DAY);
    assert_eq!(history.listed().await, [("bob".into(), 0, 0)], "left out, but still there");
    assert_eq!(history.texts("bob").await, Vec::<String>::new());
    home.pass(60 - 400 * DAY);
    history.came(&direct("bob", "three", Verification::Known(key(1)))).await;
    assert_eq!(history.texts("bob").await, ["one", "two", "three"]);

    home.pass(5 * DAY);
    assert_eq!(history.texts("bob").await, ["two", "three"], "reading alone is enough");
    assert_eq!(history.listed().await, [("bob".into(), 2, 2)]);
    // After a long absence it takes a while until the clock is trusted.
    home.pass(30 * DAY);
    assert_eq!(history.listed().await, [("bob".into(), 0, 0)]);
    assert!(contains(home.dir.path(), "three"));
    home.pass(DAY / 2);
    assert_eq!(history.listed().await, [("bob".into(), 0, 0)]);
    assert!(!contains(home.dir.path(), "three"));
}

#[tokio::test]
async fn messages_expire_in_a_new_file_and_with_seldom_starts() {
    let home = Home::new();
    let history = home.open().await;
    history.keep(&name("bob"), KeepFor::Only(Duration::from_secs(5))).await.unwrap();
    history.came(&direct("bob", "short-lived", Verification::Known(key(1)))).await;
    assert_eq!(history.texts("bob").await, ["short-lived"]);
    home.pass(6);
    assert_eq!(history.texts("bob").await, Vec::<String>::new());
    assert!(!contains(home.dir.path(), "short-lived"), "the clock of a new file is trusted");

    history.keep(&name("bob"), KeepFor::Only(Duration::from_secs(7 * DAY as u64))).await.unwrap();
    history.came(&direct("bob", "old news", Verification::Known(key(1)))).await;
    for is_there in [true, false] {
        home.pass(8 * DAY);
        let history = home.open().await;
        assert_eq!(history.texts("bob").await, Vec::<String>::new());
        assert_eq!(contains(home.dir.path(), "old news"), is_there, "the second start removes it");
    }
}

#[tokio::test]
async fn reading_writes_only_if_something_is_due() {
    let home = Home::new();
    let history = home.open().await;
    history.keep(&name("bob"), KeepFor::Only(Duration::from_secs(3600))).await.unwrap();
    history.came(&direct("bob", "one", Verification::Known(key(1)))).await;
    let other = Connection::open(home.dir.path().join("direct.db")).unwrap();
    // It changes with every commit of another connection.
    let version = || other.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0));
    let before = version().unwrap();
    for (left, has_written) in [(1, false), (0, true)] {
        home.pass(3000);
        assert_eq!(history.listed().await, [("bob".into(), left, left)]);
        assert_eq!(history.texts("bob").await.len() as u64, left);
        assert_eq!(version().unwrap() != before, has_written);
    }
}

#[tokio::test]
async fn a_time_of_less_than_a_second_is_refused_and_deletes_nothing() {
    let home = Home::new();
    let history = home.open().await;
    history.came(&direct("bob", "one", Verification::Known(key(1)))).await;
    for time in [Duration::ZERO, Duration::from_millis(999)] {
        let refused = history.keep(&name("bob"), KeepFor::Only(time)).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    assert_eq!(history.texts("bob").await, ["one"]);
}
