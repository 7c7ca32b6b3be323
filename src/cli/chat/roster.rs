//! Who is here, and what to say about who comes and goes.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::{cli::view, client::PeerChange, model::Name};

/// How long those who are missing from a list that is told again have to come back: after a loss
/// of the hub everybody returns on their own, and some later than oneself.
const TIME_TO_RETURN: Duration = Duration::from_secs(10);

/// The names of the listed peers, without one's own.
#[derive(Debug)]
pub(crate) struct Roster {
    me: Name,
    /// `None` until the first list is complete.
    here: Option<BTreeSet<Name>>,
    /// A list that is being told.
    listing: Option<BTreeSet<Name>>,
    /// Who is still said to be here, though a list told again is without them.
    missing: BTreeSet<Name>,
    /// When those have left.
    due: Option<Instant>,
}

impl Roster {
    /// Knows nobody yet.
    pub(crate) fn new(me: Name) -> Self {
        let missing = BTreeSet::new();
        Self { me, here: None, listing: None, missing, due: None }
    }

    /// When [`Roster::settle`] is to be called.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Who has not come back since a list was told again.
    pub(crate) fn settle(&mut self) -> Option<String> {
        self.due = None;
        let missing = std::mem::take(&mut self.missing);
        if let Some(here) = &mut self.here {
            here.retain(|name| !missing.contains(name));
        }
        said(&missing, "left")
    }

    /// What to say about a change, if anything. Nothing is said about oneself, and nothing about
    /// a list that is told again after a loss but who differs.
    pub(crate) fn hear(&mut self, change: PeerChange, now: Instant) -> Option<String> {
        match change {
            PeerChange::Reset => {
                self.listing = Some(BTreeSet::new());
                None
            }
            PeerChange::Updated(peer) if peer.name != self.me => self.came(peer.name),
            PeerChange::Left(name) if name != self.me => self.left(&name),
            PeerChange::Updated(_) | PeerChange::Left(_) => None,
            PeerChange::Listed => self.listed(now),
        }
    }

    fn came(&mut self, name: Name) -> Option<String> {
        if let Some(listing) = &mut self.listing {
            listing.insert(name);
            return None;
        }
        self.missing.remove(&name);
        self.here.as_mut()?.insert(name.clone()).then(|| format!("{name} came"))
    }

    fn left(&mut self, name: &Name) -> Option<String> {
        if let Some(listing) = &mut self.listing {
            listing.remove(name);
            return None;
        }
        self.missing.remove(name);
        self.here.as_mut()?.remove(name).then(|| format!("{name} left"))
    }

    fn listed(&mut self, now: Instant) -> Option<String> {
        let listed = self.listing.take()?;
        let Some(here) = &mut self.here else {
            let said = first_list(&listed);
            self.here = Some(listed);
            return Some(said);
        };
        let came: BTreeSet<Name> = listed.difference(here).cloned().collect();
        self.missing = here.difference(&listed).cloned().collect();
        self.due = (!self.missing.is_empty()).then(|| now + TIME_TO_RETURN);
        here.extend(listed);
        said(&came, "came")
    }
}

fn first_list(here: &BTreeSet<Name>) -> String {
    match here.len() {
        0 => "nobody else is here".into(),
        _ => format!("here: {}", view::names(here.iter())),
    }
}

fn said(names: &BTreeSet<Name>, verb: &str) -> Option<String> {
    (!names.is_empty()).then(|| format!("{} {verb}", view::names(names.iter())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Peer, PeerStatus};

    fn name(raw: &str) -> Name {
        Name::parse(raw).unwrap()
    }

    fn here(raw: &str) -> PeerChange {
        PeerChange::Updated(Peer {
            name: name(raw),
            endpoints: vec![],
            status: PeerStatus::Online,
            online_since: jiff::Timestamp::UNIX_EPOCH,
            certificate: None,
            guest: true,
            status_since: None,
        })
    }

    fn hear(roster: &mut Roster, change: PeerChange) -> Option<String> {
        roster.hear(change, Instant::now())
    }

    fn list(roster: &mut Roster, names: &[&str]) -> Option<String> {
        assert_eq!(hear(roster, PeerChange::Reset), None);
        for name in names {
            assert_eq!(hear(roster, here(name)), None);
        }
        hear(roster, PeerChange::Listed)
    }

    #[test]
    fn the_first_list_is_told_and_then_each_change_once() {
        let mut roster = Roster::new(name("sova"));
        assert_eq!(list(&mut roster, &["colt", "sova"]).as_deref(), Some("here: colt"));
        assert_eq!(hear(&mut roster, here("buzz")).as_deref(), Some("buzz came"));
        assert_eq!(hear(&mut roster, here("buzz")), None, "only changed");
        assert_eq!(hear(&mut roster, PeerChange::Left(name("buzz"))).as_deref(), Some("buzz left"));
        assert_eq!(hear(&mut roster, PeerChange::Left(name("buzz"))), None);
    }

    #[test]
    fn nothing_is_said_about_oneself() {
        let mut roster = Roster::new(name("sova"));
        assert_eq!(list(&mut roster, &["sova"]).as_deref(), Some("nobody else is here"));
        assert_eq!(hear(&mut roster, here("sova")), None);
        assert_eq!(hear(&mut roster, PeerChange::Left(name("sova"))), None);
    }

    #[test]
    fn of_a_list_told_again_only_the_difference_is_said() {
        let mut roster = Roster::new(name("sova"));
        list(&mut roster, &["buzz", "colt", "sova"]);
        assert_eq!(list(&mut roster, &["sova", "colt", "buzz"]), None);
        let said = list(&mut roster, &["buzz", "sova", "winter"]);
        assert_eq!(said.as_deref(), Some("winter came"));
        assert!(roster.due().is_some());
        assert_eq!(roster.settle().as_deref(), Some("colt left"));
        assert_eq!(roster.due(), None);
        assert_eq!(hear(&mut roster, here("colt")).as_deref(), Some("colt came"));
    }

    #[test]
    fn whoever_returns_after_a_loss_a_little_later_was_never_away() {
        let mut roster = Roster::new(name("sova"));
        list(&mut roster, &["buzz", "colt"]);
        assert_eq!(hear(&mut roster, here("sova")), None);
        assert_eq!(list(&mut roster, &["sova"]), None);
        assert_eq!(hear(&mut roster, here("buzz")), None);
        assert_eq!(list(&mut roster, &["sova", "buzz"]), None);
        assert_eq!(hear(&mut roster, here("colt")), None);
        assert_eq!(roster.settle(), None);
    }
}
