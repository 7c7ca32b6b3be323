//! The log of the client: `-v` and the environment.

use std::{
    env,
    fs::File,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use tracing_subscriber::EnvFilter;

use super::{
    config::make_parent,
    failure::{Failure, Result},
    log_writer::{self, LogLines, LogWriter},
    output::print_notice,
};

/// Environment variables with a log filter, such as `CHINWAG_LOG=chinwag=debug`. The first that is set
/// counts, unless `-v` is given. Without any, nothing is logged.
const VARIABLES: [&str; 2] = ["CHINWAG_LOG", "RUST_LOG"];

/// The filters of `-v`, `-vv` and `-vvv`.
const FILTERS: [&str; 3] = ["chinwag=info", "chinwag=debug", "debug,chinwag=trace"];

/// Writes what is left of a log file when it is dropped.
#[must_use]
pub(super) struct LogFile(LogWriter);

impl Drop for LogFile {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Starts logging to standard error, or to the file `instead` if standard error is a terminal, which
/// is returned then. `verbose` counts the `-v` options; with 0, the environment decides. Errors with
/// [`Failure::Usage`] if the environment has an invalid filter. Also errors if the file cannot be
/// created.
pub(super) fn start(verbose: u8, instead: Option<PathBuf>) -> Result<Option<LogFile>> {
    let Some(filter) = filter(verbose)? else { return Ok(None) };
    let file = match instead.filter(|_| io::stderr().is_terminal()) {
        Some(path) => {
            let file = own_file(&path)?;
            print_notice(&format!("logging to {}", path.display()));
            Some(LogFile(LogWriter::start(file)))
        }
        None => None,
    };
    let to = file.as_ref().map_or_else(|| log_writer::stderr().clone(), |file| file.0.clone());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    log.log_internal_errors(false)
        .with_writer(LogLines { to, escape: true })
        .try_init()
        .map_err(|error| Failure::Other(format!("cannot log: {error}")))?;
    Ok(file)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_file_is_its_owners_and_complete_when_the_program_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new").join("log");
        let log = LogFile(LogWriter::start(own_file(&path).unwrap()));
        log.0.write(b"line\n".to_vec());
        drop(log);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "line\n");
        #[cfg(unix)]
        {
            let permissions = std::fs::metadata(&path).unwrap().permissions();
            assert_eq!(std::os::unix::fs::PermissionsExt::mode(&permissions) & 0o777, 0o600);
        }
    }

    #[test]
    fn each_v_logs_more() {
        let level = |verbose| filter(verbose).unwrap().unwrap().max_level_hint().unwrap();
        assert!(level(1) < level(2) && level(2) < level(3));
        assert_eq!(level(3), level(9));
    }
}
