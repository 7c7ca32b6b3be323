//! Parses a typed search: words, and the operators `from:NAME`, `in:ROOM`, `after:TIME` and
//! `before:TIME` between them.
//!
//! Within double quotes an operator is text, and its value may stand in them: `from:"ann"`. Everything else that has a colon, such as an address, is
//! a word.

use jiff::{Timestamp, tz::TimeZone};

use super::values::{TIME_FORMS, peer, point_in_time, room};
use crate::{
    client::SearchRequest,
    model::{Invalid, Name, RoomName},
};

/// A parsed search. The default searches for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SearchTerms {
    /// The words, prefixes and phrases, without the operators. A parsed search has some, a room or a sender.
    pub(crate) words: String,
    /// Only this room; `None`: all rooms.
    pub(crate) room: Option<RoomName>,
    /// Only this sender.
    pub(crate) sender: Option<Name>,
    /// Only messages stored at this time or later.
    pub(crate) since: Option<Timestamp>,
    /// Only messages stored before this time.
    pub(crate) until: Option<Timestamp>,
}

/// Why a typed search cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SearchTermsError {
    /// There is no word, no room and no sender.
    #[error("give at least one word to search for, from:NAME or in:ROOM")]
    Empty,
    /// The operator has no value, as in `from: bob`.
    #[error("{0} needs a value directly after the colon")]
    NoValue(Operator),
    /// The operator occurs more than once.
    #[error("{0} can be given only once")]
    Repeated(Operator),
    /// The value is not a valid name.
    #[error("{0}{1:?}: {2}")]
    BadName(Operator, String, Invalid),
    /// The value is not a time.
    #[error("{0}{1:?}: expected {TIME_FORMS}")]
    BadTime(Operator, String),
}

/// A word that narrows a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `from:NAME`
    From,
    /// `in:ROOM`
    In,
    /// `after:TIME`, inclusive
    After,
    /// `before:TIME`, exclusive
    Before,
}

impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl Operator {
    const ALL: [Self; 4] = [Self::From, Self::In, Self::After, Self::Before];

    fn text(self) -> &'static str {
        match self {
            Self::From => "from:",
            Self::In => "in:",
            Self::After => "after:",
            Self::Before => "before:",
        }
    }

    /// Splits a word into its operator and the value; `None` if it is a plain word. Upper and lower
    /// case count as the same.
    fn split(word: &str) -> Option<(Self, &str)> {
        Self::ALL.into_iter().find_map(|operator| {
            let (start, value) = word.split_at_checked(operator.text().len())?;
            start.eq_ignore_ascii_case(operator.text()).then_some((operator, value))
        })
    }
}

impl SearchTerms {
    /// Parses what was typed. Errors with what is wrong with an operator, or if there is neither a word,
    /// a room nor a sender.
    pub(crate) fn parse(typed: &str) -> Result<Self, SearchTermsError> {
        let mut terms = Self::default();
        let mut words: Vec<String> = Vec::new();
        // The operator directly before a quote.
        let mut open: Option<Operator> = None;
        let mut parts = typed.split('"').enumerate().peekable();
        while let Some((index, part)) = parts.next() {
            if index % 2 == 1 {
                match open.take() {
                    Some(operator) => terms.apply(operator, part.trim())?,
                    None => words.push(format!("\"{part}\"")),
                }
                continue;
            }
            for word in part.split_whitespace() {
                match Operator::split(word) {
                    Some((operator, "")) if part.ends_with(word) && parts.peek().is_some() => {
                        open = Some(operator);
                    }
                    Some((operator, value)) => terms.apply(operator, value)?,
                    None => words.push(word.to_owned()),
                }
            }
        }
        terms.words = words.join(" ");
        if !terms.words.contains(|c: char| !c.is_whitespace() && c != '"') {
            terms.words.clear();
        }
        match terms.words.is_empty() && terms.sender.is_none() && terms.room.is_none() {
            true => Err(SearchTermsError::Empty),
            false => Ok(terms),
        }
    }

    /// Returns the request for these terms.
    pub(crate) fn request(&self) -> SearchRequest {
        SearchRequest {
            query: self.words.clone(),
            room: self.room.clone(),
            sender: self.sender.clone(),
            since: self.since,
            until: self.until,
            ..SearchRequest::default()
        }
    }

    /// Writes the search as it could be typed, with its operators, and with times in a time zone, to the
    /// minute.
    pub(crate) fn show(&self, zone: &TimeZone) -> String {
        let time = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M").to_string();
        let operators = [
            (Operator::From, self.sender.as_ref().map(Name::to_string)),
            (Operator::In, self.room.as_ref().map(RoomName::to_string)),
            (Operator::After, self.since.map(time)),
            (Operator::Before, self.until.map(time)),
        ];
        let words = Some(&self.words).filter(|words| !words.is_empty()).cloned();
        let operators = operators
            .into_iter()
            .filter_map(|(operator, value)| Some(format!("{operator}{}", value?)));
        words.into_iter().chain(operators).collect::<Vec<_>>().join(" ")
    }

