//! Code, emphasis and lists as people type them. The text is shown unchanged, with styles.

use std::ops::Range;

use crate::cli::{graphemes, links::links};

/// What a part of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpanKind {
    Link,
    /// `` `code` ``
    Code,
    /// `*so*`
    Strong,
    /// `_so_`
    Emphasis,
}

/// What a line of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineKind {
    /// Rows after the first are indented by so many cells: as the text of a list item.
    Text { hanging: usize },
    /// Fenced code, or the fence.
    Code,
}

/// The parts of a text that have a style of their own, in order and apart, and the kind of each line.
#[derive(Debug, Default)]
pub(super) struct Markup {
    pub(super) spans: Vec<(Range<usize>, SpanKind)>,
    pub(super) lines: Vec<LineKind>,
}

/// The most bytes of emphasis: longer ones are not meant, and take long to find.
const MAX_EMPHASIS: usize = 256;

/// Begins and ends fenced code.
const FENCE: &str = "```";

impl Markup {
    pub(super) fn of(text: &str) -> Self {
        let mut markup = Self::default();
        let mut start = 0;
        let mut in_code = false;
        for line in text.split('\n') {
            let is_fence = begins_or_ends_code(line, in_code);
            if is_fence || in_code {
                markup.lines.push(LineKind::Code);
                let links = links(line).into_iter();
                let links = links.map(|link| start + link.start..start + link.end);
                markup.spans.extend(links.map(|link| (link, SpanKind::Link)));
                in_code ^= is_fence;
            } else {
                markup.lines.push(LineKind::Text { hanging: hanging(line) });
                markup.add_line(line, start);
            }
            start += line.len() + 1;
        }
        markup
    }

    /// Of a text of the program, whose lines are shown as they are, with links.
    pub(super) fn plain(text: &str) -> Self {
        let spans = links(text).into_iter().map(|link| (link, SpanKind::Link)).collect();
        let lines = text.split('\n').map(|_| LineKind::Text { hanging: 0 }).collect();
        Self { spans, lines }
    }

    /// Finds the parts of a line that begins at an offset. Emphasis is divided by the code in it.
    fn add_line(&mut self, line: &str, start: usize) {
        let literals = literals(line);
        let mut rest = literals.iter().peekable();
        // Where the emphasis ends that the place is in, and its kind.
        let mut outer: Option<(usize, SpanKind)> = None;
        let mut at = 0;
        while at < line.len() {
            outer = outer.filter(|(end, _)| at < *end);
            if let Some((literal, kind)) = rest.next_if(|(literal, _)| literal.start == at) {
                self.spans.push((start + literal.start..start + literal.end, *kind));
                at = literal.end;
                continue;
            }
            let next = rest.peek().map_or(line.len(), |(literal, _)| literal.start);
            if outer.is_none() {
                let Some(marker) = line[at..next].find(['*', '_']) else {
                    at = next;
                    continue;
                };
                at += marker;
                outer = emphasis(line, at, &literals);
            }
            match outer {
                Some((end, kind)) => {
                    let end = end.min(next);
                    self.spans.push((start + at..start + end, kind));
                    at = end;
                }
                None => at += 1,
            }
        }
    }

    /// The kind of the part that a byte is in.
    pub(super) fn at(&self, offset: usize) -> Option<SpanKind> {
        let next = self.spans.partition_point(|(range, _)| range.end <= offset);
        let span = self.spans.get(next);
        span.filter(|(range, _)| range.start <= offset).map(|(_, kind)| *kind)
    }

    pub(super) fn links(&self) -> Vec<Range<usize>> {
        let links = self.spans.iter().filter(|(_, kind)| *kind == SpanKind::Link);
        links.map(|(range, _)| range.clone()).collect()
    }
}

fn begins_or_ends_code(line: &str, in_code: bool) -> bool {
    match line.trim().strip_prefix(FENCE) {
        Some(rest) if in_code => rest.is_empty(),
        // A fence may name a language. With another one in the line, that is code in a text.
        Some(rest) => !rest.contains('`'),
        None => false,
    }
}

