//! What the client does, for whoever wants to know: `-v`, and the environment.

use std::{
    env,
    fs::File,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use super::{config::make_parent, failure::Failure, output::tell};
use crate::text;

/// What is logged without `-v` is said in one of these, as in `CHINWAG_LOG=chinwag=debug`; the first
/// that is set counts. Without either nothing is logged.
const VARIABLES: [&str; 2] = ["CHINWAG_LOG", "RUST_LOG"];

/// What is logged at `-v`, `-vv`, and more.
const FILTERS: [&str; 3] = ["chinwag=info", "chinwag=debug", "debug,chinwag=trace"];

/// Begins to log to standard error, or to a file where `instead` names one and standard error is a
/// terminal; as much as `-v` was said, and for `0` what the environment says.
///
/// # Errors
///
/// [`Failure::Usage`] where the environment says what is no filter; where the file cannot be made.
pub(super) fn start(verbose: u8, instead: Option<PathBuf>) -> Result<(), Failure> {
    let Some(filter) = filter(verbose)? else { return Ok(()) };
    let file = match instead.filter(|_| io::stderr().is_terminal()) {
        Some(path) => {
            let file = own_file(&path)?;
            tell(&format!("the log goes to {}", path.display()));
            Some(Arc::new(file))
        }
        None => None,
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    log.with_writer(Harmless(file))
        .try_init()
        .map_err(|error| Failure::Other(format!("cannot log: {error}")))
}

fn filter(verbose: u8) -> Result<Option<EnvFilter>, Failure> {
    if let Some(level) = usize::from(verbose).checked_sub(1) {
        return Ok(Some(EnvFilter::new(FILTERS[level.min(FILTERS.len() - 1)])));
    }
    let said = VARIABLES.into_iter().find_map(|name| Some((name, env::var(name).ok()?)));
    let read = |(name, filter): (&str, String)| {
        let problem = |problem| Failure::Usage(format!("{name}: {problem}"));
        EnvFilter::try_new(filter).map_err(problem)
    };
    said.map(read).transpose()
}

/// An empty file that nobody else may read: names and addresses of others will stand in it.
fn own_file(path: &Path) -> Result<File, Failure> {
    make_parent(path)?;
    let mut options = File::options();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| Failure::file("write", path, &error))
}

/// Standard error, or a file, which gets each line of the log with nothing in it that a terminal
/// would obey: the log has what others have sent.
#[derive(Debug, Clone)]
struct Harmless(Option<Arc<File>>);

impl Write for Harmless {
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
        // Neither end keeps anything back.
        Ok(())
    }
}

impl MakeWriter<'_> for Harmless {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_said_is_harmless_in_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new").join("log");
        let mut log = Harmless(Some(Arc::new(own_file(&path).unwrap())));
        log.write_all(b"cause=\x1b[2J\xff\xe2\x80\xae\nnext\n").unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written, "cause=␛[2J\u{fffd}<U+202E>\nnext\n");
    }

    #[test]
    fn more_is_logged_the_more_often_it_is_said() {
        let level = |verbose| filter(verbose).unwrap().unwrap().max_level_hint().unwrap();
        assert!(level(1) < level(2) && level(2) < level(3));
        assert_eq!(level(3), level(9));
    }
}
