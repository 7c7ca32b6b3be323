//! Fuzz targets: one function for each parser of untrusted bytes.
//!
//! Each takes any bytes, and panics if a parser does, or if its result breaks what the rest of the
//! program relies on. For tests and fuzzers only:
//!
//! - `cargo test` runs each target on its corpus (`fuzz/corpus`), on inputs of proptest, and on
//!   some thousand mutations of the corpus.
//! - `make fuzz` lets libFuzzer look for new paths, as `cargo fuzz run` does.

mod acceptor;
mod files;
#[cfg(test)]
mod tests;
mod tokens;
mod wire;
mod words;

/// A target: the name, which is also that of its corpus, and the function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
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
/// If there is no such target, or if it finds a bug.
pub fn run(name: &str, bytes: &[u8]) {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    assert!(found.is_some(), "there is no target {name}");
    if let Some((_, target)) = found {
        target(bytes);
    }
}

/// Returns the longest valid UTF-8 prefix: most parsers get only text.
fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}
