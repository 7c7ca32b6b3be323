//! Why the hub, or a command of its operator, failed.

use std::io;

use crate::{
    error::{RequestError, SystemError},
    hub,
};

/// Why the hub, or a command of its operator, failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The hub cannot start or go on, or an option is invalid.
    #[error(transparent)]
    Hub(#[from] hub::Error),
    /// The list of members refuses a change.
    #[error(transparent)]
    Refused(#[from] RequestError),
}

pub(super) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(super) fn invalid(option: impl Into<String>, problem: impl ToString) -> Self {
        Self::Hub(hub::Error::invalid(option, problem))
    }

    /// Returns true if an option or an argument is invalid.
    pub(super) fn is_usage(&self) -> bool {
        matches!(self, Self::Hub(hub::Error::Invalid(_)) | Self::Refused(RequestError::Invalid(_)))
    }

    pub(super) fn output(error: io::Error) -> Self {
        SystemError::because("cannot write to standard output", error).into()
    }
}

impl From<SystemError> for Error {
    fn from(error: SystemError) -> Self {
        Self::Hub(error.into())
    }
}
