//! The manual pages: one for each command, each accepted by a formatter.

use std::{collections::BTreeSet, path::Path};

use crate::support::{cli, help::commands};

/// Checks for content that a formatter would reject.
#[track_caller]
fn check(page: &str, name: &str) {
    let mut lines = page.lines();
    // The strings for quotes are defined for every output device.
    let title = lines.by_ref().find(|line| {
        !line.starts_with([',', '\'']) && !line.starts_with(".ie") && !line.starts_with(".el")
    });
    assert!(title.unwrap().starts_with(&format!(".TH {name} 1")), "{name}: {title:?}");
    for section in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS"] {
        assert!(page.contains(section), "{name} has no {section}");
    }
    let requests = ["TH", "SH", "SS", "TP", "IP", "PP", "RS", "RE", "br", "ie", "el", "nf", "fi"];
    for line in page.lines().filter_map(|line| line.strip_prefix('.')) {
        let request = line.split([' ', '\\']).next().unwrap();
        assert!(requests.contains(&request), "{name}: .{line}");
    }
    let count = |request: &str| page.lines().filter(|line| line.starts_with(request)).count();
    assert_eq!(count(".RS"), count(".RE"), "{name}: indents do not end");
    let fonts = |font: &str| page.matches(font).count();
    assert!(fonts("\\fB") + fonts("\\fI") <= fonts("\\fR"), "{name}: a font does not end");
    assert!(!page.contains('\x1b'), "{name}: an escape of terminals");
}

/// The formatter, if installed, must not warn.
fn format(page: &Path) {
    for (formatter, args) in [
        ("mandoc", &["-T", "lint", "-W", "error"][..]),
        ("groff", &["-man", "-ww", "-Tutf8", "-z"]),
    ] {
        let Ok(said) = std::process::Command::new(formatter).args(args).arg(page).output() else {
            continue;
        };
        let complaints = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.status.success() && complaints.is_empty(), "{page:?}: {complaints}");
    }
}

#[test]
fn every_command_has_its_page() {
    let home = tempfile::tempdir().unwrap();
    // Invalid settings do not matter.
    std::fs::write(home.path().join("config.toml"), "nonsense").unwrap();
    let main = cli::run(cli::homeless(home.path(), &["man"]), b"").done();
    let there = commands(env!("CARGO_BIN_EXE_chinwag"));
    assert!(there.len() > 20, "{there:?}");
    for command in &there {
        assert!(main.contains(&format!("chinwag\\-{command}(1)")), "{command}");
    }
    for code in ["0 success", "1 failure", "2 usage", "3 hub unreachable", "4 peer", "124", "130"] {
        assert!(main.contains(code), "no exit code {code}");
    }
    check(&main, "chinwag");

    let dir = home.path().join("share/man1");
    cli::run(cli::homeless(home.path(), &["man", dir.to_str().unwrap()]), b"").done();
    let pages = |program: &str, commands: BTreeSet<String>| {
        let of_commands = commands.into_iter().map(|command| format!("{program}-{command}"));
        std::iter::once(program.to_owned()).chain(of_commands).collect::<Vec<_>>()
    };
    let hub = commands(env!("CARGO_BIN_EXE_chinwagd"));
    for name in [pages("chinwag", there), pages("chinwagd", hub)].concat() {
        let path = dir.join(format!("{name}.1"));
        let page = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("no page of {name}"));
        check(&page, &name);
        format(&path);
    }
    let page = std::fs::read_to_string(dir.join("chinwag.1")).unwrap();
    let send = std::fs::read_to_string(dir.join("chinwag-send.1")).unwrap();
    assert!(send.contains("\nchinwag send [OPTIONS] <NAME> [TEXT]...\n.SH "), "{send}");
    assert!(!main.contains("EXTRA") && main.contains(".SH NOTES\n"));
    assert!(page == main, "the page of the program is the same either way");

    let file = home.path().join("config.toml");
    let refused = cli::run(cli::homeless(home.path(), &["man", file.to_str().unwrap()]), b"");
    assert!(refused.failed(1).contains("cannot write manual pages to"));
}
