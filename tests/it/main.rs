//! The integration tests: the library and the two programs, over real sockets.
//!
//! Tests run side by side in one process. Each has its own hub, home and ports, and waits for events
//! instead of time. What loads the whole machine is in `stress.rs`, a binary of its own.
#![cfg(test)]

/// The full name of a test in the same module, as the test runner's `--exact` wants it.
macro_rules! own_name {
    ($test:expr) => {{
        let (_crate, module) = module_path!().split_once("::").unwrap();
        format!("{module}::{}", $test)
    }};
}

mod away;
mod bad_input;
mod bot;
mod chat_commands;
mod cli;
mod client_hub;
mod client_queries;
mod client_rooms;
mod client_session;
mod command_keys;
mod commands;
mod completions;
mod converse;
mod direct;
mod direct_guard;
mod direct_keys;
mod doctor;
mod documents;
mod endpoints;
mod entrance;
mod examples;
mod first_minute;
mod full_screen;
mod grpcurl;
mod grpcurl_tls;
mod history;
mod hub_keys;
mod hub_loss;
mod inbox;
mod interop_python;
mod jwt;
mod keeper;
mod leases;
mod line_mode;
mod log;
mod logs;
mod manual;
mod metrics;
mod names;
mod old_client;
mod on;
mod operations;
mod original_story;
mod outbox;
mod outbox_persons;
mod presence;
mod rates;
mod rooms;
mod scripting;
mod store_failure;
mod store_refusals;
mod story;
mod strangers;
mod transport;
mod two_machines;
mod upgrade;

#[allow(dead_code, reason = "shared with stress.rs")]
mod support;
