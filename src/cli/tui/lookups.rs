//! Which lookups in the contact book are running.

use std::collections::HashMap;

use crate::model::Name;

/// The lookups in the contact book. Each name has at most one at a time, because peers can make up names
/// and each lookup reads the whole book. The value is whether to repeat the lookup.
#[derive(Debug, Default)]
pub(super) struct ContactLookups(HashMap<Name, bool>);

impl ContactLookups {
    /// Returns true if the lookup is to start now. If one is running, it is repeated later.
    pub(super) fn begin(&mut self, name: &Name) -> bool {
        let again = self.0.get_mut(name).map(|again| *again = true);
        if again.is_none() {
            self.0.insert(name.clone(), false);
        }
        again.is_none()
    }

    /// Ends a lookup. Returns true if it is to be repeated.
    pub(super) fn end(&mut self, name: &Name) -> bool {
        self.0.remove(name).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_lookup_at_a_time_which_is_repeated_on_request() {
        let (ann, bob) = (Name::parse("ann").unwrap(), Name::parse("bob").unwrap());
        let mut lookups = ContactLookups::default();
        assert!(lookups.begin(&ann) && lookups.begin(&bob));
        assert!(!lookups.begin(&ann) && !lookups.begin(&ann));
        assert!(lookups.end(&ann) && !lookups.end(&bob));
        assert!(lookups.begin(&ann) && !lookups.end(&ann));
        assert!(lookups.0.is_empty());
    }
}