    fn apply(&mut self, operator: Operator, value: &str) -> Result<(), SearchTermsError> {
        if value.is_empty() {
            return Err(SearchTermsError::NoValue(operator));
        }
        let bad_name = |problem| SearchTermsError::BadName(operator, value.to_owned(), problem);
        let time = || {
            let at = point_in_time(value);
            at.map_err(|_| SearchTermsError::BadTime(operator, value.to_owned()))
        };
        let first = match operator {
            Operator::From => self.sender.replace(peer(value).map_err(bad_name)?).is_none(),
            Operator::In => self.room.replace(room(value).map_err(bad_name)?).is_none(),
            Operator::After => self.since.replace(time()?).is_none(),
            Operator::Before => self.until.replace(time()?).is_none(),
        };
        if first { Ok(()) } else { Err(SearchTermsError::Repeated(operator)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(typed: &str) -> SearchTerms {
        SearchTerms::parse(typed).unwrap()
    }

    #[test]
    fn operators_narrow_and_words_remain() {
        let terms = parsed(
            "disk from:@Ann full in:#ops after:2026-11-20T08:00:00Z \"no space\" \
             BEFORE:2026-11-21T08:00:00Z",
        );
        assert_eq!(terms.words, "disk full \"no space\"");
        assert_eq!(terms.sender, Some(Name::parse("ann").unwrap()));
        assert_eq!(terms.room, Some(RoomName::parse("ops").unwrap()));
        assert_eq!(terms.since, Some("2026-11-20T08:00:00Z".parse().unwrap()));
        assert_eq!(terms.until, Some("2026-11-21T08:00:00Z".parse().unwrap()));
        let request = terms.request();
        assert_eq!((request.query, request.room), (terms.words, terms.room));
        assert_eq!((request.sender, request.since), (terms.sender, terms.since));
        assert_eq!(request.until, terms.until);
    }

    #[test]
    fn a_search_is_shown_with_its_operators() {
        let utc = TimeZone::UTC;
        for typed in ["disk full", "disk from:ann in:ops", "disk before:2026-11-21T08:00"] {
            let terms = SearchTerms::parse(&typed.replace("08:00", "08:00:00Z")).unwrap();
            assert_eq!(terms.show(&utc), typed);
        }
        let since = parsed("after:2026-11-20T23:30:00Z disk from:ann");
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(since.show(&berlin), "disk from:ann after:2026-11-21T00:30");
    }

    #[test]
    fn what_only_resembles_an_operator_is_a_word() {
        for typed in [
            "https://example.org",
            "inn:ops",
            "time:12:30",
            "\"from:ann\"",
            "from",
            "日本語",
            "été",
        ] {
            assert_eq!(parsed(typed), SearchTerms { words: typed.into(), ..Default::default() });
        }
        assert_eq!(parsed("red\"from:ann in:ops\"blue").words, "red \"from:ann in:ops\" blue");
    }

    #[test]
    fn a_value_may_be_quoted() {
        let quoted =
            parsed("from:\"ann\" disk in:\"#ops\" \"no space\" before:\"2026-11-21 08:00Z\"");
        assert_eq!(
            quoted,
            parsed("from:ann disk in:#ops \"no space\" before:2026-11-21T08:00:00Z")
        );
        assert_eq!(parsed("from:\"ann"), parsed("from:ann"));
        let empty = SearchTerms::parse("disk from:\"\"").unwrap_err();
        assert_eq!(empty, SearchTermsError::NoValue(Operator::From));
    }

    #[test]
    fn a_sender_or_a_room_is_enough() {
        for (typed, shown) in [
            ("from:ann", "from:ann"),
            ("in:ops", "in:ops"),
            ("\" \" in:ops from:ann", "from:ann in:ops"),
        ] {
            let terms = parsed(typed);
            let shown = ("", shown.to_owned());
            assert_eq!((terms.words.as_str(), terms.show(&TimeZone::UTC)), shown, "{typed}");
        }
    }

    #[test]
    fn mistakes_are_told_apart() {
        use SearchTermsError::*;
        let error = |typed| SearchTerms::parse(typed).unwrap_err();
        for nothing in ["", "  ", "\"", "\" \"", "after:1h", "\"\" before:1h"] {
            assert_eq!(error(nothing), Empty, "{nothing:?}");
        }
        assert_eq!(error("disk from: ann"), NoValue(Operator::From));
        assert_eq!(error("disk in:a in:b"), Repeated(Operator::In));
        assert!(
            matches!(error("disk in:@ops"), BadName(Operator::In, value, _) if value == "@ops")
        );
        assert_eq!(error("disk after:soon"), BadTime(Operator::After, "soon".into()));
        let line = error("disk before:\u{1b}[31m").to_string();
        assert!(line.starts_with("before:\"\\u{1b}[31m\": expected a time such as"), "{line}");
    }
}
