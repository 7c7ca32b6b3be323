//! What was not done at the hubs that a chat has left.

use crate::{
    cli::failure::{Failure, Result},
    model::Endpoint,
};

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
