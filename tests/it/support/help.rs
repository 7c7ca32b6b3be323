//! Reads the help of a program.

use std::{collections::BTreeSet, process::Command};

/// Returns the commands listed in a program's help.
pub(crate) fn commands(program: &str) -> BTreeSet<String> {
    let help = Command::new(program).arg("--help").output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let (_, rest) = help.split_once("Commands:\n").unwrap();
    let words = rest.lines().take_while(|line| !line.is_empty());
    let words = words.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = words.map(|line| line.split_whitespace().next().unwrap().to_owned());
    names.filter(|name| name != "help").collect()
}
