//! Notices about a lost hub: the loss, an occasional reminder, the return.

use std::time::{Duration, Instant};

use crate::client::Event;

/// The least time between two reminders that the hub is still unreachable.
const REMIND_AFTER: Duration = Duration::from_secs(60);

/// Whether the hub is unreachable, and when the last notice about it was.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    last_notice: Option<Instant>,
}

impl Outage {
    /// Returns true if the hub is unreachable.
    pub(crate) fn is_offline(&self) -> bool {
        self.last_notice.is_some()
    }

    /// Returns the notice about an event, if there is one to show.
    pub(crate) fn on_event(&mut self, event: &Event, now: Instant) -> Option<String> {
        match event {
            Event::Disconnected { cause, retry_in } => {
                let seconds = retry_in.as_secs_f32();
                let again = format!("trying again in {seconds:.1} s");
                let notice = match self.last_notice {
                    Some(last) if now.duration_since(last) < REMIND_AFTER => return None,
                    // The first cause only says that the connection was cut.
                    Some(_) => format!("the hub is still unreachable: {cause}; {again}"),
                    None => format!("the hub is gone; {again}"),
                };
                self.last_notice = Some(now);
                Some(notice)
            }
            Event::Connected => self.last_notice.take().map(|_| "back on the hub".into()),
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
    fn notices_come_at_the_loss_rarely_after_and_at_the_return() {
        let mut outage = Outage::default();
        let start = Instant::now();
        assert_eq!(outage.on_event(&Event::Connected, start), None);
        assert!(!outage.is_offline());

        let notice = outage.on_event(&lost(), start);
        assert_eq!(notice.as_deref(), Some("the hub is gone; trying again in 1.2 s"));
        assert!(outage.is_offline());
        assert_eq!(outage.on_event(&lost(), start + Duration::from_secs(59)), None);
        let notice = outage.on_event(&lost(), start + REMIND_AFTER);
        assert_eq!(
            notice.as_deref(),
            Some("the hub is still unreachable: refused; trying again in 1.2 s")
        );

        assert_eq!(outage.on_event(&Event::Connected, start).as_deref(), Some("back on the hub"));
        assert!(!outage.is_offline());
        assert!(outage.on_event(&lost(), start).is_some());
    }
}
