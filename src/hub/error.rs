//! What a hub can fail to start or run with.

use crate::{
    error::{SystemError, Violation, describe},
    transport::ListenError,
};

/// Why a hub cannot start, or cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option is invalid.
    #[error("{}", describe(.0))]
    Invalid(Vec<Violation>),
    /// The store or the key cannot be used, or the socket cannot be opened.
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Error {
    pub(crate) fn invalid(option: impl Into<String>, problem: impl ToString) -> Self {
        Self::Invalid(vec![Violation::new(option, problem)])
    }
}

impl From<ListenError> for Error {
    fn from(error: ListenError) -> Self {
        match error {
            ListenError::NotLoopback { .. } => Self::invalid("listen", error),
            ListenError::Failed(error) => Self::System(error),
        }
    }
}
