//! The documents match the programs: commands, options, JSON fields, exit codes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
};

use serde_json::Value;

use crate::support::{
    help::commands,
    hub::{TestHub, command},
    object_types,
    within::PATIENCE,
};

macro_rules! document {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path))
    };
}

const CHAT: &str = document!("docs/chat.md");
const SCRIPTING: &str = document!("docs/scripting.md");
const HUB: &str = document!("docs/hub.md");
const SPEED: &str = document!("docs/speed.md");

/// A user with a home.
struct Person {
    home: tempfile::TempDir,
    hub: String,
    name: &'static str,
}

impl Person {
    fn new(hub: SocketAddr, name: &'static str) -> Self {
        Self { home: tempfile::tempdir().unwrap(), hub: hub.to_string(), name }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = command(env!("CARGO_BIN_EXE_chinwag"));
        command.args(["--hub", &self.hub, "--name", self.name, "--listen", "127.0.0.1:0"]);
        command.args(args).env("CHINWAG_HOME", self.home.path());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Starts a command that prints JSON objects while it runs.
    fn stream(&self, args: &[&str]) -> Stream {
        let mut command = self.command(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || printed.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Stream { child, lines }
    }
}

/// A running command.
struct Stream {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Stream {
    /// Returns the next object of this type.
    fn next(&mut self, kind: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {kind}"));
            let object: Value = serde_json::from_str(&line).unwrap();
            if object["type"] == kind {
                return object;
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the cells of each row of the tables whose head begins with `head`.
fn table(document: &'static str, head: &str) -> Vec<Vec<&'static str>> {
    let tables = document.split(head).skip(1);
    let rows = tables.flat_map(|t| t.lines().skip(2).take_while(|line| line.starts_with('|')));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// Returns the long options in a help text, without `--help` and `--version`.
fn options(help: &str) -> BTreeSet<String> {
    let is_option = |line: &&str| line.starts_with("  -") || line.starts_with("      --");
    let words =
        help.lines().filter(is_option).flat_map(|line| line.trim().split([' ', ',']).take(3));
    words
        .filter(|word| word.starts_with("--") && !["--help", "--version"].contains(word))
        .map(|word| word.trim_end_matches("...").to_owned())
        .collect()
}

/// Returns the help of a command and of its subcommands, without the global options.
fn whole_help(name: &str) -> String {
    let program = env!("CARGO_BIN_EXE_chinwag");
    let mut helps = vec![help(program, &[name])];
    if let Some((_, list)) = helps[0].clone().split_once("Commands:\n") {
        let lines = list.lines().take_while(|line| !line.is_empty());
        let words = lines.map(|line| line.split_whitespace().next().unwrap());
        helps.extend(words.filter(|w| *w != "help").map(|word| help(program, &[name, word])));
    }
    helps.iter().map(|help| help.split("Global options:").next().unwrap()).collect()
}

/// Returns the options that the first column of a table names.
fn option_rows(document: &'static str, head: &str) -> BTreeSet<String> {
    let cells = table(document, head).into_iter().flat_map(|row| quoted(row[0]));
    let words = cells.map(|cell| cell.split(' ').next().unwrap().to_owned());
    words.filter(|word| word.starts_with("--")).collect()
}

fn help(program: &str, args: &[&str]) -> String {
    let output = command(program).args(args).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// `make bench` writes both; without it neither exists.
#[test]
fn the_measured_table_is_that_of_the_last_record() {
    let results = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/results");
    let files = std::fs::read_dir(results).into_iter().flatten();
    let pages = files.map(|file| file.unwrap().path());
    let last = pages.filter(|path| path.extension().is_some_and(|e| e == "md")).max();
    let page = last.map_or_else(String::new, |last| std::fs::read_to_string(last).unwrap());
    let (_, rest) = SPEED.split_once("<!-- measured -->\n").unwrap();
    let (measured, _) = rest.split_once("<!-- end of what was measured -->").unwrap();
    assert_eq!(measured.trim(), page.trim());
}

/// Returns the texts in backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Returns the documented fields of each type of object, with a star after those that can be null.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let mut types: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in table(SCRIPTING, "| `type` |") {
        let parts: Vec<&str> = row[1].split('`').collect();
        let fields = parts.chunks(2).filter(|part| part.len() == 2);
        // The star follows the closing backtick.
        let stars = parts.iter().skip(2).step_by(2).map(|after| after.starts_with("\\*"));
        let fields = fields.map(|part| part[1]).zip(stars);
        let mut fields: BTreeSet<String> = fields
            .map(|(field, is_nullable)| format!("{field}{}", if is_nullable { "*" } else { "" }))
            .collect();
        if row[1].starts_with("those of `message`") {
            fields.remove("message");
            fields.extend(types["message"].clone());
        }
        types.insert(quoted(row[0]).remove(0), fields);
    }
    types
}

#[test]
fn every_object_is_documented_as_in_the_schema() {
    assert_eq!(documented(), object_types::fields());
    let reasons = table(SCRIPTING, "| reason |").into_iter().flat_map(|row| quoted(row[0]));
    assert_eq!(reasons.collect::<BTreeSet<_>>(), object_types::reasons());
}

#[test]
fn every_type_of_object_is_documented_with_its_command() {
    let all: BTreeSet<String> = object_types::fields().into_keys().collect();
    let on_stderr = ["error", "notice", "warning"].map(String::from);
    let on_stdout: BTreeSet<String> =
        all.into_iter().filter(|kind| !on_stderr.contains(kind)).collect();
    let rows = [table(SCRIPTING, "| command |"), table(HUB, "| operator's command |")].concat();
    let mut printed: BTreeSet<String> =
        rows.iter().flat_map(|row| quoted(row.last().unwrap())).collect();
    // The hub itself.
    printed.insert("listening".into());
    assert_eq!(printed, on_stdout);
}

#[test]
fn every_command_is_there_and_no_other() {
    let there = commands(env!("CARGO_BIN_EXE_chinwag"));
    let said: BTreeSet<_> = table(SCRIPTING, "| command |")
        .iter()
        .map(|row| quoted(row[0])[0].split(' ').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(said, there);
    for row in table(SCRIPTING, "| command |") {
        let name = quoted(row[0])[0].split(' ').nth(1).unwrap().to_owned();
        let help = whole_help(&name);
        let documented = quoted(row[1]).into_iter().filter(|quoted| quoted.starts_with("--"));
        let documented: BTreeSet<_> =
            documented.map(|flag| flag.split(' ').next().unwrap().to_owned()).collect();
        for flag in &documented {
            assert!(help.contains(flag), "{name} has no {flag}");
        }
        // The first column has --run in its usage.
        let elsewhere = ["--run"];
        for flag in options(&help).difference(&documented) {
            assert!(elsewhere.contains(&flag.as_str()), "{name}: {flag} is not documented");
        }
    }
}

#[test]
fn every_command_of_the_chat_is_there_and_no_other() {
    let help = help(env!("CARGO_BIN_EXE_chinwag"), &["chat"]);
    let (_, rest) = help.split_once("In the chat:\n").unwrap();
    let lines = rest.lines().take_while(|line| !line.is_empty());
    let lines = lines.filter_map(|line| Some(format!("/{}", line.strip_prefix("  /")?)));
    let (mut there, mut also) = (BTreeSet::new(), BTreeSet::new());
    for line in lines.filter(|line| !line.starts_with("//")) {
        let (written, help) = line.split_once("  ").unwrap();
        there.insert(written.to_owned());
        let names = help.split_once("(also: ").map_or("", |(_, names)| names).trim_end_matches(')');
        also.extend(names.split(", ").filter(|name| name.starts_with('/')).map(str::to_owned));
    }
    let rows = table(CHAT, "| in the chat |");
    let plain = |quoted: Vec<String>| quoted.into_iter().map(|text| text.replace("\\|", "|"));
    let said: BTreeSet<String> = rows.iter().flat_map(|row| plain(quoted(row[0]))).collect();
    assert_eq!(said, there);
    let said: BTreeSet<String> = rows.iter().flat_map(|row| plain(quoted(row[1]))).collect();
    let said: BTreeSet<String> = said.into_iter().filter(|name| name.starts_with('/')).collect();
    assert_eq!(said, also);
}

#[test]
fn every_global_option_is_documented() {
    let help = help(env!("CARGO_BIN_EXE_chinwag"), &[]);
    let (_, common) = help.split_once("Global options:\n").unwrap();
    assert_eq!(option_rows(SCRIPTING, "| global option |"), options(common));
    for row in table(SCRIPTING, "| global option |") {
        let variable = quoted(row[2]).pop();
        assert!(variable.is_none_or(|name| common.contains(&name)), "{row:?}");
    }
}

#[test]
fn the_operators_commands_and_options_are_documented() {
    let hub = env!("CARGO_BIN_EXE_chinwagd");
    let name = |row: &Vec<&str>| quoted(row[0])[0].split(' ').nth(1).unwrap().to_owned();
    let rows = table(HUB, "| operator's command |");
    let documented: BTreeSet<_> = rows.iter().map(name).collect();
    assert_eq!(documented, commands(hub));
    for row in rows {
        let help = help(hub, &[&name(&row)]);
        for flag in quoted(row[1]).iter().filter(|quoted| quoted.starts_with("--")) {
            assert!(help.contains(flag.split(' ').next().unwrap()), "{row:?} has no {flag}");
        }
    }
    assert_eq!(option_rows(HUB, "| option of the hub |"), options(&help(hub, &[])));
}

#[test]
fn exit_codes_are_those_that_are_documented() {
    let hub = TestHub::start();
    let alice = Person::new(hub.address(), "alice");
    let nowhere = Person::new("127.0.0.1:1".parse().unwrap(), "alice");
    let mut seen: BTreeSet<i32> = BTreeSet::new();
    let mut check = |code: i32, output: Output| {
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert_eq!(output.stderr.is_empty(), code == 0, "{output:?}");
        assert!(output.stdout.is_empty(), "data and nothing else on stdout: {output:?}");
        seen.insert(code);
    };
    check(0, alice.run(&["post", "lobby", "hi"]));
    check(2, alice.run(&["post", "--nonsense", "lobby", "hi"]));
    check(2, alice.run(&["--name", "no name", "post", "lobby", "hi"]));
    check(3, nowhere.run(&["post", "lobby", "hi"]));
    check(4, alice.run(&["send", "nobody", "hi"]));
    check(124, alice.run(&["tail", "--timeout", "100ms"]));
    let holder = alice.stream(&["listen", "--json"]);
    let watch = Person::new(hub.address(), "watcher");
    watch.stream(&["peers", "--watch", "--json"]).next("peer");
    let thief = Person::new(hub.address(), "alice");
    check(1, thief.run(&["post", "lobby", "hi"]));
    drop(holder);

    // Interrupt it while it waits for input.
    let carol = Person::new(hub.address(), "carol");
    let mut waiting = carol.command(&["post", "lobby"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = waiting.stdin.take().unwrap();
    input.write_all(b"the first line\n").unwrap();
    let reader = Person::new(hub.address(), "reader");
    let mut tail = reader.stream(&["tail", "--json", "--last", "10"]);
    while tail.next("message")["text"] != "the first line" {}
    let kill = format!("kill -INT {}", waiting.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(waiting.wait().unwrap().code(), Some(130));
    seen.insert(130);

    let said: BTreeSet<i32> =
        table(SCRIPTING, "| exit code |").iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(seen, said);
}
