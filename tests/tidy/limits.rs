//! The limits in `docs/limits.md` are those of the constants in the source.

use std::collections::BTreeSet;

/// A number with a unit: bytes and counts have none, durations are in milliseconds.
type Value = (u64, &'static str);

/// The layers whose `MAX_` constants are documented limits. Those of the user interface mostly
/// concern the layout.
const LAYERS: [&str; 6] = ["client", "hub", "identity", "model", "storage", "transport"];

/// `MAX_` constants that are not limits: they follow from the format of the log.
const NO_LIMITS: [&str; 2] = ["MAX_SEQ", "MAX_ROOM"];

/// Returns the problems of the document, given the text of each source file.
pub(crate) fn violations(document: &str, sources: &[(String, String)]) -> Vec<String> {
    let rows = document.lines().filter(|line| line.starts_with("| ") && line.contains("` in `"));
    let mut documented = BTreeSet::new();
    let mut found = Vec::new();
    for row in rows {
        match check(row, sources) {
            Ok(place) => drop(documented.insert(place)),
            Err(problem) => found.push(problem),
        }
    }
    let all = sources.iter().flat_map(|(path, content)| {
        limits(path, content).map(|name| (path.clone(), name.to_owned()))
    });
    let missing = all.filter(|place| found.is_empty() && !documented.contains(place));
    let missing: Vec<_> = missing.collect();
    found.extend(missing.iter().map(|(path, name)| format!("{name} in {path} has no row")));
    found
}

/// Returns the problems of the service unit: it must allow the files that a hub needs.
pub(crate) fn unit_violations(unit: &str, sources: &[(String, String)]) -> Vec<String> {
    let needed = ["OPEN", "PENDING", "RESERVED_FILES"].map(|name| {
        let file = sources.iter().find(|(path, _)| path == "src/transport/limits.rs");
        let value = file.and_then(|(_, content)| evaluate(definition(content, name)?));
        value.map_or(0, |values| values[0].0)
    });
    let line = format!("LimitNOFILE={}", needed.iter().sum::<u64>());
    if unit.lines().any(|found| found == line) {
        vec![]
    } else {
        vec![format!("{line} is missing")]
    }
}

/// Compares a row with its constant. Returns the file and the name of the constant.
fn check(row: &str, sources: &[(String, String)]) -> Result<(String, String), String> {
    let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
    let [what, value, constant] = cells[..] else { return Err(format!("{row}: not three cells")) };
    let quoted: Vec<_> = constant.split('`').collect();
    let ["", name, " in ", path, ""] = quoted[..] else {
        return Err(format!("{what}: not a constant in a file"));
    };
    let (_, content) = sources
        .iter()
        .find(|(file, _)| file == path)
        .ok_or_else(|| format!("{what}: there is no {path}"))?;
    let expression = definition(content, name)
        .ok_or_else(|| format!("{what}: there is no constant {name} in {path}"))?;
    let actual = evaluate(expression)
        .ok_or_else(|| format!("{what}: {name} in {path} is {expression}, which is too complex"))?;
    if read(value) == actual {
        Ok((path.to_owned(), name.to_owned()))
    } else {
        Err(format!("{what}: the document says {value}, {path} says {name} = {expression}"))
    }
}

/// Returns the names of the constants in a file that must be documented.
fn limits<'a>(path: &str, content: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
    let module = path.strip_prefix("src/").and_then(|path| path.split(['/', '.']).next());
    let counts = module.is_some_and(|module| LAYERS.contains(&module)) && !path.contains("tests");
    let (code, _) = content.split_once("#[cfg(test)]").unwrap_or((content, ""));
    let names = code.split("const ").skip(1).filter_map(|rest| Some(rest.split_once(':')?.0));
    names.filter(move |name| counts && name.starts_with("MAX_") && !NO_LIMITS.contains(name))
}

/// Returns the expression of a constant.
fn definition<'a>(content: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = content.split_once(&format!("const {name}: "))?;
    let (_, rest) = rest.split_once(" =")?;
    Some(rest.split_once(';')?.0.trim())
}

