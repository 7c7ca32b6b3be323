//! Tests that load the whole machine, or measure the hub's memory and latency. They are a separate
//! binary, so that they do not run in parallel with the other tests.
#![cfg(test)]

/// The folder beside this file.
mod stress {
    mod abuse;
    mod crash;
    mod linearizable;
    mod power_loss;
    mod search;
    mod slow_reader;
}
#[allow(dead_code, reason = "shared with main.rs")]
mod support;
