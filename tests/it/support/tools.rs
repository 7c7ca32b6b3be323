//! Finds the programs of others that tests run.

use std::path::{Path, PathBuf};

use crate::support::skip::not_tested;

/// Returns a program that `make test` fetches, if it has.
pub(crate) fn fetched(name: &str) -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin").join(name);
    if program.exists() {
        return Some(program);
    }
    not_tested(&format!("{name} is missing: `make test` fetches it where it can"));
    None
}