/// Evaluates an expression: a number, a product, a duration, a rate, or a pair of them.
fn evaluate(expression: &str) -> Option<Vec<Value>> {
    if let Some(text) = expression.strip_prefix('"') {
        return Some(read(text.trim_end_matches('"')));
    }
    if let Some(pair) = expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        let values = pair.split(',').map(|one| evaluate(one.trim()));
        return Some(values.collect::<Option<Vec<_>>>()?.concat());
    }
    let expression = expression.strip_suffix(".unwrap()").unwrap_or(expression);
    let Some((function, argument)) = expression.split_once('(') else {
        return Some(vec![(sum(expression)?, "")]);
    };
    let argument = sum(argument.strip_suffix(')')?)?;
    Some(vec![match function.rsplit("::").next()? {
        "new" => (argument, ""),
        "per_second" => (argument, "/s"),
        "per_minute" => (argument, "/min"),
        "from_millis" => (argument, "ms"),
        "from_secs" => (argument * 1000, "ms"),
        "from_hours" => (argument * 3_600_000, "ms"),
        _ => return None,
    }])
}

/// Evaluates a product, or the difference of two.
fn sum(expression: &str) -> Option<u64> {
    let mut products = expression.split(" - ").map(|product| {
        let factors =
            product.split('*').map(|factor| factor.trim().replace('_', "").parse::<u64>());
        factors.collect::<Result<Vec<_>, _>>().ok().map(|factors| factors.iter().product())
    });
    let first: u64 = products.next()??;
    products.try_fold(first, |rest, next: Option<u64>| rest.checked_sub(next?))
}

/// Returns the numbers in a text, as in "64 and 16", "4 MiB" or "14 days".
fn read(text: &str) -> Vec<Value> {
    let mut values = Vec::new();
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        let end = word.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(word.len());
        let Ok(number) = word[..end].replace(',', "").parse::<u64>() else { continue };
        let attached = &word[end..];
        let unit = if attached.is_empty() { words.peek().copied().unwrap_or("") } else { attached };
        values.push(match unit {
            "KiB" => (number << 10, ""),
            "MiB" => (number << 20, ""),
            "ms" => (number, "ms"),
            "s" => (number * 1000, "ms"),
            "days" => (number * 86_400_000, "ms"),
            "/s" => (number, "/s"),
            "/min" => (number, "/min"),
            _ => (number, ""),
        });
    }
    values
}

mod tests {
    use super::*;

    fn problems(value: &str, constant: &str, source: &str) -> String {
        let document = format!("| text | {value} | `{constant}` in `src/hub.rs` |");
        violations(&document, &[("src/hub.rs".to_owned(), source.to_owned())]).join("\n")
    }

    #[test]
    fn numbers_are_compared() {
        for (value, source) in [
            ("8,192", "pub const MAX: usize = 8192;"),
            ("4 MiB", "const MAX: u32 = 4 * 1024 * 1024;"),
            ("1,047,552 bytes", "const MAX: usize = 1024 * 1024 - 1024;"),
            ("14 days", "const MAX: SignedDuration = SignedDuration::from_hours(14 * 24);"),
            ("60 s", "const MAX: &str = \"60s\";"),
            ("64 and 16", "const MAX: (usize, usize) = (64, 16);"),
            ("6/min", "const MAX: Rate = Rate::per_minute(6);"),
            ("50/s", "pub const MAX: Rate = Rate::per_second(50);"),
            ("64", "const MAX: NonZeroU32 = NonZeroU32::new(64).unwrap();"),
        ] {
            assert_eq!(problems(value, "MAX", source), "", "{source}");
        }
        let wrong = problems("4,096", "MAX", "const MAX: usize = 8192;");
        assert!(wrong.contains("says 4,096"), "{wrong}");
        assert!(problems("1 s", "MAX", "const MAX: usize = 1000;").contains("says 1 s"));
        assert!(problems("1", "OTHER", "const MAX: usize = 1;").contains("no constant OTHER"));
        assert!(problems("1", "MAX", "const MAX: usize = f(1);").contains("too complex"));
    }

    #[test]
    fn no_limit_is_missing() {
        let source = "const A: u8 = 1;\nconst MAX_B: u8 = 2;\n#[cfg(test)]\nconst MAX_C: u8 = 3;";
        assert_eq!(problems("1", "A", source), "MAX_B in src/hub.rs has no row");
    }
}
