//! Which peers are online, and notices about those that come and go.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::{cli::view, client::PeerChange, model::Name};

/// How long peers that are missing from a repeated list have to come back: after an outage of the hub,
/// every client reconnects by itself, and some later than this one.
const RETURN_TIMEOUT: Duration = Duration::from_secs(10);

/// The names of the listed peers, without the user's own.
pub(crate) struct Roster {
    me: Name,
    /// The peers that are online; `None` until the first list is complete.
    online: Option<BTreeSet<Name>>,
    /// The list that is being received.
    listing: Option<BTreeSet<Name>>,
    /// Peers that count as online although the last list did not have them.
    missing: BTreeSet<Name>,
    /// When those count as gone: [`Roster::settle`] is to be called then.
    pub(crate) due: Option<Instant>,
}

impl Roster {
    pub(crate) fn new(me: Name) -> Self {
        let missing = BTreeSet::new();
        Self { me, online: None, listing: None, missing, due: None }
    }

    /// Takes note that the user has another name.
    pub(crate) fn rename(&mut self, me: Name) {
        for names in [&mut self.online, &mut self.listing].into_iter().flatten() {
            names.remove(&me);
        }
        self.me = me;
    }

    /// Removes the peers that have not come back, and returns the notice about them.
    pub(crate) fn settle(&mut self) -> Option<String> {
        self.due = None;
        let missing = std::mem::take(&mut self.missing);
        if let Some(online) = &mut self.online {
            online.retain(|name| !missing.contains(name));
        }
        notice(&missing, "left")
    }

    /// Handles a change and returns the notice about it. There is none about the user, and of a list that
    /// is repeated after an outage only the differences count.
    pub(crate) fn on_change(&mut self, change: PeerChange, now: Instant) -> Option<String> {
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
        self.online.as_mut()?.insert(name.clone()).then(|| format!("{name} came"))
    }

    fn left(&mut self, name: &Name) -> Option<String> {
        if let Some(listing) = &mut self.listing {
            listing.remove(name);
            return None;
        }
        self.missing.remove(name);
        self.online.as_mut()?.remove(name).then(|| format!("{name} left"))
    }

    fn listed(&mut self, now: Instant) -> Option<String> {
        let listed = self.listing.take()?;
        let Some(online) = &mut self.online else {
            let notice = first_list(&listed);
            self.online = Some(listed);
            return Some(notice);
        };
        let came: BTreeSet<Name> = listed.difference(online).cloned().collect();
        self.missing = online.difference(&listed).cloned().collect();
        self.due = (!self.missing.is_empty()).then(|| now + RETURN_TIMEOUT);
        online.extend(listed);
        notice(&came, "came")
    }
}

fn first_list(here: &BTreeSet<Name>) -> String {
    match here.len() {
        0 => "nobody else is here".into(),
        _ => format!("here: {}", view::names(here.iter())),
    }
}

fn notice(names: &BTreeSet<Name>, verb: &str) -> Option<String> {
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
            key: None,
            certificate: None,
            guest: true,
            status_since: None,
        })
    }

    fn hear(roster: &mut Roster, change: PeerChange) -> Option<String> {
        roster.on_change(change, Instant::now())
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
    fn there_are_no_notices_about_the_user() {
        let mut roster = Roster::new(name("sova"));
        assert_eq!(list(&mut roster, &["sova"]).as_deref(), Some("nobody else is here"));
        assert_eq!(hear(&mut roster, here("sova")), None);
        assert_eq!(hear(&mut roster, PeerChange::Left(name("sova"))), None);
    }

    #[test]
    fn a_repeated_list_reports_only_differences() {
        let mut roster = Roster::new(name("sova"));
        list(&mut roster, &["buzz", "colt", "sova"]);
        assert_eq!(list(&mut roster, &["sova", "colt", "buzz"]), None);
        let notice = list(&mut roster, &["buzz", "sova", "winter"]);
        assert_eq!(notice.as_deref(), Some("winter came"));
        assert!(roster.due.is_some());
        assert_eq!(roster.settle().as_deref(), Some("colt left"));
        assert_eq!(roster.due, None);
        assert_eq!(hear(&mut roster, here("colt")).as_deref(), Some("colt came"));
    }

    #[test]
    fn peers_that_return_soon_after_an_outage_are_not_reported() {
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
