//! Why the hub, or a command of its operator, failed.

use std::io;

use crate::{
    cli::{
        failure::{FAILED, USAGE},
        json::{ErrorReason, JsonLine, LocalReason},
    },
    error::{RequestError, SystemError},
    hub, text, wire,
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

    /// Returns the exit code: 2 if an option or an argument is invalid.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Hub(hub::Error::Invalid(_)) | Self::Refused(RequestError::Invalid(_)) => USAGE,
            _ => FAILED,
        }
    }

    /// Returns the object for scripts.
    pub(super) fn to_json(&self) -> JsonLine<'static> {
        let reason = match self {
            Self::Hub(hub::Error::Invalid(_)) => LocalReason::Usage.into(),
            Self::Hub(hub::Error::System(_)) => LocalReason::Io.into(),
            Self::Refused(error) => ErrorReason::Remote(wire::reason(error).as_str().to_owned()),
        };
        JsonLine::Error {
            exit_code: self.code(),
            reason,
            message: text::one_line(&self.to_string()).into_owned(),
            remedy: None,
            retry_after: None,
        }
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
