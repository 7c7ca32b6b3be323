//! The log of the client: `-v` and the environment.

use std::{
    env,
    fs::File,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use super::{
    config::make_parent,
    failure::{Failure, Result},
    output::print_notice,
};
use crate::text;

/// Environment variables with a log filter, such as `CHINWAG_LOG=chinwag=debug`. The first that is set
/// counts, unless `-v` is given. Without any, nothing is logged.
const VARIABLES: [&str; 2] = ["CHINWAG_LOG", "RUST_LOG"];

/// The filters of `-v`, `-vv` and `-vvv`.
const FILTERS: [&str; 3] = ["chinwag=info", "chinwag=debug", "debug,chinwag=trace"];

/// Starts logging to standard error, or to the file `instead` if standard error is a terminal.
/// `verbose` counts the `-v` options; with 0, the environment decides. Errors with
/// [`Failure::Usage`] if the environment has an invalid filter. Also errors if the file cannot be
/// created.
pub(super) fn start(verbose: u8, instead: Option<PathBuf>) -> Result<()> {
    let Some(filter) = filter(verbose)? else { return Ok(()) };
    let file = match instead.filter(|_| io::stderr().is_terminal()) {
        Some(path) => {
            let file = own_file(&path)?;
            print_notice(&format!("logging to {}", path.display()));
            Some(Arc::new(file))
        }
        None => None,
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    log.with_writer(EscapingWriter(file))
        .try_init()
        .map_err(|error| Failure::Other(format!("cannot log: {error}")))
}

fn filter(verbose: u8) -> Result<Option<EnvFilter>> {
    if let Some(level) = usize::from(verbose).checked_sub(1) {
        return Ok(Some(EnvFilter::new(FILTERS[level.min(FILTERS.len() - 1)])));
    }
    let variable = VARIABLES.into_iter().find_map(|name| Some((name, env::var(name).ok()?)));
    let read = |(name, filter): (&str, String)| {
        let problem = |problem| Failure::Usage(format!("{name}: {problem}"));
        EnvFilter::try_new(filter).map_err(problem)
    };
    variable.map(read).transpose()
}

/// Creates an empty file that only its owner may read: logs have names and addresses of others.
fn own_file(path: &Path) -> Result<File> {
    make_parent(path)?;
    let mut options = File::options();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| Failure::file("write", path, &error))
}

/// Standard error or a file, without control characters, which texts of others in a line can have.
#[derive(Debug, Clone)]
struct EscapingWriter(Option<Arc<File>>);

impl Write for EscapingWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let shown = String::from_utf8_lossy(line);
        let shown = text::lines(&shown);
        match &self.0 {
            Some(file) => file.as_ref().write_all(shown.as_bytes())?,
            None => io::stderr().write_all(shown.as_bytes())?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Nothing is buffered.
        Ok(())
    }
}

impl MakeWriter<'_> for EscapingWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new").join("log");
        let mut log = EscapingWriter(Some(Arc::new(own_file(&path).unwrap())));
        log.write_all(b"cause=\x1b[2J\xff\xe2\x80\xae\nnext\n").unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written, "cause=␛[2J\u{fffd}<U+202E>\nnext\n");
    }

    #[test]
    fn each_v_logs_more() {
        let level = |verbose| filter(verbose).unwrap().unwrap().max_level_hint().unwrap();
        assert!(level(1) < level(2) && level(2) < level(3));
        assert_eq!(level(3), level(9));
    }
}
