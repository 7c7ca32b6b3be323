//! How a task answers whoever asked it for something.

use tokio::sync::oneshot;

use crate::client::error::Result;

/// Where the answer to a command goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T>>;
