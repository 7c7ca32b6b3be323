//! The answers of a task to its callers.

use tokio::sync::oneshot;

use crate::client::error::Result;

/// Where the answer to a command goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T>>;
