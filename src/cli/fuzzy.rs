//! Finds names by some of their letters.

/// How well a name fits what was typed. The smaller one is the better fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fit {
    kind: FitKind,
    /// The letters between the first and the last that fit.
    gaps: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum FitKind {
    Whole,
    Beginning,
    WordBeginning,
    Inside,
    /// The letters occur in this order, with others between them.
    Scattered,
}

/// Returns how well `name` fits the typed letters, or `None` if they do not occur in it in their order.
/// Upper and lower case count as the same.
pub(crate) fn fit(typed: &str, name: &str) -> Option<Fit> {
    let (typed, name) = (typed.trim().to_lowercase(), name.to_lowercase());
    let kind = match name.find(&typed) {
        Some(0) if typed.len() == name.len() => FitKind::Whole,
        Some(0) => FitKind::Beginning,
        Some(at) if !name[..at].ends_with(char::is_alphanumeric) => FitKind::WordBeginning,
        Some(_) => FitKind::Inside,
        None => return scattered(&typed, &name),
    };
    Some(Fit { kind, gaps: 0 })
}

fn scattered(typed: &str, name: &str) -> Option<Fit> {
    let mut letters = name.chars();
    let mut gaps = 0;
    for (index, wanted) in typed.chars().filter(|c| !c.is_whitespace()).enumerate() {
        let skipped = letters.by_ref().position(|c| c == wanted)?;
        gaps += if index > 0 { skipped } else { 0 };
    }
    Some(Fit { kind: FitKind::Scattered, gaps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_fit_comes_first() {
        let mut names = ["o-p-s", "shop", "big-ops", "opsroom", "o-ps", "Ops"];
        names.sort_by_key(|name| fit("ops", name));
        assert_eq!(names, ["shop", "Ops", "opsroom", "big-ops", "o-ps", "o-p-s"]);
        assert_eq!(fit("ops", "shop"), None);
        assert_eq!(fit("", "shop").map(|fit| fit.kind), Some(FitKind::Beginning));
        assert!(fit("dv tls", "dev-tools").is_some() && fit("ÉT", "été").is_some());
        assert_eq!(fit("opsx", "ops"), None);
    }
}