/// The cells before the text of a list item or quotation, or 0.
fn hanging(line: &str) -> usize {
    let text = line.trim_start_matches(' ');
    let indent = line.len() - text.len();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = match digits {
        0 => text.strip_prefix(['-', '*', '+', '•', '>']),
        1..=3 => text[digits..].strip_prefix(['.', ')']),
        _ => None,
    };
    let Some(rest) = rest.filter(|rest| rest.starts_with(' ')) else { return 0 };
    let blanks = rest.len() - rest.trim_start_matches(' ').len();
    let sign = &text[..text.len() - rest.len()];
    indent + graphemes::width(sign) + blanks
}

/// The links and the code of a line. What is in them has no other meaning.
fn literals(line: &str) -> Vec<(Range<usize>, SpanKind)> {
    let mut found = Vec::new();
    let mut at = 0;
    for link in links(line).into_iter().map(Some).chain([None]) {
        let end = link.as_ref().map_or(line.len(), |link| link.start);
        while let Some((begin, length)) = line[at..end].find('`').and_then(|begin| {
            let begin = at + begin;
            Some((begin, line[begin + 1..end].find('`')?))
        }) {
            at = begin + 1;
            if length > 0 {
                at += length + 1;
                found.push((begin..at, SpanKind::Code));
            }
        }
        if let Some(link) = link {
            at = link.end;
            found.push((link, SpanKind::Link));
        }
    }
    found
}

/// The end and the kind of the emphasis that begins at a byte.
fn emphasis(
    line: &str,
    at: usize,
    literals: &[(Range<usize>, SpanKind)],
) -> Option<(usize, SpanKind)> {
    if line[..at].ends_with(|c: char| !is_between_words(c)) {
        return None;
    }
    let literals = &literals[literals.partition_point(|(literal, _)| literal.end <= at)..];
    let mut near = literals.iter().take_while(|(literal, _)| literal.start <= at + MAX_EMPHASIS);
    let link = near.find(|(_, kind)| *kind == SpanKind::Link);
    let rest = &line[at..link.map_or(line.len(), |(link, _)| link.start)];
    let kind = if rest.starts_with('*') { SpanKind::Strong } else { SpanKind::Emphasis };
    let marker = if rest.starts_with("**") { "**" } else { &rest[..1] };
    let inner = &rest[marker.len()..];
    let start = at + marker.len();
    let is_literal = |at: usize| {
        let next = literals.partition_point(|(literal, _)| literal.end <= at);
        literals.get(next).is_some_and(|(literal, _)| literal.start <= at)
    };
    let most = (0..=MAX_EMPHASIS.min(inner.len())).rev().find(|at| inner.is_char_boundary(*at));
    let most = most.unwrap_or_default();
    let closes = |(length, _): &(usize, &str)| {
        let (inside, after) = (&inner[..*length], &inner[length + marker.len()..]);
        let begins = inside.starts_with(|c: char| !c.is_whitespace() && c != '*' && c != '_');
        let ends = inside.ends_with(|c: char| !c.is_whitespace() && c != '*' && c != '_');
        let is_apart = !after.starts_with(|c: char| !is_between_words(c));
        begins && ends && is_apart && !is_literal(start + length)
    };
    let (length, _) = inner[..most].match_indices(marker).find(closes)?;
    Some((start + length + marker.len(), kind))
}

