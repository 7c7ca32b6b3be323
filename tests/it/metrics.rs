//! Metrics count what happens, and the dashboard uses no others.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
};

use crate::support::{
    hub::TestHub,
    metrics_page::Page,
    peer::{Session, new_id, post},
};
use chinwag::proto::chat_response::Event;

const METRICS: [&str; 3] = ["--ephemeral", "--metrics-listen", "0"];

#[tokio::test]
async fn events_are_counted() {
    let hub = TestHub::with(&METRICS);
    let page = Page::of(&hub);
    let alice = Session::of(hub.address(), "alice").await;
    let mut chat = alice.chat().await;
    for _ in 0..3 {
        chat.post("lobby", &new_id(), "a text that nobody else should see").await;
    }
    for _ in 0..3 {
        chat.message().await;
    }
    chat.post("nowhere", &new_id(), "x").await;
    chat.find(|event| matches!(event, Event::Refused(_)).then_some(())).await;
    alice.broadcast().post(post("!", &new_id(), "x")).await.unwrap_err();

    for (series, value) in [
        ("posts_total", 3.0),
        ("deliveries_total", 3.0),
        ("commit_messages_sum", 3.0),
        ("sessions", 1.0),
        ("peers", 1.0),
        ("streams", 1.0),
        ("rooms", 1.0),
        ("connections{kind=\"plaintext\"}", 1.0),
        ("connections{kind=\"tls\"}", 0.0),
        ("connections_accepted_total", 1.0),
        ("refusals_total{reason=\"NOT_JOINED\"}", 1.0),
        ("refusals_total{reason=\"INVALID_FIELD\"}", 1.0),
    ] {
        assert_eq!(page.value(&format!("chinwag_hub_{series}")), value, "{series}");
    }
    assert!(page.value("chinwag_hub_delivered_bytes_total") > 100.0);
    assert!(page.value("chinwag_hub_commit_seconds_count") >= 1.0);
    let text = page.text();
    assert!(text.ends_with("# EOF\n"), "it is OpenMetrics");
    assert!(text.contains("chinwag_hub_build_info{version="));
    for secret in ["alice", "nobody else", &alice.registered.token] {
        assert!(!text.contains(secret), "{secret} is on the page");
    }
}

#[tokio::test]
async fn only_one_page_is_served_and_it_is_read_only() {
    let hub = TestHub::with(&METRICS);
    let page = Page::of(&hub);
    assert!(page.get("GET /").starts_with("HTTP/1.1 404 "));
    assert!(page.get("POST /metrics").starts_with("HTTP/1.1 405 "));
    // Idle connections do not block others.
    let _silent: Vec<_> = (0..4).map(|_| page.connect()).collect();
    assert!(page.text().contains("chinwag_hub_posts_total 0"));
}

/// More of them than connections are allowed lose the oldest, so that a scrape waits for none.
#[test]
fn half_requests_keep_no_scrape_out() {
    let hub = TestHub::with(&METRICS);
    let page = Page::of(&hub);
    let half = |_| {
        let mut stream = page.connect();
        stream.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
        stream
    };
    let mut slow: Vec<_> = (0..40).map(half).collect();
    assert!(page.text().contains("chinwag_hub_posts_total 0"));
    // The latest of them were not even disturbed.
    let mut last = slow.pop().unwrap();
    last.write_all(b"Host: hub\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// The hub exports each metric that the dashboard uses.
#[tokio::test]
async fn the_dashboard_uses_existing_metrics() {
    let hub = TestHub::with(&METRICS);
    let alice = Session::of(hub.address(), "alice").await;
    alice.broadcast().post(post("!", &new_id(), "x")).await.unwrap_err();
    let text = Page::of(&hub).text();
    let known: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .flat_map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            let ends: &[&str] = match kind {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_sum", "_count"],
                "info" => &["_info"],
                _ => &[""],
            };
            ends.iter().map(move |end| format!("{name}{end}"))
        })
        .collect();
    let dashboard = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/grafana-dashboard.json");
    let dashboard: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(dashboard).unwrap()).unwrap();
    let mut asked = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            asked.extend(words.filter(|word| word.starts_with("chinwag_")).map(str::to_owned));
        }
    }
    assert!(asked.len() > 10, "{asked:?}");
    let missing: Vec<_> = asked.difference(&known).collect();
    assert!(missing.is_empty(), "{missing:?} of {known:?}");
}
