//! What to say about a hub that went away: the loss, now and then a reminder, the return.

use std::time::{Duration, Instant};

use crate::client::Event;

/// How long to be silent about attempts that fail like the one before: a person wants to know
/// that it goes on, not each time.
const REPEAT: Duration = Duration::from_secs(60);

/// Whether the hub is away, and when that was last said.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    said: Option<Instant>,
}

impl Outage {
    /// Whether the hub is away.
    pub(crate) fn lasts(&self) -> bool {
        self.said.is_some()
    }

    /// What to say about an event, if anything.
    pub(crate) fn hear(&mut self, event: &Event, now: Instant) -> Option<String> {
        match event {
            Event::Disconnected { cause, retry_in } => {
                let seconds = retry_in.as_secs_f32();
                let again = format!("trying again in {seconds:.1} s");
                let said = match self.said {
                    Some(said) if now.duration_since(said) < REPEAT => return None,
                    // By now the cause says more than that the line was cut.
                    Some(_) => format!("still away: {cause}; {again}"),
                    None => format!("the hub is gone; {again}"),
                };
                self.said = Some(now);
                Some(said)
            }
            Event::Connected => self.said.take().map(|_| "back on the hub".into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> Event {
        Event::Disconnected { cause: "refused".into(), retry_in: Duration::from_millis(1234) }
    }

    #[test]
    fn an_outage_is_told_at_its_beginning_rarely_then_and_at_its_end() {
        let mut outage = Outage::default();
        let start = Instant::now();
        assert_eq!(outage.hear(&Event::Connected, start), None);
        assert!(!outage.lasts());

        let said = outage.hear(&lost(), start);
        assert_eq!(said.as_deref(), Some("the hub is gone; trying again in 1.2 s"));
        assert!(outage.lasts());
        assert_eq!(outage.hear(&lost(), start + Duration::from_secs(59)), None);
        let said = outage.hear(&lost(), start + REPEAT);
        assert_eq!(said.as_deref(), Some("still away: refused; trying again in 1.2 s"));

        assert_eq!(outage.hear(&Event::Connected, start).as_deref(), Some("back on the hub"));
        assert!(!outage.lasts());
        assert!(outage.hear(&lost(), start).is_some());
    }
}
