//! Who is here, and what to say about who comes and goes.

use std::collections::BTreeSet;

use crate::{cli::view, client::PeerChange, model::Name};

/// The names of the listed peers.
#[derive(Debug)]
pub(crate) struct Roster {
    me: Name,
    /// `None` until the first list is complete.
    here: Option<BTreeSet<Name>>,
    /// A list that is being told.
    listing: Option<BTreeSet<Name>>,
}

impl Roster {
    /// Knows nobody yet.
    pub(crate) fn new(me: Name) -> Self {
        Self { me, here: None, listing: None }
    }

    /// What to say about a change, if anything. Nothing is said about oneself, and nothing about
    /// a list that is told again after a loss but who differs.
    pub(crate) fn hear(&mut self, change: PeerChange) -> Option<String> {
        match change {
            PeerChange::Reset => {
                self.listing = Some(BTreeSet::new());
                None
            }
            PeerChange::Updated(peer) => match (&mut self.listing, &mut self.here) {
                (Some(listing), _) => {
                    listing.insert(peer.name);
                    None
                }
                (None, Some(here)) => {
                    let came = here.insert(peer.name.clone()) && peer.name != self.me;
                    came.then(|| format!("{} came", peer.name))
                }
                (None, None) => None,
            },
            PeerChange::Left(name) => match (&mut self.listing, &mut self.here) {
                (Some(listing), _) => {
                    listing.remove(&name);
                    None
                }
                (None, here) => {
                    let left = here.as_mut().is_some_and(|here| here.remove(&name));
                    (left && name != self.me).then(|| format!("{name} left"))
                }
            },
            PeerChange::Listed => {
                let mut now = self.listing.take()?;
                now.remove(&self.me);
                let said = match &self.here {
                    None => Some(first_list(&now)),
                    Some(before) => difference(before, &now),
                };
                self.here = Some(now);
                said
            }
        }
    }
}

fn first_list(here: &BTreeSet<Name>) -> String {
    match here.len() {
        0 => "nobody else is here".into(),
        _ => format!("here: {}", view::names(here.iter())),
    }
}

fn difference(before: &BTreeSet<Name>, now: &BTreeSet<Name>) -> Option<String> {
    let part = |a: &BTreeSet<Name>, b: &BTreeSet<Name>, verb: &str| {
        let names: Vec<Name> = a.difference(b).cloned().collect();
        (!names.is_empty()).then(|| format!("{} {verb}", view::names(names.iter())))
    };
    let parts = [part(now, before, "came"), part(before, now, "left")];
    let said: Vec<String> = parts.into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join("; "))
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
        })
    }

    fn list(roster: &mut Roster, names: &[&str]) -> Option<String> {
        assert_eq!(roster.hear(PeerChange::Reset), None);
        for name in names {
            assert_eq!(roster.hear(here(name)), None);
        }
        roster.hear(PeerChange::Listed)
    }

    #[test]
    fn the_first_list_is_told_and_then_each_change_once() {
        let mut roster = Roster::new(name("sova"));
        assert_eq!(list(&mut roster, &["colt", "sova"]).as_deref(), Some("here: colt"));
        assert_eq!(roster.hear(here("buzz")).as_deref(), Some("buzz came"));
        assert_eq!(roster.hear(here("buzz")), None, "only changed");
        assert_eq!(roster.hear(PeerChange::Left(name("buzz"))).as_deref(), Some("buzz left"));
        assert_eq!(roster.hear(PeerChange::Left(name("buzz"))), None);
    }

    #[test]
    fn nothing_is_said_about_oneself() {
        let mut roster = Roster::new(name("sova"));
        assert_eq!(list(&mut roster, &["sova"]).as_deref(), Some("nobody else is here"));
        assert_eq!(roster.hear(here("sova")), None);
        assert_eq!(roster.hear(PeerChange::Left(name("sova"))), None);
    }

    #[test]
    fn of_a_list_told_again_only_the_difference_is_said() {
        let mut roster = Roster::new(name("sova"));
        list(&mut roster, &["buzz", "colt", "sova"]);
        assert_eq!(list(&mut roster, &["sova", "colt", "buzz"]), None);
        assert_eq!(
            list(&mut roster, &["buzz", "sova", "winter"]).as_deref(),
            Some("winter came; colt left")
        );
    }
}
