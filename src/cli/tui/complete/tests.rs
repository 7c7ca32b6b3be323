//! Completions of words.

use super::*;

const NAMES: [&str; 5] = ["bob", "alice", "alan", "élodie", "ali-baba"];
const ROOMS: [&str; 3] = ["lobby", "ops", "options"];

/// The completions of a line with the cursor at `|`, and where the word begins.
fn completions(line: &str) -> Option<(usize, Vec<String>)> {
    let names: Vec<Name> = NAMES.map(|name| Name::parse(name).unwrap()).into();
    let rooms: Vec<RoomName> = ROOMS.map(|room| RoomName::parse(room).unwrap()).into();
    let (before, after) = line.split_once('|').unwrap();
    let found = find(before, after, true, Candidates { names: &names, rooms: &rooms })?;
    Some((found.from, found.completions.into_iter().map(|it| it.text).collect()))
}

#[track_caller]
fn becomes(line: &str, from: usize, texts: &[&str]) {
    let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
    assert_eq!(completions(line), Some((from, texts)), "{line}");
}

#[test]
fn names_at_the_start_of_a_line_get_a_colon() {
    becomes("al|", 0, &["alice: ", "alan: ", "ali-baba: "]);
    becomes("  al|", 2, &["alice: ", "alan: ", "ali-baba: "]);
    becomes("ALI|", 0, &["alice: ", "ali-baba: "]);
    becomes("@b|", 0, &["@bob: "]);
    becomes("|", 0, &["bob: ", "alice: ", "alan: ", "élodie: ", "ali-baba: "]);
    becomes("b| is here", 0, &["bob:"]);
}

#[test]
fn names_elsewhere_get_a_blank() {
    becomes("ask b|", 4, &["bob "]);
    becomes("ask @b|", 4, &["@bob "]);
    becomes("/msg @b|", 5, &["@bob "]);
    becomes("/join #op|", 6, &["#ops ", "#options "]);
    becomes("süß: e\u{301}l|", 5, &["élodie "]);
    becomes("ÉLO|", 0, &["élodie: "]);
    becomes("//msg b|", 6, &["bob "]);
    for line in ["zz|", "alice|x y z zz|", "a/|"] {
        assert!(completions(line).is_none_or(|(from, _)| from == 0), "{line}");
    }
    assert_eq!(completions("zz|"), None);
}

#[test]
fn commands_at_the_beginning_of_the_first_line() {
    becomes("/jo|", 0, &["/join "]);
    becomes("/PEE|", 0, &["/peers"]);
    becomes("/ex|", 0, &["/exit"]);
    becomes("/un|", 0, &["/unmute ", "/unblock "]);
    becomes("  /wh|", 2, &["/who"]);
    assert_eq!(completions("//jo|"), None);
    assert_eq!(completions("a /jo|"), None);
    assert_eq!(completions("/nonsense|"), None);
    assert_eq!(completions("/|").unwrap().1.len(), COMMANDS.len());
    assert_eq!(find("/jo", "", false, Candidates::default()), None);
    let shown = find("/ms", "", true, Candidates::default()).unwrap().completions.remove(0);
    assert_eq!((shown.shown.as_str(), shown.about.is_empty()), ("/msg NAME [TEXT]", false));
}

#[test]
fn arguments_complete_as_the_command_takes_them() {
    for command in ["msg", "dm", "queue", "block", "unblock", "verify", "accept", "note", "forget"]
    {
        becomes(&format!("/{command} b|"), command.len() + 2, &["bob "]);
    }
    becomes("/msg bob ask al|", 13, &["alice ", "alan ", "ali-baba "]);
    for command in ["join", "j", "leave", "part", "mute", "unmute"] {
        becomes(&format!("/{command} op|"), command.len() + 2, &["ops ", "options "]);
        assert_eq!(completions(&format!("/{command} ops al|")), None);
    }
    becomes("/JOIN O|", 6, &["ops ", "options "]);
    becomes("/status A|", 8, &["away"]);
    assert_eq!(completions("/status b|").unwrap().1, ["busy"]);
    assert_eq!(completions("/nonsense b|"), None);
}

#[test]
fn completions_are_limited() {
    let names: Vec<Name> = (0..500).map(|i| Name::parse(&format!("p{i}")).unwrap()).collect();
    let found = find("p", "", true, Candidates { names: &names, rooms: &[] }).unwrap();
    assert_eq!(found.completions.len(), MAX_COMPLETIONS);
}