fn is_between_words(c: char) -> bool {
    !c.is_alphanumeric() && !matches!(c, '*' | '_' | '/' | '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(text: &str) -> Vec<(&str, SpanKind)> {
        Markup::of(text).spans.into_iter().map(|(range, kind)| (&text[range], kind)).collect()
    }

    #[test]
    fn code_emphasis_and_links_are_found() {
        use SpanKind::{Code, Emphasis, Link, Strong};
        for (text, expected) in [
            ("run `make -q`, please", vec![("`make -q`", Code)]),
            ("*no* way, **never**", vec![("*no*", Strong), ("**never**", Strong)]),
            ("(_perhaps_)", vec![("_perhaps_", Emphasis)]),
            (
                "see https://a.example/*b* *now*",
                vec![("https://a.example/*b", Link), ("*now*", Strong)],
            ),
            ("`*` and `_`", vec![("`*`", Code), ("`_`", Code)]),
            ("日本 *語* です", vec![("*語*", Strong)]),
            ("```x``` done", vec![("`x`", Code)]),
            ("*a `b*` c*", vec![("*a ", Strong), ("`b*`", Code), (" c*", Strong)]),
            ("_`a_b`_ c", vec![("_", Emphasis), ("`a_b`", Code), ("_", Emphasis)]),
            ("*a `b* c`", vec![("`b* c`", Code)]),
        ] {
            assert_eq!(spans(text), expected, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_left_alone() {
        for text in [
            "2 * 3 * 4",
            "a*b*c",
            "snake_case_name",
            "__init__",
            "* a list item * of stars",
            "``",
            "a ` b",
            "/usr/*/lib/*/x",
            "*open",
            "_ _",
            "***",
            "*a\nb*",
        ] {
            assert_eq!(spans(text), [], "{text}");
        }
    }

    #[test]
    fn lines_are_code_between_fences() {
        let kinds = |text: &str| -> String {
            let kind = |line: &LineKind| if *line == LineKind::Code { 'c' } else { 't' };
            Markup::of(text).lines.iter().map(kind).collect()
        };
        assert_eq!(kinds("so:\n```rust\nlet *x* = 1;\n```\nok"), "tccct");
        assert_eq!(kinds("```\nnot closed"), "cc");
        assert_eq!(kinds("```\n```rust\n```\nend"), "ccct");
        assert_eq!(kinds("```one line```\nend"), "tt");
        assert_eq!(spans("```\n`a` *b*\n```"), []);
    }

    #[test]
    fn the_rows_of_a_list_item_hang() {
        for (line, expected) in [
            ("- item", 2),
            ("  * item", 4),
            ("1. item", 3),
            ("12)  item", 5),
            ("• item", 2),
            ("> said", 2),
            ("-", 0),
            ("-item", 0),
            ("1234. no", 0),
            ("2024 was", 0),
            ("text", 0),
        ] {
            assert_eq!(hanging(line), expected, "{line}");
        }
    }

    /// The end of emphasis is searched in so many bytes, so that the time grows with the length of a text
    /// and not with its square.
    #[test]
    fn emphasis_and_the_parts_of_hostile_texts_are_bounded() {
        for (length, found) in [(MAX_EMPHASIS - 1, 1), (MAX_EMPHASIS, 0), (16 * 1024, 0)] {
            let text = format!("*{}*", "a".repeat(length));
            assert_eq!(spans(&text).len(), found, "{length}");
        }
        for text in [
            "*a ".repeat(5000),
            "*a* ".repeat(4000),
            "_".repeat(16 * 1024),
            "`".repeat(16 * 1024),
            "`a`".repeat(5000),
            "**".repeat(8000),
            "*`a`".repeat(4000),
            "*http://a ".repeat(1600),
            "**a** _b_ `c` https://a.example/*d*\n".repeat(400),
        ] {
            let markup = Markup::of(&text);
            assert_eq!(markup.lines.len(), text.split('\n').count());
            let mut end = 0;
            for (range, kind) in &markup.spans {
                assert!(end <= range.start && range.start < range.end, "{range:?} after {end}");
                let is_emphasis = matches!(kind, SpanKind::Strong | SpanKind::Emphasis);
                assert!(!is_emphasis || range.len() <= MAX_EMPHASIS + 3, "{range:?}");
                end = range.end;
            }
            assert!(end <= text.len());
        }
    }
}
