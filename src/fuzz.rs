//! What is done with bytes that strangers wrote, one function for each place where they come in.
//!
//! Each takes any bytes, and panics where a parser does, or where what it let through is not what
//! the rest of the program relies on. They are there for tests and fuzzers only:
//!
//! - `cargo test` runs each on its corpus (`fuzz/corpus`), on what proptest thinks of, and on some
//!   thousand mutations of the corpus.
//! - `make fuzz` lets libFuzzer look for new paths through them, as `cargo fuzz run` does.

mod acceptor;
mod files;
#[cfg(test)]
mod tests;
mod tokens;
mod wire;
mod words;

/// A name, as that of its corpus, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 18] = [
    ("answer", wire::answer),
    ("certificate", words::certificate),
    ("client_config", files::client_config),
    ("contact_book", files::contact_book),
    ("endpoint", words::endpoint),
    ("fingerprint", words::fingerprint),
    ("frames", wire::frames),
    ("hub_config", files::hub_config),
    ("invite_code", words::invite_code),
    ("join_link", words::join_link),
    ("jwt", tokens::jwt),
    ("jwt_keys", tokens::jwt_keys),
    ("message_id", words::message_id),
    ("name", words::name),
    ("opening", acceptor::opening),
    ("page_token", words::page_token),
    ("request", wire::request),
    ("status", wire::status),
];

/// Runs the target of this name.
///
/// # Panics
///
/// Where there is none, and where the target finds something.
pub fn run(name: &str, bytes: &[u8]) {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    assert!(found.is_some(), "there is no target {name}");
    if let Some((_, target)) = found {
        target(bytes);
    }
}

/// The text that the bytes are, as far as they are one: most parsers get to see only those.
fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}
