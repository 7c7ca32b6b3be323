//! Finding links in a text, to keep them whole and to underline them.

use std::ops::Range;

const SCHEMES: [&str; 3] = ["http://", "https://", "chinwag://"];

/// Characters that end a link, besides blanks. None of them is in a link unescaped.
const NEVER_IN_LINK: &[char] = &['<', '>', '"', '「', '」', '、', '。', '（', '）', '，'];

/// Characters that belong to the sentence and not to the link before them.
const PUNCTUATION: &[char] = &['.', ',', ';', ':', '!', '?', '\'', '*', '_', '…', '”', '’'];

pub(crate) fn links(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(colon) = text[from..].find("://").map(|at| from + at) {
        let start = SCHEMES.iter().find_map(|scheme| {
            let start = (colon + 3).checked_sub(scheme.len())?;
            (start >= from && text.get(start..colon + 3)?.eq_ignore_ascii_case(scheme))
                .then_some(start)
        });
        from = colon + 3;
        let Some(start) = start.filter(|start| begins_a_word(&text[..*start])) else { continue };
        let rest = &text[start..];
        let long = rest.find(|c: char| c.is_whitespace() || NEVER_IN_LINK.contains(&c));
        let link = without_punctuation(&rest[..long.unwrap_or(rest.len())]);
        if start + link.len() > from {
            from = start + link.len();
            found.push(start..from);
        }
    }
    found
}

fn begins_a_word(before: &str) -> bool {
    !before.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// The link without the punctuation of the sentence and a closing bracket opened before it.
fn without_punctuation(mut link: &str) -> &str {
    let surplus = |(open, close): (char, char)| {
        let count = |bracket| link.matches(bracket).count();
        (close, count(close).saturating_sub(count(open)))
    };
    let mut unopened = [('(', ')'), ('[', ']'), ('{', '}')].map(surplus);
    loop {
        let closing = unopened.iter_mut().find(|(close, more)| *more > 0 && link.ends_with(*close));
        if let Some(shorter) = link.strip_suffix(PUNCTUATION) {
            link = shorter;
        } else if let Some((close, more)) = closing {
            *more -= 1;
            link = link.strip_suffix(*close).unwrap_or(link);
        } else {
            return link;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        links(text).into_iter().map(|link| &text[link]).collect()
    }

    #[test]
    fn links_end_before_punctuation() {
        assert_eq!(found("see https://a.example/b?c=d&e. Yes"), ["https://a.example/b?c=d&e"]);
        assert_eq!(found("(http://a.example/b_(c)), x"), ["http://a.example/b_(c)"]);
        assert_eq!(found("<chinwag://h:1/#k>\nHTTP://X"), ["chinwag://h:1/#k", "HTTP://X"]);
        assert_eq!(found("見てhttps://例え.jp/です。また"), ["https://例え.jp/です"]);
    }

    #[test]
    fn not_everything_with_slashes_is_a_link() {
        for text in
            ["", "://", "https://", "https://.", "ftp://a", "xhttps://a", "日://", "http:/a"]
        {
            assert!(found(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn hostile_texts_take_no_long_time() {
        let chain = "https://".repeat(2048);
        assert!(found(&chain) == [chain.as_str()]);
        let brackets = format!("https://a{}", ")".repeat(16 * 1024));
        assert!(found(&brackets) == ["https://a"]);
    }
}
