//! What was not done at the hubs that a chat has left.

use std::time::Duration;

use super::console::Console;
use crate::{
    cli::failure::{Failure, Result},
    model::Endpoint,
};

/// How long to read further lines of a pipe to count those that are not run.
const COUNT_WAIT: Duration = Duration::from_secs(1);

/// What was not done when a hub was left.
#[derive(Default)]
pub(super) struct Unfinished {
    /// Lines that could not be carried out.
    failed: usize,
    /// For each hub that has not acknowledged all posts, how many.
    pub(super) unsent: Vec<String>,
}

impl Unfinished {
    pub(super) fn add(&mut self, hub: &Endpoint, failed: usize, unsent: usize) {
        self.failed += failed;
        match unsent {
            0 => {}
            1 => self.unsent.push(format!(
                "your last message at {hub} may not be posted: the hub has not acknowledged it"
            )),
            unsent => self.unsent.push(format!(
                "your last {unsent} messages at {hub} may not be posted: the hub has not \
                 acknowledged them"
            )),
        }
    }

    pub(super) fn result(self) -> Result<()> {
        if !self.unsent.is_empty() {
            return Err(Failure::Other(self.unsent.join("; ")));
        }
        match self.failed {
            0 => Ok(()),
            failed => Err(Failure::Other(format!("lines that could not be carried out: {failed}"))),
        }
    }
}

/// Says how many lines of a pipe are not run, if there are any.
pub(super) async fn count_rest(console: &mut Console) -> Option<String> {
    let mut lines = 0;
    let counting = async {
        while let Some(Ok(line)) = console.typed.recv().await {
            lines += usize::from(!line.is_blank());
        }
    };
    let is_all = tokio::time::timeout(COUNT_WAIT, counting).await.is_ok();
    match (lines, is_all) {
        (0, _) => None,
        (1, true) => Some("one further line was not run".into()),
        (lines, true) => Some(format!("{lines} further lines were not run")),
        (lines, false) => Some(format!("at least {lines} further lines were not run")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_that_may_be_lost_are_reported_with_their_hub() {
        let mut left = Unfinished::default();
        let hub = |raw| Endpoint::parse(raw).unwrap();
        left.add(&hub("here.example:1"), 0, 1);
        left.add(&hub("work.example:1"), 0, 0);
        left.add(&hub("den.example:1"), 1, 2);
        let Err(Failure::Other(report)) = left.result() else { panic!("nothing is reported") };
        assert!(report.starts_with("your last message at here.example:1 may"), "{report}");
        assert!(report.contains("; your last 2 messages at den.example:1 may"), "{report}");
        assert!(!report.contains("work.example"), "{report}");
    }
}
