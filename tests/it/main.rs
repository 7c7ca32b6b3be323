//! The integration tests: the library and the two programs, over real sockets.
//!
//! Tests run in parallel in one process. Each has its own hub, home and ports, and waits for events
//! instead of time. Tests that load the whole machine are in `stress.rs`, a separate binary.
#![cfg(test)]

/// The full name of a test in the same module, for the test runner's `--exact`.
macro_rules! own_name {
    ($test:expr) => {{
        let (_crate, module) = module_path!().split_once("::").unwrap();
        format!("{module}::{}", $test)
    }};
}

mod bad_input;
mod bot;
mod chat_commands;
mod cli;
mod client_hub;
mod client_queries;
mod client_rooms;
mod client_session;
mod clock;
mod command_keys;
mod commands;
mod completions;
mod conformance;
mod conversations;
mod direct;
mod direct_guard;
mod direct_history;
mod direct_keys;
mod doctor;
mod documents;
mod endpoints;
mod examples;
mod finding;
mod first_start;
mod first_ten_minutes;
mod full_screen;
mod grpcurl;
mod grpcurl_tls;
mod history;
mod hub_away;
mod hub_keys;
mod hub_loss;
mod hubs;
mod inbox;
mod interop_python;
mod json_schema;
mod just_gone;
mod jwt;
mod leases;
mod line_mode;
mod listed_keys;
mod log;
mod logs;
mod manual;
mod message_rates;
mod metrics;
mod names;
mod old_client;
mod on;
mod operations;
mod operator;
mod original_story;
mod outbox;
mod outbox_recipients;
mod permissions;
mod plaintext_and_tls;
mod presence;
mod rates;
mod raw_http2;
mod read_only;
mod renamed;
mod rooms;
mod rooms_remembered;
mod screen_actions;
mod scripting;
mod store_failure;
mod store_refusals;
mod story;
mod texts;
mod transport;
mod two_machines;
mod unauthenticated;
mod upgrade;

#[allow(dead_code, reason = "shared with stress.rs")]
mod support;
