//! Compares screens of a terminal, with their colours, with those in `tests/story`.
//!
//! Parts that differ from run to run (times, ports, latencies, delays until the next attempt) are
//! masked. `CHINWAG_SCREENS=overwrite` stores the current screens; `CHINWAG_PICTURES=DIR` also
//! stores them with colours, for the pictures of the documents.

use std::{env, fs, path::PathBuf, sync::LazyLock};

use crate::support::terminal::Terminal;

/// The directory of the stored screens.
static KEPT: LazyLock<PathBuf> =
    LazyLock::new(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/story"));

/// Waits until the terminal shows the stored screen with this name, and checks its colours.
#[track_caller]
pub(crate) fn compare(terminal: &Terminal, name: &str) {
    let file = KEPT.join(format!("{name}.txt"));
    if env::var_os("CHINWAG_SCREENS").is_some_and(|wish| wish == "overwrite") {
        terminal.wait_for_quiet();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let (text, styles) = (masked(&terminal.screen()), styles(&terminal.cells()));
        fs::write(&file, format!("{text}{STYLES}{styles}")).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    let what = format!("the screen of {}:\n{kept}", file.display());
    terminal.wait_until_drawn(&what, |screen, cells| {
        let shown = format!("{}{STYLES}{}", masked(screen), styles(cells));
        if shown == kept { Ok(()) } else { Err(shown) }
    });
    picture(terminal, name);
}

/// Separates the text of a stored screen from its styles.
const STYLES: &str = "--- styles: a letter for each cell, . for none\n";

/// Describes the styles of a screen: a letter for each cell, and what the letters mean. The last line,
/// whose parts move with a number, has each style once.
fn styles(rows: &[Vec<(String, String)>]) -> String {
    let mut known: Vec<&str> = vec![""];
    let mut shown = String::new();
    let last = rows.len() - 1;
    for (number, row) in rows.iter().enumerate() {
        let text = row.iter().map(|(text, _)| if text.is_empty() { " " } else { text });
        let text: String = text.collect();
        // The idle time at its end may be missing.
        let idle = text.trim_end().len() - without_idle_time(text.trim_end()).len();
        let end = row.iter().rposition(|(text, _)| !text.trim().is_empty()).map_or(0, |at| at + 1);
        let idle = end.saturating_sub(idle)..end;
        let mut letters = String::new();
        for (column, (_, style)) in row.iter().enumerate() {
            let style = if idle.contains(&column) { "" } else { style };
            let at = known.iter().position(|other| *other == style).unwrap_or_else(|| {
                known.push(style);
                known.len() - 1
            });
            let letter = char::from(b".abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[at]);
            if number < last || !letters.ends_with(letter) {
                letters.push(letter);
            }
        }
        shown += letters.trim_end_matches('.');
        shown.push('\n');
    }
    for (number, style) in known.iter().enumerate().skip(1) {
        let letter = char::from(b".abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[number]);
        shown += &format!("{letter} = {style}\n");
    }
    shown
}

fn picture(terminal: &Terminal, name: &str) {
    let Some(folder) = env::var_os("CHINWAG_PICTURES").map(PathBuf::from) else { return };
    let file = folder.join(format!("{name}.ansi"));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, terminal.coloured()).unwrap();
}

/// Masks a screen. Lines keep their width, except the last: the text after a number in the status
/// line moves with its length.
fn masked(screen: &str) -> String {
    let mut lines: Vec<String> = screen.trim_end().lines().map(masked_line).collect();
    if let Some(status) = lines.last_mut() {
        let words = status.split_whitespace().map(|word| match word.parse::<f64>() {
            Ok(_) => "N",
            Err(_) => word,
        });
        *status = words.collect::<Vec<_>>().join(" ");
    }
    lines.join("\n") + "\n"
}

fn masked_line(line: &str) -> String {
    let mut line: Vec<char> = line.trim_end().chars().collect();
    for at in 0..line.len() {
        if is_clock(&line[at..]) && !at.checked_sub(1).is_some_and(|at| is_part(line[at])) {
            line.splice(at..at + 5, "hh:mm".chars());
        }
    }
    for at in 0..line.len() {
        if let [a, '.', b, ' ', 's', ..] = line[at..]
            && a.is_ascii_digit()
            && b.is_ascii_digit()
        {
            line.splice(at..at + 3, "N.N".chars());
        }
    }
    mask_fingerprints(&mut line);
    let line: String = line.into_iter().collect();
    masked_after(without_idle_time(&line), "127.0.0.1:", |c| c.is_ascii_digit())
}

/// Masks fingerprints and parts of them in a row: long runs of capital letters, digits and hyphens.
fn mask_fingerprints(line: &mut [char]) {
    let is_part = |c: &char| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '-';
    for run in line.split_mut(|c| !is_part(c)).filter(|run| run.len() > 11) {
        run.iter_mut().filter(|c| **c != '-').for_each(|c| *c = '#');
    }
}

/// Removes the idle time at the end of a line of the list.
fn without_idle_time(line: &str) -> &str {
    let Some((rest, word)) = line.rsplit_once(' ') else { return line };
    let is_time = word.strip_suffix('m').is_some_and(|n| n.parse::<u32>().is_ok());
    if is_time { rest.trim_end() } else { line }
}

/// Returns true if it begins with a time of day.
fn is_clock(rest: &[char]) -> bool {
    let form = rest.len() >= 5
        && rest[..5].iter().enumerate().all(|(i, c)| match i {
            2 => *c == ':',
            _ => c.is_ascii_digit(),
        });
    form && !rest.get(5).is_some_and(|c| is_part(*c))
}

fn is_part(c: char) -> bool {
    c.is_ascii_digit() || c == ':' || c == '.'
}

/// Replaces the characters after each `mark` with `#` while `masks` returns true.
fn masked_after(line: &str, mark: &str, masks: impl Fn(char) -> bool) -> String {
    let mut parts = line.split(mark);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let length = part.find(|c| !masks(c)).unwrap_or(part.len());
        masked += mark;
        masked.extend(std::iter::repeat_n('#', length));
        masked += &part[length..];
    }
    masked
}
