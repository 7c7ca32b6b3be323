//! The log of the hub: text or JSON lines on standard error.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use super::error::{Error, Result};
use crate::{
    cli::log_writer::{self, LogLines},
    error::SystemError,
};

/// The format of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    // For people.
    #[default]
    Text,
    // One JSON object per line.
    Json,
}

/// Starts logging what passes `filter`. Errors with [`Error::Invalid`] if the filter is invalid.
pub(super) fn log(filter: &str, format: LogFormat) -> Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|problem| Error::invalid("log", problem))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false)
        .with_writer(LogLines { to: log_writer::stderr().clone(), escape: false });
    match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    }
    .map_err(|error| SystemError::because("cannot log", error).into())
}
