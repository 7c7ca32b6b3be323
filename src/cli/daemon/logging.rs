//! The hub's log: lines for people or for programs, on standard error.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use super::error::{Error, Result};
use crate::error::SystemError;

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    // For people.
    #[default]
    Text,
    // One JSON object per line.
    Json,
}

/// Begins to log what passes `filter`.
///
/// # Errors
///
/// [`Error::Invalid`] where the filter is none.
pub(super) fn log(filter: &str, format: LogFormat) -> Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|problem| Error::invalid("log", problem))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    }
    .map_err(|error| SystemError::because("cannot log", error).into())
}
